"""riqa sequence: frames of two or more versions of a video, compared one by one and over time."""

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from distortion_engine.errors import UsageError
from distortion_engine.jobs.resume import Resume
from relational_iqa.commands.common import bound_threads, check_margin, finish, full_path, load_system
from relational_iqa.commands.options import CSV, Metavar, NonNegativeInt, Positional, PositiveFloat, PositiveInt, Writes
from relational_iqa.commands.shared_options import (
    DeviceOptions,
    ModelOptions,
    OneRegionOptions,
    ReferenceOption,
    ViewingOption,
)
from relational_iqa.version import __version__
from relational_iqa.viewing.condition import PIXEL_PEEP, find_viewing

if TYPE_CHECKING:
    from relational_iqa.sequences.comparing import SequenceComparison
    from relational_iqa.sequences.frame_row import FrameRow
    from relational_iqa.sequences.page import Moment
    from relational_iqa.sequences.summary import SequenceSummary

WORST = 5
"""Worst moments of each candidate that are listed and reported, unless --worst says how many."""


@dataclass(frozen=True, kw_only=True)
class SequenceOptions(ReferenceOption, ViewingOption, OneRegionOptions, ModelOptions, DeviceOptions):
    """Options of `riqa sequence`. Raises UsageError for numbers that fit nothing."""

    sequences: Annotated[Sequence[str], Positional("SEQUENCES")]
    """Folders of frames, or videos: two, or with --reference one or more. Margins are those of the first."""
    out: Annotated[str | None, Metavar("DIR"), Writes("folder")] = None
    """Writes a page with a timeline into this folder, and a report for each of the worst moments."""
    csv: Annotated[str | None, Metavar("PATH"), CSV] = None
    """Writes a table with one row per frame and candidate; a run that was killed goes on behind the rows in
    PATH.partial."""
    worst: Annotated[NonNegativeInt, Metavar("N")] = WORST
    """How many of the worst moments of each candidate to list and to report."""
    fps: Annotated[PositiveFloat | None, Metavar("N")] = None
    """Frames a second of folders; of videos, in place of what the files say."""
    every: Annotated[PositiveInt, Metavar("N")] = 1
    """Compares every Nth frame alone; flicker is then not looked for."""
    resume: Resume = "auto"
    """Goes on behind the rows of an earlier run of the same comparison (auto), or starts anew (never)."""
    fail_below: Annotated[float | None, Metavar("MARGIN")] = None
    """Ends with exit code 1 where the mean margin of the first sequence over another one is lower than this."""
    fail_unmatched: bool = False
    """Ends with exit code 2 where one sequence has more frames than another."""

    def __post_init__(self) -> None:
        super().__post_init__()
        find_viewing(self.viewing, 1)
        if self.fail_below is not None and not math.isfinite(self.fail_below):
            raise UsageError(f"--fail-below {self.fail_below}: expected a number of levels, as -0.1")
        if self.fps is not None and not math.isfinite(self.fps):
            raise UsageError(f"--fps {self.fps}: expected a number of frames a second, as 25")
        if self.reference is None and len(self.sequences) != 2:
            raise UsageError(
                f"{len(self.sequences)} sequence{'s' if len(self.sequences) != 1 else ''} without --reference: give "
                "two, or a reference for any number"
            )
        if self.fail_below is not None and len(self.sequences) == 1:
            raise UsageError("--fail-below is for a margin between two sequences; give another one")


def sequence(options: SequenceOptions) -> None:
    """Which of two or more versions of a video is better, frame by frame and over time.

    A sequence is a folder of frames or a video. With a reference each is compared with it; without one, two with each
    other. Prints the mean margin with an interval, the worst moments, and flicker where there is any.
    """
    bound_threads(options.threads)

    from distortion_engine.jobs.progress import progress
    from relational_iqa.sequences.comparing import SequenceComparison
    from relational_iqa.sequences.sources import open_source
    from relational_iqa.sequences.summary import summarise_frames

    names = sequence_names(options.sequences)
    sources = [open_source(path) for path in options.sequences]
    reference = None if options.reference is None else open_source(options.reference)
    model = load_system("pixel_perfect", options.weights, options.device, options.precision)
    comparison = SequenceComparison(
        model, sources, names, reference, options.fps, options.every, options.max_pixels, options.align,
        options.region, options.viewing,
    )  # fmt: skip
    rows: dict[str, list[FrameRow]] = {name: [] for name in names[0 if reference is not None else 1 :]}
    with progress(comparison.expected or 1, "frames", options.quiet) as tick:
        for of_frame in _kept(comparison, options):
            for row in of_frame:
                rows[row.name].append(row)
            tick()
    consecutive = options.every == 1
    firsts = {name: "" if name == names[0] else names[0] for name in rows}
    summaries = [summarise_frames(each, firsts[name], options.worst, consecutive) for name, each in rows.items()]
    notes = _notes(comparison, summaries, options)
    lines = [line for summary in summaries for line in summary.lines(comparison.fps)]
    lines += [line for summary in summaries for line in _worst_lines(summary)]
    lines += [f"{what}: {value}" for what, value in _conditions(options)]
    lines += [f"note: {note}" for note in notes]
    moments: list[Moment] = []
    page = None
    if options.out is not None:
        moments = _write_reports(comparison, summaries, Path(options.out))
        page = _write_page(options, rows, summaries, moments, comparison, notes)
        lines.append(f"page with the timeline: {full_path(page)}")
    if options.csv is not None:
        lines.append(f"csv: {full_path(options.csv)}")
    content = {
        "verdict": [summary.verdict() for summary in summaries],
        "names": names,
        "sequences": list(options.sequences),
        "reference": options.reference,
        "fps": comparison.fps,
        "every": options.every,
        "candidates": [summary.to_json() for summary in summaries],
        "frames": [row.cells_of_csv() for each in zip(*rows.values(), strict=True) for row in each],
        "notes": notes,
        "page": page,
        "reports": [moment.report for moment in moments],
        "fail_below": options.fail_below,
        "align": options.align,
        "viewing": options.viewing or PIXEL_PEEP,
        "roi": options.roi,
        "mask": options.mask,
        "meta": {"version": __version__, **model.meta},
    }
    finish(lines, content, options.json)
    sys.stdout.flush()
    if options.fail_unmatched and comparison.ended:
        raise UsageError(f"{_ended(comparison)} (--fail-unmatched)")
    for summary in summaries:
        if summary.margin is not None:
            untold = "frames that cannot be told count as 0"
            what = f"mean margin over {summary.name}"
            check_margin(summary.margin.mean, summary.told_mean, options.fail_below, what, untold)


def sequence_names(paths: Sequence[str]) -> list[str]:
    """What sentences call the sequences: the shortest ends of their paths that differ."""
    from distortion_engine.jobs.printable import printable

    parts = [Path(path).resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = [printable("/".join(each[-length:])) for each in parts]
        if len(set(names)) == len(names):
            return names
    raise UsageError(f"{paths[0]}: is given twice; give different sequences")


def _kept(comparison: "SequenceComparison", options: SequenceOptions) -> Any:
    """The rows of every frame: those of an earlier run first, and each written to the CSV before it is given."""
    if options.csv is None:
        yield from comparison.rows()
        return
    from relational_iqa.sequences.kept_rows import kept_rows

    each = len(comparison.names) if comparison.reference is not None else 1
    done = 0
    try:
        with kept_rows(options.csv, comparison.names, _run(comparison, options), options.resume, each) as kept:
            before = [list(kept.rows[first : first + each]) for first in range(0, len(kept.rows), each)]
            if before:
                print(f"riqa: {len(before)} frames are done, from {options.csv}.partial", file=sys.stderr)
            for rows in before:
                done += 1
                yield rows
            for rows in comparison.rows(skip=len(before)):
                for row in rows:
                    kept.table.add(row.cells_of_csv())
                done += 1
                yield rows
    except (KeyboardInterrupt, GeneratorExit):
        print(f"riqa: {done} frames are done: {options.csv}.partial; the same command goes on there", file=sys.stderr)
        raise


def _run(comparison: "SequenceComparison", options: SequenceOptions) -> dict[str, Any]:
    """What is compared, for a run that goes on: files with their sizes and times, and what changes numbers."""

    def state(path: str) -> list[Any]:
        found = Path(path).stat()
        return [str(Path(path).resolve()), found.st_size if Path(path).is_file() else None, found.st_mtime_ns]

    meta = comparison.model.meta
    return {
        "sequences": [state(source.path) for source in comparison.sources],
        "reference": options.reference is not None,
        "frames": [source.count for source in comparison.sources],
        "weights": meta.get("sha256"),
        "version": __version__,
        "align": options.align,
        "every": options.every,
        "fps": comparison.fps,
        "precision": options.precision,
        "viewing": options.viewing,
        "roi": options.roi,
        "mask": None if options.mask is None else state(options.mask),
    }


def _notes(
    comparison: "SequenceComparison", summaries: "Sequence[SequenceSummary]", options: SequenceOptions
) -> list[str]:
    from distortion_engine.jobs.printable import printable
    from relational_iqa.sequences.flicker import MIN_FRAMES

    told = [(source.path, note) for source in comparison.sources for note in source.notes]
    notes = [f"{printable(path)} {note}" for path, note in dict.fromkeys([*told, *comparison.shown.items()])]
    if comparison.ended:
        notes.append(_ended(comparison))
    if options.every == 1 and not summaries[0].flicker_looked_for:
        notes.append(f"fewer than {MIN_FRAMES} frames: flicker was not looked for")
    return notes


def _conditions(options: SequenceOptions) -> list[tuple[str, str]]:
    """What part of the frames was compared, and how it is seen: name and value."""
    region = options.roi or options.mask
    return [
        *([] if options.viewing is None else [("viewing", options.viewing)]),
        *([] if region is None else [("region alone", region)]),
    ]


def _ended(comparison: "SequenceComparison") -> str:
    from distortion_engine.jobs.printable import printable

    ends = ", ".join(f"{printable(path)} ends after {count} frames" for path, count in comparison.ended.items())
    return f"{ends}, others go on: what they have more was not compared"


def _worst_lines(summary: "SequenceSummary") -> list[str]:
    lines = []
    first, name = summary.first, summary.name
    against = f"{first} against {name}" if first else name
    for of, rows in ((against, summary.worst), (f"{name} against {first}", summary.behind)):
        lines += [f"worst moments of {of}:"] if rows else []
        for row in rows:
            when = "" if row.seconds is None else f"  {row.seconds:8.2f} s"
            value = row.margin if row.margin is not None else row.quality
            lines.append(f"  {value:+6.2f}  frame {row.frame}{when}")
    return lines


def _write_reports(
    comparison: "SequenceComparison", summaries: "Sequence[SequenceSummary]", folder: Path
) -> "list[Moment]":
    """A report for each of the worst moments: the first candidate against the other one, or a single one against the
    reference. The sequences are read once more, up to the last of these frames."""
    from relational_iqa.report import write_report
    from relational_iqa.report.link import Link
    from relational_iqa.sequences.page import INDEX, Moment, thumbnail

    alone = len(comparison.candidates) == 1
    told = [s for s in summaries if s.margin is not None or alone]
    wanted = {(row.frame, number): row for number, summary in enumerate(told) for row in summary.moments}
    found: dict[tuple[int, int], Moment] = {}
    for frame, images in comparison.pictures([frame for frame, _ in wanted]):
        pristine = images[-1] if comparison.reference is not None else None
        for (number_of_frame, number), row in wanted.items():
            if number_of_frame != frame:
                continue
            a = images[0]
            b = images[-1] if alone else images[list(comparison.names).index(row.name)]
            titles = (comparison.names[0], "the reference" if alone else row.name)
            result = comparison.model.compare(a, b, reference=pristine, names=titles)
            name = f"frame-{frame:06d}{f'-{number + 1}' if len(told) > 1 else ''}.html"
            write_report(
                result, a, b, folder / name, reference=pristine, command=shlex.join(["riqa", *sys.argv[1:]]),
                back=Link(INDEX, "All frames"),
            )  # fmt: skip
            found[frame, number] = Moment(row, name, (thumbnail(a), thumbnail(b)), titles, result.summary())
    return [
        found[row.frame, number]
        for number, summary in enumerate(told)
        for row in summary.moments
        if (row.frame, number) in found
    ]


def _write_page(
    options: SequenceOptions,
    rows: "dict[str, list[FrameRow]]",
    summaries: "Sequence[SequenceSummary]",
    moments: "Sequence[Moment]",
    comparison: "SequenceComparison",
    notes: Sequence[str],
) -> str:
    from relational_iqa.sequences.page import write_sequence_page

    meta = comparison.model.meta
    named = [(f"Weights {key}".replace(" name", ""), str(meta[key])) for key in ("name", "sha256") if key in meta]
    conditions = [(what.capitalize(), value) for what, value in _conditions(options)]
    facts = [("Version", __version__), *named, *conditions, ("Command", shlex.join(["riqa", *sys.argv[1:]]))]
    return str(
        write_sequence_page(str(options.out), rows, summaries, moments, fps=comparison.fps, notes=notes, facts=facts)
    )
