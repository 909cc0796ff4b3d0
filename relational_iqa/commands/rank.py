"""riqa rank: several images of one scene, best first, as a league table."""

import time
from pathlib import Path

from jsonargparse import ArgumentParser

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import (
    add_device_options,
    add_images_option,
    add_model_options,
    add_reference_option,
    all_paths,
    check_outputs,
    display_names,
    finish,
    load_model,
    open_images,
)


def rank(
    images: list[str],
    reference: str | None = None,
    json: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
    csv: str | None = None,
    device: str | None = None,
    precision: str | None = None,
) -> None:
    """Order several images of one scene, best first.

    Prints a league table: score, wins, the axes that differ, and the margin of every image over every other.
    """
    if len(images) < 2:
        raise UsageError(f"rank got {len(images)} image: give two or more of one scene")
    paths = all_paths(images, reference)
    check_outputs((json, csv), paths)
    start = time.perf_counter()
    loaded = open_images(paths, max_pixels, align)
    model = load_model(weights, device, precision)

    from distortion_engine.jobs.progress import progress
    from relational_iqa.folders.pairing import printable
    from relational_iqa.results.league import games, play

    versions, names = loaded[: len(images)], [printable(name) for name in display_names(images)]
    with progress(games(len(images), reference is not None), "comparisons") as tick:
        league = play(model, versions, names, None if reference is None else loaded[-1], tick)
    lines = [league.ranking.summary(), *league.lines()]
    content = league.to_json()
    content["meta"]["seconds"] = round(time.perf_counter() - start, 3)
    if csv is not None:
        from relational_iqa.folders.comparison import csv_table

        with csv_table(csv, league.columns()) as table:
            for row in league.rows([printable(path) for path in images]):
                table.add(row, league.columns())
        lines.append(f"csv: {Path(csv).resolve()}")
    finish(lines, {**content, "files": images, "reference": reference, "align": align}, json)


def add_options(parser: ArgumentParser) -> None:
    """The options of `rank`."""
    add_images_option(parser)
    parser.add_argument("--csv", type=str, metavar="PATH", help="the table with all axes and margins, a row an image")
    add_reference_option(parser)
    add_model_options(parser)
    add_device_options(parser)
