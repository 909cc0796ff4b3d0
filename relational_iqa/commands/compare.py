"""riqa compare: two images of one scene, or two folders of them, with or without the pristine ones."""

import shlex
import sys
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from relational_iqa.commands.common import (
    bound_threads,
    check_margin,
    finish,
    full_path,
    load_system,
    viewing_lines,
)
from relational_iqa.commands.compare_options import CompareOptions
from relational_iqa.commands.options import HTML
from relational_iqa.commands.paths import check_map_folder, check_suffix


def compare(options: CompareOptions) -> None:
    """Which of two images is better, by how much, where and in what way; or of two folders, pair by pair.

    Two folders: files are paired by name, sub-folders included; --reference is then a folder too. Exit codes: 0 done, 1
    margin below --fail-below, 2 bad input or pairs that could not be compared. A pair of which it cannot be told which
    image is better, or in which nothing that differs is visible, counts as 0 for --fail-below: it does not fail a limit
    of 0 or below, and does not meet one above 0.
    """
    bound_threads(options.threads)
    if Path(options.a).is_dir() or Path(options.b).is_dir():
        from relational_iqa.commands.compare_folders import compare_folders

        compare_folders(options)
    else:
        _compare_images(options)


def _compare_images(options: CompareOptions) -> None:
    for option, given in (
        ("--csv", options.csv), ("--worst", options.worst), ("--fail-unmatched", options.fail_unmatched or None),
        ("--workers", options.workers or None), ("--engine ray", options.engine == "ray" or None),
        ("--address", options.address),
    ):  # fmt: skip
        if given is not None:
            raise UsageError(f"{option} is for two folders, {options.a} is none; leave it out or give two folders")
    inputs, out = options.inputs, options.out
    if options.full_size and out is None:
        raise UsageError("--full-size is for a report; add --out report.html")
    if out is not None:
        if Path(out).is_dir():
            raise UsageError(f"{out}: is a folder; give a file to write")
        check_suffix("--out", out, HTML.suffixes)
    if options.maps is not None:
        check_map_folder(options.maps, [*inputs.values(), *options.mask])

    from distortion_engine.jobs.progress import progress_line
    from relational_iqa.folders.compared_files import compare_stored
    from relational_iqa.tiling.aligned_images import open_images

    with progress_line("comparing", options.quiet):
        images = open_images(
            list(inputs.values()), options.max_pixels, options.align, "reference" in inputs, options.gain_map
        )
        regions = options.found_regions(images[0])
        model = load_system("pixel_perfect", options.weights, options.device, options.precision)
        names = (printable(Path(options.a).name), printable(Path(options.b).name))
        compared = compare_stored(model, images, list(inputs.values()), names, regions, options.align, options.viewing)
        result = compared.result
        lines = [
            result.summary(),
            _margin_line(result),
            *viewing_lines(result.meta),
            *(part.line for part in result.rois),
        ]

    def announce(nbytes: int) -> None:
        if options.full_size:
            print(f"writing {nbytes / 1e6:.1f} MB with every pixel of {len(images)} images: {out}", file=sys.stderr)

    if options.maps is not None:
        compared.write_maps(options.maps)
        lines.append(f"maps: {full_path(options.maps)}")
    if out is None and options.maps is None:
        lines.append("maps to look at: add --out report.html")
    elif out is not None:
        compared.write_report(
            out, shlex.join(["riqa", *sys.argv[1:]]), full_size=options.full_size, before_writing=announce
        )
        lines.append(f"report: {full_path(out)}")
    content = {**result.to_json(), "files": inputs, "mask": list(options.mask), "maps": options.maps}
    content["align"] = options.align
    finish(lines, content, options.json)
    for one, what in [(part.result, f"margin of {part.name}") for part in result.rois] or [(result, "margin")]:
        untold = "nothing is visible" if one.looks_the_same else "cannot tell which image is better"
        check_margin(one.margin, one.told_margin, options.fail_below, what, untold)


def _margin_line(result: Any) -> str:
    from relational_iqa.results.words.margins import UNIT

    a, b = result.labels
    line = f"margin: {result.margin:+.2f} {UNIT} (positive: {a} is better; 1 is one level of a five-level ladder)"
    if result.quality_a is not None and result.quality_b is not None:
        line += f"; quality: {a} {result.quality_a:.2f}, {b} {result.quality_b:.2f} (0 equals the reference)"
    return line
