"""Which photographs of a folder can be cut into crops: those that can be read and need not be enlarged."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from distortion_engine.errors import ImageError
from distortion_engine.generation.workers import Tick, run_local
from distortion_engine.jobs.printable import printable
from distortion_engine.jobs.progress import progress
from distortion_engine.jobs.safe_files import file_sha256
from distortion_engine.reading.image_io import load_image


def usable_photos(
    candidates: list[Path], side_px: int, known: Mapping[str, str], workers: int
) -> list[tuple[Path, str]]:
    """Photographs with `side_px` on each side, each with its sha256. The others are named on stderr.

    Args:
        candidates: files.
        side_px: least side, px.
        known: sha256 by file name of photographs that were found usable before; they are hashed, but not decoded.
        workers: processes; 0 works in this one.
    """
    task = partial(_check_photo, candidates, side_px, dict(known))
    every = range(len(candidates))
    with progress(len(every), "photographs") as tick, closing(run_local(task, every, workers, tick)) as results:
        answers = dict(results)
    usable = []
    for index, photo in enumerate(candidates):
        sha256, reason = answers[index]
        if reason:
            print(f"skipped {printable(reason)}", file=sys.stderr, flush=True)
        else:
            usable.append((photo, sha256))
    return usable


def _check_photo(photos: list[Path], side_px: int, known: Mapping[str, str], index: int, tick: Tick) -> tuple[str, str]:
    """(sha256, the reason in one line why the photograph cannot be used; empty where it can)."""
    photo, reason, sha256 = photos[index], "", ""
    try:
        sha256 = file_sha256(photo)
        if known.get(photo.name) != sha256:
            height, width = load_image(photo).shape[-2:]
            if min(height, width) < side_px:
                reason = f"{photo}: {width}x{height} px, needs {side_px} px on each side or a smaller --size"
    except ImageError as error:
        reason = str(error)
    except OSError as error:
        reason = f"{photo}: cannot be read ({error.strerror or error})"
    tick()
    return sha256, reason
