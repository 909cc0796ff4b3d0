"""One run of pytest in a fresh process that has the heavy libraries already, but nothing of this project."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection

# Imported once by the fork server, which saves most of the time of a short test file. No plug-in of pytest: those must
# come after it.
PRELOADED = ["torch", "numpy", "scipy.stats", "scipy.ndimage", "scipy.optimize", "cv2", "PIL.Image"]
OURS = ("distortion_engine", "relational_iqa", "experiments", "tests")


def run_pytest(folder: str, tests: Sequence[str], answer: Connection) -> None:
    """Runs `tests` in the repository at `folder` and sends (exit code of pytest, last line of its output)."""
    for name in [name for name in sys.modules if name.split(".")[0] in OURS and name != "__main__"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = folder
    sys.dont_write_bytecode = True
    import pytest
    import torch

    torch.set_num_threads(1)
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests])
    answer.send((int(code), (said.getvalue().strip().splitlines() or [""])[-1]))
    answer.close()
