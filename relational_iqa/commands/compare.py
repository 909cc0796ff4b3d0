"""riqa compare: two images of one scene, or two folders of them, with or without the pristine ones."""

import shlex
import sys
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import (
    add_device_options,
    add_model_options,
    add_reference_option,
    check_outputs,
    finish,
    load_images,
    load_model,
    open_images,
)
from relational_iqa.commands.compare_folders import WORST, check_fail_below, check_margin, compare_folders


def compare(
    a: str,
    b: str,
    reference: str | None = None,
    out: str | None = None,
    json: str | None = None,
    mask: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
    csv: str | None = None,
    fail_below: float | None = None,
    fail_unmatched: bool = False,
    worst: int | None = None,
    device: str | None = None,
    precision: str | None = None,
) -> None:
    """Which of two images is better, by how much, where and in what way; or of two folders, pair by pair.

    Two folders: files are paired by name, sub-folders included; --reference is then a folder too. Exit codes: 0 done, 1
    margin below --fail-below, 2 bad input or pairs that could not be compared.
    """
    check_fail_below(fail_below)
    if Path(a).is_dir() or Path(b).is_dir():
        if mask is not None:
            raise UsageError(f"--mask {mask} is for two images; with two folders leave it out")
        compare_folders(
            a, b, reference, out, json, align, weights, max_pixels, csv, fail_below, fail_unmatched, worst, device,
            precision,
        )  # fmt: skip
        return
    for option, given in (("--csv", csv), ("--worst", worst), ("--fail-unmatched", fail_unmatched or None)):
        if given is not None:
            raise UsageError(f"{option} is for two folders, {a} is none; leave it out or give two folders")
    inputs = {"a": a, "b": b, "reference": reference}
    paths = {role: path for role, path in inputs.items() if path is not None}
    check_outputs((out, json), [*paths.values(), *([] if mask is None else [mask])])
    images = dict(zip(paths, open_images(list(paths.values()), max_pixels, align, keep=out is not None), strict=True))
    result = load_model(weights, device, precision).compare(
        images["a"],
        images["b"],
        reference=images.get("reference"),
        mask=None if mask is None else load_images([mask], max_pixels)[0],
        align=align,
        names=(Path(a).name, Path(b).name),
    )
    lines = [result.summary(), _margin_line(result)]
    if out is not None:
        from relational_iqa.report import write_report

        command = shlex.join(["riqa", *sys.argv[1:]])
        write_report(result, images["a"], images["b"], out, reference=images.get("reference"), command=command)
        lines.append(f"report: {Path(out).resolve()}")
    else:
        lines.append("maps to look at: add --out report.html")
    finish(lines, {**result.to_json(), "files": paths, "mask": mask, "align": align}, json)
    check_margin(result.margin, fail_below, "margin")


def _margin_line(result: Any) -> str:
    from relational_iqa.comparison import UNIT

    a, b = result.labels
    line = f"margin: {result.margin:+.2f} {UNIT} (positive: {a} is better; 1 is one level of a five-level ladder)"
    if result.quality_a is not None and result.quality_b is not None:
        line += f"; quality: {a} {result.quality_a:.2f}, {b} {result.quality_b:.2f} (0 equals the reference)"
    return line


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
