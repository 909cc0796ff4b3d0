"""Options of `riqa compare`, which has a module for two images and one for two folders."""

import math
from dataclasses import dataclass
from typing import Annotated

from distortion_engine.errors import UsageError
from relational_iqa.commands.options import CSV, Metavar, NonNegativeInt, Positional, Writes
from relational_iqa.commands.shared_options import (
    DeviceOptions,
    EngineOptions,
    GainMapOption,
    ModelOptions,
    ReferenceOption,
    RegionOptions,
    ViewingOption,
)
from relational_iqa.viewing.condition import find_viewing


@dataclass(frozen=True, kw_only=True)
class CompareOptions(
    ReferenceOption, RegionOptions, GainMapOption, ViewingOption, ModelOptions, DeviceOptions, EngineOptions
):
    """Options of `riqa compare`. Raises UsageError for a `fail_below` that no margin can be compared with."""

    a: Annotated[str, Positional("A")]
    """One image, or a folder of images."""
    b: Annotated[str, Positional("B")]
    """The other image of the same scene, or the other folder."""
    out: Annotated[str | None, Metavar("REPORT.html|DIR"), Writes("either")] = None
    """Writes a report with maps: of two images one HTML file that works offline, of two folders a folder for the worst
    pairs."""
    full_size: bool = False
    """Puts every pixel of large images into the report, lossless, not only those around the regions. For two images."""
    maps: Annotated[str | None, Metavar("DIR"), Writes("folder")] = None
    """Writes every map into a folder: a PNG with its colour scale for each, and all values in maps.npz. Of two folders,
    a sub-folder for each pair."""
    csv: Annotated[str | None, Metavar("PATH"), CSV] = None
    """Writes a table with one row per pair. For two folders."""
    worst: Annotated[NonNegativeInt | None, Metavar("N")] = None
    """How many of the worst pairs to list and to report; 10 if not given. For two folders."""
    fail_below: Annotated[float | None, Metavar("MARGIN")] = None
    """Ends with exit code 1 where the margin (of two folders, the mean margin) is lower than this, for example -0.1. A
    pair of which it cannot be told which image is better, or in which nothing is visible, counts as 0."""
    fail_unmatched: bool = False
    """Ends with exit code 2 where a file has no partner in the other folder. For two folders."""

    def __post_init__(self) -> None:
        if self.fail_below is not None and not math.isfinite(self.fail_below):
            raise UsageError(f"--fail-below {self.fail_below}: expected a number of levels, as -0.1")
        find_viewing(self.viewing, 1)

    @property
    def inputs(self) -> dict[str, str]:
        """Role -> path of "a", "b" and, where there is one, "reference"."""
        given = {"a": self.a, "b": self.b, "reference": self.reference}
        return {role: path for role, path in given.items() if path is not None}
