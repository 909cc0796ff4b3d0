"""The result of one frame for one candidate, and its row of the CSV."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from relational_iqa.results.map import Map
from relational_iqa.results.words.confidence import CANNOT_TELL, Better, can_tell
from relational_iqa.results.words.margins import TIE_MARGIN
from relational_iqa.results.words.visibility import is_unseen

CELLS = 4
"""A frame is divided into CELLS x CELLS parts, in which flicker is looked for too."""
CELL_NAMES = tuple(f"local_{row + 1}_{column + 1}" for row in range(CELLS) for column in range(CELLS))
AXIS_NAMES = tuple(axis.name for axis in AXES)
NUMBERS = ("seconds", "margin", "confidence", "visible_difference", "quality")
COLUMNS = ("frame", "seconds", "name", "verdict", *NUMBERS[1:], "width", "height", *AXIS_NAMES, *CELL_NAMES)


@dataclass(frozen=True)
class FrameRow:
    """One frame of one candidate. Numbers have six digits, as in the CSV: a run that was continued gives the same.

    Args:
        frame: its number, from 0.
        name: of the candidate.
        seconds: when it is shown; None where the frame rate is unknown.
        margin: levels, positive where the first candidate is better than this one; None for the first candidate itself.
        confidence: probability that the sign of the margin is right; None where it is unknown.
        visible_difference: from the first candidate, 0 to 1; None where it is unknown.
        quality: levels below the reference, at most 0; None without a reference.
        size: width and height in pixels.
        axes: with a reference: how much more of each axis the candidate has than the reference. Without: how much more
            than the first candidate. Means over the frame, in [-1, 1].
        cells: the local quality (with a reference) or the local margin in CELLS x CELLS parts, row by row, levels.
    """

    frame: int
    name: str
    seconds: float | None
    margin: float | None
    confidence: float | None
    visible_difference: float | None
    quality: float | None
    size: tuple[int, int]
    axes: Mapping[str, float]
    cells: tuple[float, ...]

    @property
    def verdict(self) -> Better | None:
        """Which is better, "a" for the first candidate and "b" for this one, as `Comparison.better` says it; None for
        the first candidate itself."""
        if self.margin is None:
            return None
        if is_unseen(self.visible_difference):
            return "tie"
        if not can_tell(self.confidence):
            return CANNOT_TELL
        return "tie" if abs(self.margin) < TIE_MARGIN else "a" if self.margin > 0 else "b"

    @property
    def told_margin(self) -> float:
        """The margin, or 0 where its sign cannot be told or nothing is visible."""
        unseen = is_unseen(self.visible_difference) or self.verdict == CANNOT_TELL
        return 0.0 if self.margin is None or unseen else self.margin

    def cells_of_csv(self) -> dict[str, Any]:
        """The row, with the keys of COLUMNS; None is an empty cell."""
        return {
            "frame": self.frame, "seconds": self.seconds, "name": self.name, "verdict": self.verdict,
            "margin": self.margin, "confidence": self.confidence, "visible_difference": self.visible_difference,
            "quality": self.quality, "width": self.size[0], "height": self.size[1], **self.axes,
            **dict(zip(CELL_NAMES, self.cells, strict=True)),
        }  # fmt: skip

    @classmethod
    def from_csv(cls, cells: Mapping[str, str], name: str) -> "FrameRow":
        """The row that was written so. Raises UsageError for cells that are none."""
        try:
            numbers = {key: float(cells[key]) if cells[key] else None for key in NUMBERS}
            return cls(
                int(cells["frame"]), name, numbers["seconds"], numbers["margin"], numbers["confidence"],
                numbers["visible_difference"], numbers["quality"], (int(cells["width"]), int(cells["height"])),
                {axis: float(cells[axis]) for axis in AXIS_NAMES}, tuple(float(cells[cell]) for cell in CELL_NAMES),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"not a row of frames: {error}") from error


def six_digits(value: float | None) -> float | None:
    """A number as the CSV keeps it."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def in_cells(local: Map) -> tuple[float, ...]:
    """Means of a map in CELLS x CELLS parts, row by row."""
    parts = cv2.resize(np.ascontiguousarray(local.full()), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return tuple(float(f"{value:.6g}") for value in parts.reshape(-1))


def axes_of(means: Mapping[str, float]) -> dict[str, float]:
    """Every axis with six digits."""
    return {name: float(f"{means.get(name, 0.0):.6g}") for name in AXIS_NAMES}
