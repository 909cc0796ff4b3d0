"""riqa check: a gate for continuous integration: whether new outputs are worse than what was accepted."""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from relational_iqa.commands.common import bound_threads, finish, full_path, load_system, write_file
from relational_iqa.commands.options import Metavar, Positional, Writes
from relational_iqa.commands.paths import check_outputs
from relational_iqa.commands.shared_options import (
    DeviceOptions,
    GainMapOption,
    ModelOptions,
    OneRegionOptions,
    ViewingOption,
)
from relational_iqa.version import __version__
from relational_iqa.viewing.condition import find_viewing

if TYPE_CHECKING:
    from relational_iqa.folders.comparison import FolderComparison
    from relational_iqa.gate.baseline import Baseline
    from relational_iqa.gate.checking import Checking
    from relational_iqa.gate.pictures import Picture
    from relational_iqa.gate.verdicts import Outcome
    from relational_iqa.gate.words import Results


@dataclass(frozen=True, kw_only=True)
class CheckOptions(OneRegionOptions, ModelOptions, GainMapOption, ViewingOption, DeviceOptions):
    """Options of `riqa check`. Raises UsageError for a condition of viewing that is none, and for two regions."""

    new: Annotated[str, Positional("NEW")]
    """One output, or a folder of outputs."""
    against: Annotated[str | None, Metavar("OLD")] = None
    """What the former version made of the same: a file, or a folder with the same names."""
    reference: Annotated[str | None, Metavar("R")] = None
    """The pristine image of all, or a folder of them with the names of the outputs."""
    baseline: Annotated[str, Metavar("FILE.toml")] = "riqa.toml"
    """The file with tolerances and accepted states."""
    accept: bool = False
    """Writes the state of all pictures into the baseline, which then passes."""
    only: Annotated[str | None, Metavar("PATTERN")] = None
    """Looks only at pictures whose names match, as 'night/*'; with --accept, all others keep their state."""
    junit: Annotated[str | None, Metavar("FILE.xml"), Writes(suffixes=(".xml",))] = None
    """Writes the results as JUnit XML, which CI systems read."""
    markdown: Annotated[str | None, Metavar("FILE.md"), Writes(suffixes=(".md", ".markdown"))] = None
    """Writes the summary for a pull request."""
    html: Annotated[str | None, Metavar("DIR"), Writes("folder")] = None
    """Writes a page with a report of every picture that failed or is undecided."""

    def __post_init__(self) -> None:
        super().__post_init__()
        find_viewing(self.viewing, 1)


def check(options: CheckOptions) -> None:
    """Fails where new outputs are worse than those of the former version, or than what was accepted.

    A picture fails where its margin is below its tolerance and the confidence of that is high enough, or where a defect
    is stronger than allowed; docs/gates.md explains the file of the baseline. Exit codes: 0 passed, 1 failed, 2 bad
    input or pictures that could not be compared.
    """
    bound_threads(options.threads)
    from relational_iqa.gate.pictures import chosen, find_pictures

    start = time.perf_counter()
    if not Path(options.new).exists():
        raise UsageError(f"{options.new}: no such file or folder; give an output, or a folder of outputs")
    for option, path in (("--against", options.against), ("--reference", options.reference)):
        if path is not None and not Path(path).exists():
            raise UsageError(f"{option} {path}: no such file or folder; give what the outputs are compared with")
    if options.mask is not None and not Path(options.mask).is_file():
        raise UsageError(f"--mask {options.mask}: no such file; give an image that is white where pixels count")
    pictures = chosen(find_pictures(options.new, options.against, options.reference), options.only)
    outputs = [(path, "file") for path in (options.junit, options.markdown, options.json) if path is not None]
    check_outputs(outputs, [options.baseline, *(str(path) for one in pictures for path in one.paths)])
    baseline = _baseline(options)
    checking = _checking(options, baseline)
    outcomes = _outcomes(options, checking, pictures)
    changed: list[str] = []
    if options.accept:
        from relational_iqa.gate.checking import accept

        accepted, changed = accept(baseline, outcomes, _dropped(options, checking, pictures))
        if changed or not Path(options.baseline).exists():
            accepted.write(options.baseline)
    results = _results(options, checking, outcomes, time.perf_counter() - start)
    said = _accepted_lines(options, results, changed) if options.accept else results.lines()
    lines = [*said, *_written(options, results)]
    if results.accept and not results.passes:
        lines.append(f"if this is meant: {results.accept}")
    finish(lines, {**results.to_json(), "accepted": changed if options.accept else None}, options.json)
    sys.stdout.flush()
    _check_outcome(options, results)


def _baseline(options: CheckOptions) -> "Baseline":
    from relational_iqa.gate.baseline import Baseline, read_baseline

    if Path(options.baseline).exists():
        return read_baseline(options.baseline)
    if not options.accept:
        raise UsageError(
            f"--baseline {options.baseline}: no such file; --accept writes one, with the state of today as accepted, "
            "and an empty file has the default tolerances"
        )
    return Baseline()


def _checking(options: CheckOptions, baseline: "Baseline") -> "Checking":
    from relational_iqa.commands.compare_folders import folder_labels
    from relational_iqa.gate.checking import Checking

    other = options.against or options.reference or ""
    labels = folder_labels(options.new, other)

    def comparing() -> "FolderComparison":
        from relational_iqa.folders.comparison import FolderComparison

        model = load_system("pixel_perfect", options.weights, options.device, options.precision)
        return FolderComparison(
            model, labels, options.max_pixels, options.align, options.gain_map, options.viewing, options.region
        )

    evidence = None
    if options.html is not None and not options.accept:
        from relational_iqa.gate.evidence import write_evidence

        evidence = partial(write_evidence, options.html, shlex.join(["riqa", *sys.argv[1:]]))
    return Checking(
        baseline, comparing, labels, options.against is None, evidence, options.accept, options.viewing,
        _region_said(options), options.max_pixels,
    )  # fmt: skip


def _region_said(options: CheckOptions) -> str:
    """The region that alone is compared, of a mask with the start of its hash: "roi 10,20,64,64"."""
    if options.mask is None:
        return "" if options.roi is None else f"roi {options.roi}"
    from relational_iqa.gate.pictures import sha256

    return f"mask {Path(options.mask).name} {sha256(Path(options.mask))[:8]}"


def _outcomes(options: CheckOptions, checking: "Checking", pictures: "Sequence[Picture]") -> "list[Outcome]":
    from distortion_engine.jobs.progress import progress

    outcomes = []
    with progress(len(pictures), "pictures", options.quiet) as tick:
        for picture in pictures:
            outcomes.append(checking.outcome(picture))
            tick()
    if options.against is None and not options.accept:
        accepted = checking.baseline.accepted
        outcomes += [checking.gone(name) for name in _dropped(options, checking, pictures) if accepted[name].files.new]
    return sorted(outcomes, key=lambda outcome: outcome.name)


def _dropped(options: CheckOptions, checking: "Checking", pictures: "Sequence[Picture]") -> list[str]:
    """Accepted pictures that are there no more; none where one file, or some by a pattern, are looked at."""
    if options.only is not None or not Path(options.new).is_dir():
        return []
    there = {picture.name for picture in pictures}
    return [name for name in checking.baseline.accepted if name not in there]


def _results(options: CheckOptions, checking: "Checking", outcomes: "Sequence[Outcome]", seconds: float) -> "Results":
    from relational_iqa.gate.words import Results

    meta = {"version": __version__, "weights": checking.weights if checking.loaded else None}
    command = [] if options.accept else _command(options)
    return Results(outcomes, checking.labels, command, options.only, seconds, meta)


def _command(options: CheckOptions) -> list[str]:
    """This command, without what it writes and which pictures it looks at."""
    words = ["riqa", "check", options.new]
    for name in (
        "against",
        "reference",
        "baseline",
        "align",
        "weights",
        "max_pixels",
        "precision",
        "viewing",
        "roi",
        "mask",
    ):
        value = getattr(options, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return [*words, *(["--gain-map"] if options.gain_map else [])]


def _written(options: CheckOptions, results: "Results") -> list[str]:
    """Writes the files that were asked for; a line for each."""
    written = []
    if options.junit is not None:
        from relational_iqa.gate.junit import junit

        write_file(options.junit, junit(results))
        written.append(f"junit: {full_path(options.junit)}")
    if options.markdown is not None:
        from relational_iqa.gate.markdown import markdown

        write_file(options.markdown, markdown(results).encode("utf-8", "backslashreplace"))
        written.append(f"markdown: {full_path(options.markdown)}")
    if options.html is not None:
        from relational_iqa.gate.evidence import write_index

        named = [
            ("Version", __version__),
            *([("Weights", str(results.meta["weights"]))] * bool(results.meta["weights"])),
        ]
        index = write_index(options.html, results, [*named, ("Command", shlex.join(["riqa", *sys.argv[1:]]))])
        written.append(f"evidence: {full_path(index)}")
    return written


def _accepted_lines(options: CheckOptions, results: "Results", changed: Sequence[str]) -> list[str]:
    """What --accept did."""
    from relational_iqa.gate.words import MAX_LISTED

    if not changed:
        return [f"nothing to accept, the baseline has the state of all pictures: {full_path(options.baseline)}"]
    more = [f"  and {len(changed) - MAX_LISTED} more"] if len(changed) > MAX_LISTED else []
    return [
        f"accepted: {len(changed)} picture{'s' if len(changed) != 1 else ''}, of which the baseline had another state "
        f"or none: {full_path(options.baseline)}",
        *(f"  {printable(name)}" for name in changed[:MAX_LISTED]),
        *more,
    ]


def _check_outcome(options: CheckOptions, results: "Results") -> None:
    """Ends the command with its exit code."""
    errors, failed = results.of("error"), results.of("failed")
    if errors:
        raise UsageError(
            f"{len(errors)} of {len(results.outcomes)} picture{'s' if len(results.outcomes) != 1 else ''} could not be "
            f"compared; the first: {errors[0].name}: "
            f"{errors[0].verdict.problems[0]}"
        )
    if failed and not options.accept:
        print(f"riqa: {results.headline}; the first: {failed[0].name}", file=sys.stderr)
        raise SystemExit(1)
