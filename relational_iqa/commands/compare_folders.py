"""riqa compare with two folders: every pair by one model, a table, a summary, and an exit code for nightly runs."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import check_margin, finish, full_path, load_system
from relational_iqa.commands.compare_options import CompareOptions
from relational_iqa.commands.paths import check_folder_name, check_map_root, check_outputs
from relational_iqa.version import __version__
from relational_iqa.viewing.condition import PIXEL_PEEP

if TYPE_CHECKING:
    from relational_iqa.folders.compared_files import ComparedFiles
    from relational_iqa.folders.comparison import FolderComparison, Row
    from relational_iqa.folders.pairing import Pair, Pairing
    from relational_iqa.folders.summary import FolderSummary

WORST = 10
"""Pairs that are listed and reported unless --worst says how many."""
MAX_LISTED = 10
"""Files named on the terminal for each kind of trouble; all of them are in the JSON."""


def compare_folders(options: CompareOptions) -> None:
    """Compares the images of two folders by name; `docs/folders.md` has outputs and exit codes.

    Raises UsageError for options that are for two images, and after all output where files failed; SystemExit(1) where
    the mean margin is below `fail_below`.
    """
    if options.full_size:
        raise UsageError("--full-size is for two images; with two folders leave it out")
    for option, given in (("--mask", options.mask), ("--roi", options.roi)):
        if given:
            raise UsageError(f"{option} {given[0]} is for two images; with two folders leave it out")

    from relational_iqa.folders.pairing import pair_up

    out, csv = options.out, options.csv
    if options.maps is not None:
        check_map_root(options.maps, list(options.inputs.values()))
    pairing = pair_up(options.a, options.b, options.reference)
    check_outputs([(path, "file") for path in (csv, options.json) if path is not None], pairing.files)
    if out is not None and Path(out).exists() and not Path(out).is_dir():
        raise UsageError(f"{out}: is a file; with two folders --out is a folder for the reports of the worst pairs")
    if out is not None:
        check_folder_name("--out", out)

    from relational_iqa.folders.comparison import FolderComparison
    from relational_iqa.folders.summary import summarise

    labels = folder_labels(options.a, options.b)
    model = load_system("pixel_perfect", options.weights, options.device, options.precision)
    comparison = FolderComparison(model, labels, options.max_pixels, options.align, options.gain_map, options.viewing)
    pictures: dict[str, tuple[str, ...]] | None = None if out is None else {}
    rows = _rows(comparison, pairing.pairs, pictures, options)
    summary = summarise(rows, WORST if options.worst is None else options.worst)
    reports = [] if out is None or summary is None else _write_reports(comparison, summary.worst, Path(out))
    index = None
    if out is not None and pictures is not None:
        index = _write_index(Path(out), labels, pairing, rows, summary, reports, pictures, model.meta)

    lines = [] if summary is None else [*summary.lines(labels), *_worst_lines(summary, labels)]
    if options.viewing is not None:
        lines.append(f"viewing: {options.viewing}")
    if out is not None and summary is not None:
        lines.append(f"reports of the worst {len(reports)}: {full_path(out)}")
    if index is not None:
        lines.append(f"page of all pairs: {full_path(index)}")
    lines += _trouble_lines(options, pairing, rows)
    if csv is not None:
        lines.append(f"csv: {full_path(csv)}")
    if options.maps is not None:
        lines.append(f"maps, a folder for each pair: {full_path(options.maps)}")
    content = _content(options, labels, pairing, rows, summary)
    finish(
        lines,
        {**content, "reports": reports, "index": index, "meta": {"version": __version__, **model.meta}},
        options.json,
    )
    sys.stdout.flush()
    _check_outcome(options, pairing, rows, summary)


def folder_labels(a: str, b: str) -> tuple[str, str]:
    """What sentences call the two folders: their last parts, with more in front of them as long as those are equal."""
    from distortion_engine.jobs.printable import printable

    parts_a, parts_b = Path(a).resolve().parts, Path(b).resolve().parts
    for length in range(1, min(len(parts_a), len(parts_b)) + 1):
        one, two = "/".join(parts_a[-length:]), "/".join(parts_b[-length:])
        if one != two:
            return printable(one), printable(two)
    return "A", "B"


def _rows(
    comparison: "FolderComparison",
    pairs: "Sequence[Pair]",
    pictures: dict[str, tuple[str, ...]] | None,
    options: CompareOptions,
) -> "list[Row]":
    """All rows, written to the CSV as they come, the maps of each pair to a sub-folder of `maps`, and its thumbnails to
    `pictures`."""
    from contextlib import nullcontext

    from distortion_engine.jobs.progress import progress
    from relational_iqa.folders.comparison import COLUMNS
    from relational_iqa.folders.csv_table import csv_table

    rows: list[Row] = []
    csv = options.csv
    try:
        with (
            nullcontext() if csv is None else csv_table(csv, COLUMNS) as table,
            progress(len(pairs), "pairs", options.quiet) as tick,
        ):
            for row, shown in _compared(comparison, pairs, pictures is not None, options, tick):
                rows.append(row)
                if pictures is not None and shown:
                    pictures[row.pair.name] = shown
                if table is not None:
                    table.add(row.cells())
    except KeyboardInterrupt:
        if csv is not None:
            print(f"{len(rows)} of {len(pairs)} pairs are done: {csv}.partial", file=sys.stderr)
        raise
    return rows


def _compared(
    comparison: "FolderComparison",
    pairs: "Sequence[Pair]",
    pictured: bool,
    options: CompareOptions,
    tick: Callable[[], None],
) -> "Iterator[tuple[Row, tuple[str, ...]]]":
    """Row and thumbnails of every pair in order, by this process or by others."""
    if options.workers or options.engine != "local" or options.address is not None:
        from distortion_engine.generation.workers import Workforce
        from relational_iqa.folders.shared_out import PairTask, rows_in_order

        workforce = Workforce(options.engine, options.workers, options.address)
        lent = replace(comparison, model=None)  # each process loads its own
        task = PairTask(
            pairs, lent, options.weights, options.device, options.precision, options.maps, pictured, os.getcwd()
        )
        yield from rows_in_order(task, workforce, tick)
        return
    from relational_iqa.folders.index_page import thumbnails

    for pair in pairs:
        found: list[tuple[str, ...]] = []

        def keep(pair: "Pair", compared: "ComparedFiles", found: list[tuple[str, ...]] = found) -> None:
            if options.maps is not None:
                compared.write_maps(Path(options.maps, pair.name))
            if pictured:
                found.append(thumbnails(compared))

        row = comparison.row(pair, keep)
        tick()
        yield row, found[0] if found else ()


def _write_reports(comparison: "FolderComparison", worst: "Sequence[Row]", folder: Path) -> list[str]:
    """A report a pair, numbered from the worst; reports of an earlier run keep their place unless names are equal."""
    from relational_iqa.folders.index_page import INDEX
    from relational_iqa.report.link import Link

    paths = []
    for number, row in enumerate(worst, start=1):
        target = folder / f"{number:0{len(str(len(worst)))}}-{row.pair.name.replace('/', '-')}.html"
        comparison.report(row.pair, target, Link(INDEX, "All pairs"))
        paths.append(str(target))
    return paths


def _write_index(
    folder: Path,
    labels: tuple[str, str],
    pairing: "Pairing",
    rows: "Sequence[Row]",
    summary: "FolderSummary | None",
    reports: Sequence[str],
    pictures: Mapping[str, tuple[str, ...]],
    meta: Mapping[str, Any],
) -> str:
    """The page of all pairs; its path."""
    from relational_iqa.folders.index_page import write_index

    worst = () if summary is None else summary.worst
    linked = {row.pair.name: Path(path).name for row, path in zip(worst, reports, strict=True)}
    named = [(f"Weights {key}".replace(" name", ""), str(meta[key])) for key in ("name", "sha256") if key in meta]
    facts = [("Version", __version__), *named]
    return str(
        write_index(
            folder, labels, rows, summary, reports=linked, pictures=pictures, only_a=pairing.only_a,
            only_b=pairing.only_b, facts=[*facts, ("Command", shlex.join(["riqa", *sys.argv[1:]]))],
        )
    )  # fmt: skip


def _worst_lines(summary: "FolderSummary", labels: tuple[str, str]) -> list[str]:
    if not summary.worst:
        return []
    width = max(len(row.pair.name) for row in summary.worst)
    return [
        f"worst for {labels[0]}, lowest margin first:",
        *(f"  {row.margin:+6.2f}  {row.pair.name:{width}}  {row.sentence}" for row in summary.worst),
    ]


def _trouble_lines(options: CompareOptions, pairing: "Pairing", rows: "Sequence[Row]") -> list[str]:
    """Files that found no partner, and pairs that failed."""
    from distortion_engine.jobs.printable import printable

    return [
        *_listed(f"without a partner in {printable(options.a)}", pairing.only_a),
        *_listed(f"without a partner in {printable(options.b)}", pairing.only_b),
        *_listed("failed", [f"{row.pair.name}: {row.error}" for row in rows if row.error]),
    ]


def _listed(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    shown = [f"  {name}" for name in names[:MAX_LISTED]]
    more = [f"  and {len(names) - MAX_LISTED} more; --json has all"] if len(names) > MAX_LISTED else []
    return [f"{what}: {len(names)}", *shown, *more]


def _content(
    options: CompareOptions,
    labels: tuple[str, str],
    pairing: "Pairing",
    rows: "Sequence[Row]",
    summary: "FolderSummary | None",
) -> dict[str, Any]:
    """What the JSON holds, without reports and meta."""
    from distortion_engine.jobs.printable import printable

    folders = {"a": options.a, "b": options.b, "reference": options.reference}
    return {
        "verdict": None if summary is None else summary.verdict(labels),
        "names": {"a": labels[0], "b": labels[1]},
        "folders": {role: None if path is None else printable(path) for role, path in folders.items()},
        "summary": None if summary is None else summary.to_json(),
        "pairs": [row.to_json() for row in rows],
        "unmatched": {"a": list(pairing.only_a), "b": list(pairing.only_b)},
        "failed": {row.pair.name: row.error for row in rows if row.error},
        "fail_below": options.fail_below,
        "align": options.align,
        "viewing": options.viewing or PIXEL_PEEP,
        "maps": options.maps,
    }


def _check_outcome(
    options: CompareOptions, pairing: "Pairing", rows: "Sequence[Row]", summary: "FolderSummary | None"
) -> None:
    """Ends the command with its exit code: 2 for pairs that failed and for missing partners, 1 for a low margin."""
    failed = [row for row in rows if row.error]
    if failed:
        raise UsageError(
            f"{len(failed)} of {len(rows)} pairs could not be compared; the first: {failed[0].pair.name}: "
            f"{failed[0].error}"
        )
    missing = len(pairing.only_a) + len(pairing.only_b)
    if options.fail_unmatched and missing:
        raise UsageError(f"{missing} files have no partner in the other folder (--fail-unmatched)")
    if summary is not None:
        untold = f"cannot tell in {summary.cannot_tell} of {summary.compared} pairs, which count as 0"
        check_margin(summary.margin.mean, summary.told_mean, options.fail_below, "mean margin", untold)
