"""Finds weights: by path, or by the name of those that ship with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from distortion_engine.errors import UsageError

DEFAULT_WEIGHTS = "riqa-judged"


def find_weights(source: str | Path | None) -> Path:
    """The file that `source` means: a path, the name of shipped weights, or None for those of the core.

    Raises UsageError where there is no such file.
    """
    if source is not None and Path(source).is_file():
        return Path(source)
    shipped = Path(str(resources.files("relational_iqa"))) / "weights"
    path = shipped / f"{source or DEFAULT_WEIGHTS}.safetensors"
    if not path.is_file():
        names = sorted(file.stem for file in shipped.glob("*.safetensors"))
        known = ", ".join(names) or "none are shipped"
        raise UsageError(f"no weights {str(source or DEFAULT_WEIGHTS)!r}: give a file, or one of: {known}")
    return path
