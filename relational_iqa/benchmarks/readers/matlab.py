"""Variables of MATLAB files (version 7 and older) as flat lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from distortion_engine.errors import UsageError


def variable(path: Path, *names: str) -> list[Any]:
    """The first of the variables `names` in a MATLAB file, flattened: floats, or strings for a cell array of names.

    Raises UsageError for a file that cannot be read or has none of them.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path)
    except (ValueError, TypeError, NotImplementedError, MatReadError, OSError) as error:
        raise UsageError(f"{path}: not readable as a MATLAB file ({error}); fetch it again") from error
    for name in names:
        if name in content:
            return [_plain(value) for value in np.asarray(content[name]).ravel()]
    there = ", ".join(name for name in content if not name.startswith("__"))
    raise UsageError(f"{path}: no variable {' or '.join(names)}; found {there or 'nothing'}")


def _plain(value: Any) -> Any:
    """Cells are arrays in arrays; what lies in the innermost is a string or a number."""
    while isinstance(value, np.ndarray):
        if value.size != 1:
            return ""
        value = value.ravel()[0]
    return str(value) if isinstance(value, str) else float(value)
