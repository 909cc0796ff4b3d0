"""The options of `riqa compare`, each once as a field and once for the parser; both kinds of comparison take them."""

import math
from dataclasses import dataclass

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import add_device_options, add_model_options, add_reference_option

WORST = 10


@dataclass(frozen=True)
class CompareOptions:
    """What was asked for; None where an option was left out. The help says what each means.

    Raises UsageError for a --fail-below that no margin could be compared with.
    """

    a: str
    b: str
    reference: str | None = None
    out: str | None = None
    json: str | None = None
    mask: str | None = None
    csv: str | None = None
    worst: int | None = None
    fail_below: float | None = None
    fail_unmatched: bool = False
    align: str | None = None
    weights: str | None = None
    max_pixels: int | None = None
    device: str | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        if self.fail_below is not None and not math.isfinite(self.fail_below):
            raise UsageError(f"--fail-below {self.fail_below}: expected a number of levels, as -0.1")

    @property
    def inputs(self) -> dict[str, str]:
        """Role -> path of "a", "b" and, where there is one, "reference"."""
        given = {"a": self.a, "b": self.b, "reference": self.reference}
        return {role: path for role, path in given.items() if path is not None}


def add_options(parser: ArgumentParser) -> None:
    """The options of `compare`."""
    parser.add_argument("a", type=str, metavar="A", help="one image, or a folder of images")
    parser.add_argument("b", type=str, metavar="B", help="the other image of the same scene, or the other folder")
    parser.add_argument(
        "--out", type=str, metavar="REPORT.html|DIR", help="write a report with maps, one HTML file; folders: DIR"
    )
    parser.add_argument("--mask", type=str, metavar="M", help="image: white counts, black does not, grey in part")
    parser.add_argument("--csv", type=str, metavar="PATH", help="folders: a table with a row a pair")
    parser.add_argument("--worst", type=NonNegativeInt, metavar="N", help=f"folders: how many to list, else {WORST}")
    parser.add_argument(
        "--fail-below", type=float, metavar="MARGIN", help="exit code 1 where the (mean) margin is lower, as -0.1"
    )
    parser.add_argument("--fail-unmatched", action="store_true", help="folders: exit code 2 for files without partner")
    add_reference_option(parser)
    add_model_options(parser)
    add_device_options(parser)
