"""riqa evaluate: agreement of metrics with people on a rated data set."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt, PositiveInt

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import check_outputs

if TYPE_CHECKING:
    from relational_iqa.benchmarks.scoring import Failure

DATASETS = (
    "kadid10k", "tid2013", "tid2008", "csiq", "live", "live-wild", "koniq10k", "spaq", "pipal", "agiqa3k", "pieapp",
    "pieapp-2afc", "bapps", "csv",
)  # fmt: skip
"""Names of `relational_iqa.benchmarks.readers.catalog.READERS`, here so that --help need not import them."""
PLOT_KINDS = ("png", "pdf", "svg")
FAILURES_SHOWN = 20
"""More of them are left to the JSON."""
_WIDTH = 200  # columns of tables that go to a file or a pipe


def evaluate(
    dataset: str,
    root: str,
    metric: str,
    csv: str | None = None,
    json: str | None = None,
    plot: str | None = None,
    bootstrap: int = 1000,
    splits: int = 0,
    shorter_side: int | None = None,
    partners: int | None = None,
    partial: bool = False,
    lower_is_better: bool = False,
    workers: int = 0,
    seed: int = 0,
) -> None:
    """Agreement of metrics with people on a rated data set: correlations, intervals, splits, 2AFC."""
    check_outputs((csv, json, plot), [root])
    if csv == "-" or plot == "-":
        raise UsageError("'-' is for --json; give --csv and --plot a file")
    kind = Path(plot).suffix.lower().lstrip(".") if plot is not None else ""
    if plot is not None and kind not in PLOT_KINDS:
        raise UsageError(f"{plot}: plots are {', '.join(PLOT_KINDS)}; end the name with one of them")
    from rich.console import Console

    from distortion_engine.jobs.progress import progress
    from relational_iqa.benchmarks.evaluation import Settings, evaluate_scores
    from relational_iqa.benchmarks.metrics import choose
    from relational_iqa.benchmarks.readers.catalog import read_benchmark
    from relational_iqa.benchmarks.results import to_csv, to_json
    from relational_iqa.benchmarks.scatter import check_matplotlib, draw
    from relational_iqa.benchmarks.scoring import check_fit, job_count, score_benchmark
    from relational_iqa.benchmarks.tables import show

    if plot is not None:
        check_matplotlib()
    chosen = choose(metric)
    benchmark = read_benchmark(dataset, root, partial, lower_is_better)
    check_fit(benchmark, chosen)
    for target in (csv, json, plot):
        if (
            target not in (None, "-")
            and Path(target).exists()
            and benchmark.root.resolve() in Path(target).resolve().parents
        ):
            raise UsageError(f"{target}: is a file of the data set; write somewhere else")
    settings = Settings(shorter_side, bootstrap, splits, partners, seed)
    with progress(job_count(benchmark, chosen, partners), "images or pairs") as tick:
        scores = score_benchmark(
            benchmark, chosen, workers=workers, shorter_side=shorter_side, partners=partners, seed=seed, tick=tick
        )
    _tell_failures(scores.failures)
    report = evaluate_scores(benchmark, chosen, scores, settings)
    show(report, Console(stderr=json == "-", markup=False, width=None if sys.stdout.isatty() else _WIDTH))
    write: list[tuple[str | None, Callable[[Path], object]]] = [
        (csv, lambda path: path.write_text(to_csv(report), encoding="utf-8")),
        (plot, lambda path: draw(report, path, kind)),
    ]
    for target, writer in write:
        if target is not None:
            _write(Path(target), writer)
            print(f"written: {Path(target).resolve()}", file=sys.stderr if json == "-" else sys.stdout)
    if json is not None:
        from relational_iqa.commands.common import finish

        finish([], to_json(report), json)
    if scores.failures:
        items = len({failure.file for failure in scores.failures})
        raise UsageError(f"{items} images or pairs of {benchmark.name} could not be scored and do not count")


def add_options(parser: ArgumentParser) -> None:
    """The options of `evaluate`."""
    add = parser.add_argument
    add("dataset", choices=DATASETS, metavar="DATASET", help=f"which data set lies in ROOT: {', '.join(DATASETS)}")
    add("root", type=str, metavar="ROOT", help="its unpacked folder; for csv a table image,reference,score,...")
    add("--metric", type=str, required=True, metavar="A,B,...", help="metrics, each with =WEIGHTS if need be")
    add("--csv", type=str, metavar="F.csv", help="write the scores of every image")
    add("--json", type=str, metavar="PATH|-", help="write the result as JSON, - for stdout")
    add("--plot", type=str, metavar="F.png", help="scatter plots against opinion (png, pdf, svg)")
    add(
        "--bootstrap",
        type=NonNegativeInt,
        default=1000,
        metavar="N",
        help="draws for the intervals (95 percent); 0 for none",
    )
    add("--splits", type=NonNegativeInt, default=0, metavar="N", help="medians over N splits by scene too")
    add("--shorter-side", type=PositiveInt, metavar="PX", help="shrink larger images to it; without it nothing is")
    add("--partners", type=PositiveInt, metavar="N", help="ours-nr: comparisons an image, else all of its scene")
    add("--partial", action="store_true", help="evaluate what is there of an incomplete set")
    add("--lower-is-better", action="store_true", help="csv: the scores are degradations")
    add("--workers", type=NonNegativeInt, default=0, metavar="W", help="processes; 0 works in this one")
    add("--seed", type=NonNegativeInt, default=0, metavar="S", help="of draws and splits")


def _tell_failures(failures: "Sequence[Failure]") -> None:
    for failure in failures[:FAILURES_SHOWN]:
        print(f"failed: {failure.file}: {failure.metric or 'all metrics'}: {failure.message}", file=sys.stderr)
    if len(failures) > FAILURES_SHOWN:
        print(f"and {len(failures) - FAILURES_SHOWN} more; --json has them all", file=sys.stderr)


def _write(path: Path, writer: Callable[[Path], object]) -> None:
    """Writes beside the target first, so that a kill leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        writer(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
