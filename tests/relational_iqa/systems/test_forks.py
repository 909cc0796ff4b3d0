"""A child that is forked after a comparison computes too: OpenMP's threads do not come along."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import os, torch
torch.set_num_threads(2)
a = torch.rand(3, 200, 200)
b = (a * 0.9).clamp(0, 1)
{used}
value = used()
assert torch.get_num_threads() == 2
child = os.fork()
if child == 0:
    os._exit(0 if abs(used() - value) < 1e-3 else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
USED = {
    "the core": "import relational_iqa; model = relational_iqa.load(); used = lambda: model.compare(a, b).margin",
    "a metric": "from relational_iqa.conventional import METRICS\n"
    "used = lambda: float(METRICS['mdsi'].function(a[None], b[None]))",
}


@pytest.mark.parametrize("what", USED)
def test_a_child_that_is_forked_after_use_does_not_hang(what: str) -> None:
    code = CODE.format(used=USED[what])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "0\n", done.stderr
