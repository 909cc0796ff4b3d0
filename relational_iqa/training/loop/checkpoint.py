"""One training checkpoint a run, `last.pt`: written whole or not at all, read without running any pickled code."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file

FORMAT = 1
FILE_NAME = "last.pt"
_KEYS = {"format", "stage", "step", "seconds", "config", "model", "ema", "optimizer"}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, dicts, lists) to `path`; a kill at any moment leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        torch.save({"format": FORMAT, **state}, file)


def find_checkpoint(resume: str | Path, out_dir: Path) -> Path | None:
    """The file that `resume` means: "auto" (that of `out_dir` if there is one), "never", a file, or a run's folder."""
    if resume == "never":
        return None
    if resume == "auto":
        path = out_dir / FILE_NAME
        return path if path.exists() else None
    path = Path(resume)
    path = path / FILE_NAME if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}: give a {FILE_NAME}, its folder, 'auto' or 'never'")
    return path


def load_checkpoint(path: Path, stage: str) -> dict[str, Any]:
    """Read a checkpoint of stage `stage`, tensors on the CPU. UsageError names the file, the fault and the remedy."""
    remedy = "delete it or start anew with resume='never'"
    if foreign := _foreign(path):
        raise UsageError(f"{path} is {foreign}, no training checkpoint; {remedy}")
    try:
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("compressed, which torch never does")  # and it might unfold to any size
            damaged = archive.testzip()  # torch itself checks no checksum: a flipped bit would become a weight
        if damaged:
            raise ValueError(f"wrong checksum of {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile pickle provokes whatever it likes
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UsageError(f"checkpoint {path} cannot be read ({reason}): damaged or cut short; {remedy}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT or not _KEYS <= state.keys():
        raise UsageError(f"{path} is no training checkpoint of format {FORMAT}; {remedy}")
    if state["stage"] != stage:
        raise UsageError(f"checkpoint {path} is of stage {state['stage']!r}, this run is {stage!r}; {remedy}")
    return state


def _foreign(path: Path) -> str:
    """What a file is that does not begin like a checkpoint; empty for one that does, or that has nothing to tell by."""
    with path.open("rb") as file:
        start = file.read(16)
    if not start or start.startswith(b"PK"):
        return ""
    if start[8:9] == b"{":  # 8 bytes length, then JSON
        return "a safetensors file (weights)"
    if start.startswith(b"\x80") or start.startswith(b"\x1f\x8b"):
        return "a pickle of another program"
    return f"another kind of file (it starts with {start[:8]!r})"
