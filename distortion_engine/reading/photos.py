"""Which photographs of a folder are for training and which are held out, decided by file name alone."""

import hashlib
import os
from pathlib import Path
from typing import Literal, get_args

from distortion_engine.errors import UsageError

PHOTO_SUFFIXES = frozenset({".avif", ".bmp", ".jpeg", ".jpg", ".jxl", ".png", ".tif", ".tiff", ".webp"})
Split = Literal["all", "train", "held_out"]
SPLITS: tuple[Split, ...] = get_args(Split)
HELD_OUT_ONE_IN = 10


def is_held_out(filename: str) -> bool:
    """Whether a photograph is kept from training: about one in ten, by the hash of its name without folder, so the
    answer is the same on every machine and does not change when photographs are added. The hash is of the name's bytes
    in the file system, which need not be UTF-8."""
    name = os.fsencode(os.path.basename(filename))
    return int(hashlib.sha256(name).hexdigest(), 16) % HELD_OUT_ONE_IN == 0


def list_photos(folder: str | os.PathLike[str], split: str = "train") -> list[Path]:
    """Image files directly in `folder`, sorted by name. `split`: "train", "held_out" or "all".

    Raises UsageError for an unknown split, a missing folder, or one without photographs of that split.
    """
    if split not in SPLITS:
        raise UsageError(f"split {split!r} is unknown; expected one of {', '.join(SPLITS)}")
    root = Path(folder)
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; give the folder that holds the photographs")
    photos = sorted(path for path in root.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file())
    if not photos:
        raise UsageError(f"{root}: no photographs; expected files ending in {', '.join(sorted(PHOTO_SUFFIXES))}")
    if split != "all":
        photos = [path for path in photos if is_held_out(path.name) == (split == "held_out")]
        if not photos:
            raise UsageError(f'{root}: no photographs in split "{split}"; add photographs or use split "all"')
    return photos
