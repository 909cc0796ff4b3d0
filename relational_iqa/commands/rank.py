"""riqa rank: several images of one scene, best first, as a league table."""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import (
    bound_threads,
    display_names,
    finish,
    full_path,
    load_system,
    reading_lines,
    viewing_lines,
)
from relational_iqa.commands.options import CSV, HTML, Metavar
from relational_iqa.commands.shared_options import RegionOptions, SeveralImagesOptions
from relational_iqa.viewing.condition import PIXEL_PEEP, find_viewing


@dataclass(frozen=True, kw_only=True)
class RankOptions(RegionOptions, SeveralImagesOptions):
    """Options of `riqa rank`. Raises UsageError for fewer than two images."""

    out: Annotated[str | None, Metavar("LEAGUE.html"), HTML] = None
    """Writes one HTML file that works offline: the table with thumbnails, score against file size, every pair, and a
    viewer of all images."""
    csv: Annotated[str | None, Metavar("PATH"), CSV] = None
    """Writes the table with all axes and margins, one row per image."""

    def __post_init__(self) -> None:
        if len(self.images) < 2:
            raise UsageError(f"rank got {len(self.images)} image: give two or more of one scene")
        find_viewing(self.viewing, 1)


def rank(options: RankOptions) -> None:
    """Order several images of one scene, best first.

    Prints a league table: score, wins, the axes that differ, and the margin of every image over every other.
    """
    images, reference, csv = options.images, options.reference, options.csv
    start = time.perf_counter()
    bound_threads(options.threads)

    from distortion_engine.jobs.printable import printable
    from distortion_engine.jobs.progress import progress
    from relational_iqa.results.league import games, play
    from relational_iqa.tiling.aligned_images import open_images
    from relational_iqa.tiling.regions_of_interest import within
    from relational_iqa.tiling.seen_images import see

    opened = open_images(options.inputs, options.max_pixels, options.align, reference is not None, options.gain_map)
    regions = options.found_regions(opened[0])
    viewing = find_viewing(options.viewing, max(opened[0].shape))
    seen = see(opened, viewing)
    model = load_system("pixel_perfect", options.weights, options.device, options.precision)
    names, number = display_names(images), games(len(images), reference is not None)
    with progress(number * (1 + len(regions)), "comparisons", options.quiet) as tick:

        def played(shown: Sequence[Any]) -> Any:
            return play(model, shown[: len(images)], names, None if reference is None else shown[-1], tick)

        league = played(seen)
        of_regions = [(region, played(see(within(opened, region), viewing))) for region in regions]
    lines = [league.ranking.summary(), *league.lines(), *viewing_lines(league.ranking.meta)]
    read_as = reading_lines([*names, *(["the reference"] if reference is not None else [])], opened)
    lines += read_as
    told = [(region.said, found.ranking.summary()) for region, found in of_regions]
    lines += [f"{region}: {order}" for region, order in told]
    if options.out is not None:
        _write_page(options, options.out, league, seen, told)
        lines.append(f"page: {full_path(options.out)}")
    content = league.to_json()
    content["read_as"] = read_as
    content["rois"] = [region.to_json() | found.to_json() for region, found in of_regions]
    content["meta"]["seconds"] = round(time.perf_counter() - start, 3)
    if csv is not None:
        from relational_iqa.folders.csv_table import csv_table

        with csv_table(csv, league.columns()) as table:
            for row in league.rows([printable(path) for path in images]):
                table.add(row)
        lines.append(f"csv: {full_path(csv)}")
    finish(
        lines,
        {
            **content,
            "files": images,
            "reference": reference,
            "align": options.align,
            "viewing": options.viewing or PIXEL_PEEP,
        },
        options.json,
    )


def _write_page(
    options: RankOptions, out: str, league: Any, opened: Sequence[Any], rois: Sequence[tuple[str, str]]
) -> None:
    from distortion_engine.reading.file_facts import read_file_facts
    from relational_iqa.report import write_league

    count = len(options.images)
    facts = [read_file_facts(path) for path in options.inputs]
    write_league(
        league,
        out,
        opened[:count],
        opened[count] if len(opened) > count else None,
        files=facts[:count],
        reference_file=facts[count] if len(facts) > count else None,
        command=shlex.join(["riqa", *sys.argv[1:]]),
        rois=rois,
    )
