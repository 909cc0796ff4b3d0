"""Results as plain Python, for json.dumps."""

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np


def plain_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping by `plain`."""
    return {str(key): plain(item) for key, item in values.items()}


def plain(value: Any) -> Any:
    """The same value in dict, list, str, int, float, bool and None; not-finite numbers become None, paths text."""
    if isinstance(value, Mapping):
        return plain_dict(value)
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return value.as_posix() if isinstance(value, PurePath) else str(value)
