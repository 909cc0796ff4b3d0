"""A child that is forked after a comparison computes too: OpenMP's threads do not come along."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
CODE = """
import os, torch, relational_iqa
torch.set_num_threads(2)
model = relational_iqa.load()
a = torch.rand(3, 200, 200)
b = (a * 0.9).clamp(0, 1)
margin = model.compare(a, b).margin
assert torch.get_num_threads() == 2
child = os.fork()
if child == 0:
    os._exit(0 if abs(model.compare(a, b).margin - margin) < 1e-3 else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_that_is_forked_after_use_does_not_hang() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "0\n", done.stderr
