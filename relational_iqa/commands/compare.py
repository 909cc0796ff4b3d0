"""riqa compare: two images of one scene, or two folders of them, with or without the pristine ones."""

import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import check_margin, check_outputs, finish, load_system
from relational_iqa.commands.options import Metavar, NonNegativeInt, Positional
from relational_iqa.commands.shared_options import DeviceOptions, ModelOptions, ReferenceOption


@dataclass(frozen=True, kw_only=True)
class CompareOptions(ReferenceOption, ModelOptions, DeviceOptions):
    """Options of `riqa compare`. Raises UsageError for a `fail_below` that no margin can be compared with."""

    a: Annotated[str, Positional("A")]
    """One image, or a folder of images."""
    b: Annotated[str, Positional("B")]
    """The other image of the same scene, or the other folder."""
    out: Annotated[str | None, Metavar("REPORT.html|DIR")] = None
    """Writes a report with maps: of two images one HTML file that works offline, of two folders a folder for the worst
    pairs."""
    mask: Annotated[str | None, Metavar("M")] = None
    """Image that says which pixels count: white ones do, black ones do not, grey ones in part. It changes the margin
    and the qualities; the maps stay whole."""
    csv: Annotated[str | None, Metavar("PATH")] = None
    """Writes a table with one row per pair. For two folders."""
    worst: Annotated[NonNegativeInt | None, Metavar("N")] = None
    """How many of the worst pairs to list and to report; 10 if not given. For two folders."""
    fail_below: Annotated[float | None, Metavar("MARGIN")] = None
    """Ends with exit code 1 where the margin (of two folders, the mean margin) is lower than this, for example -0.1."""
    fail_unmatched: bool = False
    """Ends with exit code 2 where a file has no partner in the other folder. For two folders."""

    def __post_init__(self) -> None:
        if self.fail_below is not None and not math.isfinite(self.fail_below):
            raise UsageError(f"--fail-below {self.fail_below}: expected a number of levels, as -0.1")

    @property
    def inputs(self) -> dict[str, str]:
        """Role -> path of "a", "b" and, where there is one, "reference"."""
        given = {"a": self.a, "b": self.b, "reference": self.reference}
        return {role: path for role, path in given.items() if path is not None}


def compare(options: CompareOptions) -> None:
    """Which of two images is better, by how much, where and in what way; or of two folders, pair by pair.

    Two folders: files are paired by name, sub-folders included; --reference is then a folder too. Exit codes: 0 done, 1
    margin below --fail-below, 2 bad input or pairs that could not be compared.
    """
    if Path(options.a).is_dir() or Path(options.b).is_dir():
        from relational_iqa.commands.compare_folders import compare_folders

        compare_folders(options)
    else:
        _compare_images(options)


def _compare_images(options: CompareOptions) -> None:
    for option, given in (
        ("--csv", options.csv), ("--worst", options.worst), ("--fail-unmatched", options.fail_unmatched or None)
    ):  # fmt: skip
        if given is not None:
            raise UsageError(f"{option} is for two folders, {options.a} is none; leave it out or give two folders")
    inputs, out = options.inputs, options.out
    check_outputs((out, options.json), [*inputs.values(), *([] if options.mask is None else [options.mask])])

    from relational_iqa.folders.compared_files import compare_stored
    from relational_iqa.tiling.stored_image import open_images

    images = open_images(list(inputs.values()), options.max_pixels, options.align)
    mask = None if options.mask is None else open_images([options.mask], options.max_pixels)[0]
    model = load_system("pixel_perfect", options.weights, options.device, options.precision)
    names = (Path(options.a).name, Path(options.b).name)
    compared = compare_stored(model, images, names, mask, options.align)
    result = compared.result
    lines = [result.summary(), _margin_line(result)]
    if out is None:
        lines.append("maps to look at: add --out report.html")
    else:
        compared.write_report(out, shlex.join(["riqa", *sys.argv[1:]]))
        lines.append(f"report: {Path(out).resolve()}")
    content = {**result.to_json(), "files": inputs, "mask": options.mask, "align": options.align}
    finish(lines, content, options.json)
    check_margin(result.margin, options.fail_below, "margin")


def _margin_line(result: Any) -> str:
    from relational_iqa.results.words.margins import UNIT

    a, b = result.labels
    line = f"margin: {result.margin:+.2f} {UNIT} (positive: {a} is better; 1 is one level of a five-level ladder)"
    if result.quality_a is not None and result.quality_b is not None:
        line += f"; quality: {a} {result.quality_a:.2f}, {b} {result.quality_b:.2f} (0 equals the reference)"
    return line
