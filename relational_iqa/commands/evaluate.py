"""riqa evaluate: agreement of metrics with people on a rated data set."""

import io
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from relational_iqa.benchmarks.readers.names import DataSet
from relational_iqa.commands.common import finish, full_path, write_file
from relational_iqa.commands.options import CSV, HTML, Metavar, NonNegativeInt, Positional, PositiveInt, Writes
from relational_iqa.commands.paths import check_outputs
from relational_iqa.commands.shared_options import EngineOptions, JsonOption, QuietOption

if TYPE_CHECKING:
    from relational_iqa.benchmarks.scoring import Failure

PLOT_KINDS = ("png", "pdf", "svg")
FAILURES_SHOWN = 20
"""More of them are left to the JSON."""
_WIDTH = 200  # columns of tables that go to a file or a pipe


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(JsonOption, QuietOption, EngineOptions):
    """Options of `riqa evaluate`. Raises UsageError for outputs that cannot be what they are called."""

    dataset: Annotated[DataSet, Positional("DATASET")]
    """Which data set lies in ROOT."""
    root: Annotated[str, Positional("ROOT")]
    """Its unpacked folder; for csv a table with the columns image, reference, score and more."""
    metric: Annotated[str, Metavar("A,B,...")]
    """What to evaluate; NAME=WEIGHTS takes other weights than the shipped ones."""
    out: Annotated[str | None, Metavar("PAGE.html"), HTML] = None
    """Writes one HTML page that works offline: numbers, scatter plots, verdicts, worst disagreements as pictures."""
    csv: Annotated[str | None, Metavar("F.csv"), CSV] = None
    """Writes the scores of every image."""
    verdicts: Annotated[str | None, Metavar("F.csv"), CSV] = None
    """Writes how often verdicts on two images of a scene are right, by the gap of opinion and by their confidence."""
    plot: Annotated[str | None, Metavar("F.png"), Writes(suffixes=(".png", ".pdf", ".svg"))] = None
    """Writes scatter plots of metric against opinion, as png, pdf or svg."""
    bootstrap: Annotated[NonNegativeInt, Metavar("N")] = 1000
    """Number of draws for the 95 percent intervals; 0 for no intervals."""
    splits: Annotated[NonNegativeInt, Metavar("N")] = 0
    """Adds medians over this many splits by scene."""
    shorter_side: Annotated[PositiveInt | None, Metavar("PX")] = None
    """Shrinks images until their shorter side has this many pixels; without this option nothing is resized."""
    partners: Annotated[PositiveInt | None, Metavar("N")] = None
    """Comparisons of each image with others of its scene, all of them if not given. For ours-nr."""
    partial: bool = False
    """Evaluates what is there of an incomplete data set."""
    lower_is_better: bool = False
    """Says that the scores are degradations. For csv."""
    seed: Annotated[NonNegativeInt, Metavar("S")] = 0
    """Seed of draws and splits."""

    def __post_init__(self) -> None:
        if "-" in (self.csv, self.plot, self.verdicts, self.out):
            raise UsageError("'-' is for --json; give --csv, --verdicts, --plot and --out a file")
        if self.out is not None and Path(self.out).suffix.lower() not in (".html", ".htm"):
            raise UsageError(f"--out {self.out}: is a page; end its name with .html")
        if self.plot is not None and self.plot_kind not in PLOT_KINDS:
            raise UsageError(f"{self.plot}: plots are {', '.join(PLOT_KINDS)}; end the name with one of them")

    @property
    def outputs(self) -> tuple[str | None, ...]:
        """What is written, None for what was not asked for."""
        return self.csv, self.json, self.plot, self.verdicts, self.out

    @property
    def plot_kind(self) -> str:
        """The suffix of the plot without its point, "" without a plot."""
        return "" if self.plot is None else Path(self.plot).suffix.lower().lstrip(".")


def evaluate(options: EvaluateOptions) -> None:
    """Agreement of metrics with people on a rated data set: correlations, intervals, splits, 2AFC."""
    from rich.console import Console

    from distortion_engine.jobs.progress import progress
    from relational_iqa.benchmarks.evaluation import Settings, evaluate_scores
    from relational_iqa.benchmarks.metrics import choose
    from relational_iqa.benchmarks.readers.catalog import read_benchmark
    from relational_iqa.benchmarks.results import to_csv, to_json, verdicts_to_csv
    from relational_iqa.benchmarks.scatter import check_matplotlib, draw
    from relational_iqa.benchmarks.scoring import check_fit, job_count, score_benchmark
    from relational_iqa.benchmarks.tables import show
    from relational_iqa.tiling.memory import keep_freed_memory

    if options.plot is not None:
        check_matplotlib()
    keep_freed_memory()
    chosen = choose(options.metric)
    check_outputs(
        [(path, "file") for path in options.outputs if path is not None],
        [str(choice.weights) for choice in chosen if choice.weights],
    )
    benchmark = read_benchmark(options.dataset, options.root, options.partial, options.lower_is_better)
    check_fit(benchmark, chosen)
    _check_outside(benchmark.root, options.outputs)
    with progress(job_count(benchmark, chosen, options.partners), "images or pairs", options.quiet) as tick:
        scores = score_benchmark(
            benchmark, chosen, workers=options.workers, shorter_side=options.shorter_side, partners=options.partners,
            seed=options.seed, tick=tick, engine=options.engine, address=options.address,
        )  # fmt: skip
    _tell_failures(scores.failures)
    settings = Settings(options.shorter_side, options.bootstrap, options.splits, options.partners, options.seed)
    report = evaluate_scores(benchmark, chosen, scores, settings)
    people = sys.stderr if options.json == "-" else sys.stdout
    show(report, Console(file=people, markup=False, width=None if sys.stdout.isatty() else _WIDTH))
    if options.csv is not None:
        write_file(options.csv, to_csv(report).encode("utf-8", "backslashreplace"))
        print(f"written: {full_path(options.csv)}", file=people)
    if options.verdicts is not None:
        write_file(options.verdicts, verdicts_to_csv(report).encode("utf-8", "backslashreplace"))
        print(f"written: {full_path(options.verdicts)}", file=people)
    if options.plot is not None:
        picture = io.BytesIO()
        draw(report, picture, options.plot_kind)
        write_file(options.plot, picture.getvalue())
        print(f"written: {full_path(options.plot)}", file=people)
    if options.out is not None:
        from relational_iqa.benchmarks.page import render

        text = render(report, shlex.join(["riqa", *sys.argv[1:]]))
        write_file(options.out, text.encode("utf-8", "backslashreplace"))
        print(f"written: {full_path(options.out)}", file=people)
    if options.json is not None:
        finish([], to_json(report), options.json)
    if scores.failures:
        items = len({failure.file for failure in scores.failures})
        raise UsageError(f"{items} images or pairs of {benchmark.name} could not be scored and do not count")


def _check_outside(root: Path, outputs: Sequence[str | None]) -> None:
    """Raises UsageError where a result would replace a file of the data set."""
    for target in outputs:
        if target not in (None, "-"):
            path = Path(target)
            if path.exists() and root.resolve() in path.resolve().parents:
                raise UsageError(f"{target}: is a file of the data set; write somewhere else")


def _tell_failures(failures: "Sequence[Failure]") -> None:
    for failure in failures[:FAILURES_SHOWN]:
        said = f"failed: {failure.file}: {failure.metric or 'all metrics'}: {failure.message}"
        print(printable(said), file=sys.stderr)
    if len(failures) > FAILURES_SHOWN:
        print(f"and {len(failures) - FAILURES_SHOWN} more; --json has them all", file=sys.stderr)
