"""riqa compare: two images of one scene, with or without the pristine one."""

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from relational_iqa.commands.common import (
    add_model_options,
    add_reference_option,
    check_outputs,
    finish,
    load_images,
    load_model,
)


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
) -> None:
    """Which of two images is better, by how much, where and in what way."""
    inputs = {"a": a, "b": b, "reference": reference}
    paths = {role: path for role, path in inputs.items() if path is not None}
    check_outputs((out, json), [*paths.values(), *([] if mask is None else [mask])])
    images = dict(zip(paths, load_images(list(paths.values()), max_pixels, align), strict=True))
    result = load_model(weights).compare(
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

        write_report(result, images["a"], images["b"], out, reference=images.get("reference"))
        lines.append(f"report: {Path(out).resolve()}")
    else:
        lines.append("maps to look at: add --out report.html")
    finish(lines, {**result.to_json(), "files": paths, "mask": mask, "align": align}, json)


def _margin_line(result: Any) -> str:
    from relational_iqa.comparison import UNIT

    a, b = result.labels
    line = f"margin: {result.margin:+.2f} {UNIT} (positive: {a} is better; 1 is one level of a five-level ladder)"
    if result.quality_a is not None and result.quality_b is not None:
        line += f"; quality: {a} {result.quality_a:.2f}, {b} {result.quality_b:.2f} (0 equals the reference)"
    return line


def add_options(parser: ArgumentParser) -> None:
    """The options of `compare`."""
    parser.add_argument("a", type=str, metavar="A", help="one image")
    parser.add_argument("b", type=str, metavar="B", help="the other image of the same scene")
    parser.add_argument("--out", type=str, metavar="REPORT.html", help="write a report with maps, one HTML file")
    parser.add_argument("--mask", type=str, metavar="M", help="image: white counts, black does not, grey in part")
    add_reference_option(parser)
    add_model_options(parser)
