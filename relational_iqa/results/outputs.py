"""What `Comparison.save` writes, by the suffix of the file.

The report lies in a higher layer than results, so its functions are named here and loaded when a file is asked for.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, cannot_write, make_folder_of
from relational_iqa.results.map_files import Mapped, save_maps

WRITERS = {
    ".html": "the report",
    ".json": "everything but the arrays",
    ".npz": "all maps",
    ".png": "a panel of the images and the strongest maps",
}
"""Suffix -> what such a file holds."""
RANKING_WRITERS = {".html": "the page of all images", ".json": "order, margins and confidences"}
"""The same of a ranking."""
FUNCTIONS = {
    "html": ("relational_iqa.report.saving", "save_report"),
    "png": ("relational_iqa.report.saving", "save_panel"),
    "league": ("relational_iqa.report.saving", "save_league"),
    "plot": ("relational_iqa.report.panel", "panel_of"),
    "notebook": ("relational_iqa.report.notebook", "notebook_html"),
}
"""What -> module and function that makes it."""


def save(result: Mapped, path: str | os.PathLike[str], images: Any = None) -> Path:
    """Writes a comparison to a file, whole or not at all, and returns its path; see `Comparison.save`.

    Raises:
        UsageError: for an unknown suffix, for images that are not to be had, and where the file cannot be written.
        ImageError: for images that do not fit the maps.
    """
    target = _target(path, WRITERS)
    kind = target.suffix.lower()
    try:
        if kind == ".npz":
            return save_maps(result, target)
        if kind == ".json":
            return _save_json(result.to_json(), target)
        written: Path = made_by(kind[1:])(result, target, images)
        return written
    except OSError as error:
        raise UsageError(cannot_write(target, error)) from error


def save_ranking(ranking: Any, path: str | os.PathLike[str], images: Any = None) -> Path:
    """Writes a ranking to a file, whole or not at all, and returns its path; see `Ranking.save`, and `save` for what it
    raises."""
    target = _target(path, RANKING_WRITERS)
    try:
        if target.suffix.lower() == ".json":
            return _save_json(ranking.to_json(), target)
        written: Path = made_by("league")(ranking, target, images)
        return written
    except OSError as error:
        raise UsageError(cannot_write(target, error)) from error


def _target(path: str | os.PathLike[str], writers: Mapping[str, str]) -> Path:
    """The file to write, in a folder that is there. Raises UsageError for a suffix that none of `writers` has."""
    target = Path(path)
    if target.suffix.lower() not in writers:
        known = ", ".join(f"{suffix} ({what})" for suffix, what in writers.items())
        raise UsageError(f"{target}: what to write is told by the suffix, expected one of {known}")
    make_folder_of(target)
    return target


def _save_json(content: Mapping[str, Any], target: Path) -> Path:
    with atomic_file(target) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")
    return target


def made_by(what: str) -> Callable[..., Any]:
    """The function of `FUNCTIONS`."""
    module, name = FUNCTIONS[what]
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
