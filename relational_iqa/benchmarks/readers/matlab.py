"""Variables of MATLAB files (version 7 and older) as flat lists."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers import matlab_child

MAX_BYTES = 100_000_000
"""Largest file that is read; tables of scores and names have some kilobytes."""
_PATIENCE_S = 120.0


def variable(path: Path, *names: str) -> list[Any]:
    """The first of the variables `names` in a MATLAB file, flattened: floats, or strings for a cell array of names.

    The file is read by another process, see `matlab_child`.

    Raises:
        UsageError: for a file that cannot be read or has none of them.
    """
    found = _read(path, names)
    if "values" in found:
        return list(found["values"])
    if "error" in found:
        raise UsageError(f"{path}: not readable as a MATLAB file ({_short(found['error'])}); fetch it again")
    there = ", ".join(found["there"])
    raise UsageError(f"{path}: no variable {' or '.join(names)}; found {_short(there) or 'nothing'}")


def _read(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    if path.stat().st_size > MAX_BYTES:
        return {"error": f"it has more than {MAX_BYTES:,} bytes"}
    command = [sys.executable, str(matlab_child.__file__), str(path.absolute()), *names]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return {"error": f"reading it takes more than {_PATIENCE_S:.0f} s"}
    if done.returncode < 0:
        return {"error": f"reading it ends in {signal.Signals(-done.returncode).name}"}
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["unknown"]
        return {"error": lines[-1]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _short(text: str) -> str:
    said = " ".join(text.split())
    return said if len(said) <= 200 else said[:197] + "..."
