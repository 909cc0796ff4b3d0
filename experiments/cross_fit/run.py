"""Fits each system to one rated set and tests it on another, both ways.

    python -m experiments.cross_fit.run --koniq10k /data/koniq10k --kadid10k /data/kadid10k [--tid2013 /data/tid2013]

pMOS and Re-IQA: KonIQ-10k (authentic photographs) against KADID-10k (synthetic distortions). SPIPS needs references,
which KonIQ-10k has not: KADID-10k against TID2013. Each row has the agreement on held-out scenes of the set that was
fitted to, that on the other set, and that of the same system before any fit. What is written: a table on stdout, and
`cross_fit.json` beside the fitted weights.

Fitted weights know human scores; nothing that is called pretrained may be chosen by these rows (CONTRIBUTING.md).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.evaluation import Settings, evaluate_scores
from relational_iqa.benchmarks.metrics import choose
from relational_iqa.benchmarks.readers.catalog import read_benchmark
from relational_iqa.benchmarks.readers.items import Benchmark
from relational_iqa.benchmarks.regression import fit_regressor, ridge
from relational_iqa.benchmarks.scoring import score_benchmark
from relational_iqa.benchmarks.splits import SPLITS, cross_validate
from relational_iqa.commands.config_file import read_config
from relational_iqa.training.pmos.fit_mos import fit_mos
from relational_iqa.training.pmos.fit_mos_config import FITTED, parse_fit_config

HERE = Path(__file__).parent
NAMES = ("koniq10k", "kadid10k", "tid2013")
DIRECTIONS = {
    "pmos": (("koniq10k", "kadid10k"), ("kadid10k", "koniq10k")),
    "reiqa": (("koniq10k", "kadid10k"), ("kadid10k", "koniq10k")),
    "spips": (("kadid10k", "tid2013"), ("tid2013", "kadid10k")),
}


@dataclass(frozen=True)
class CrossFit:
    """One system, fitted to one set and tested on another.

    Args:
        system: "pmos", "reiqa" or "spips".
        fitted_to: name of the set.
        tested_on: name of the other.
        own_srcc: median SRCC over held-out scenes of the set that was fitted to; NaN where not measured.
        srcc: on all images of the other set.
        plcc: on all images of the other set, after the logistic that is fitted to it.
        interval: 95 % interval of `srcc`, by draws of scenes.
        before: SRCC on the other set of the shipped weights, NaN for a system that has no score before a fit.
        weights: what was fitted.
    """

    system: str
    fitted_to: str
    tested_on: str
    own_srcc: float
    srcc: float
    plcc: float
    interval: tuple[float, float] | None
    before: float
    weights: str


def cross_fit(
    system: str, first: tuple[str, Benchmark], other: tuple[str, Benchmark], out: Path, overrides: Sequence[str] = ()
) -> CrossFit:
    """Fits a system to the first set and tests it on the other.

    Args:
        system: one of `DIRECTIONS`.
        first: name and images of the set that is fitted to.
        other: name and images of the set that is tested on.
        out: where weights, checkpoints and logs go.
        overrides: single values that replace those of the config, as key=value.
    """
    folder = out / f"{system}_{first[0]}"
    fit = {"pmos": _fit_pmos, "reiqa": _fit_reiqa, "spips": _fit_spips}[system]
    weights, own = fit(first[0], first[1], folder, overrides)
    srcc, plcc, interval = _tested(f"{system}={weights}", other[1])
    before = float("nan") if system == "reiqa" else _tested(system, other[1])[0]
    return CrossFit(system, first[0], other[0], own, srcc, plcc, interval, before, str(weights))


def _fit_pmos(name: str, benchmark: Benchmark, folder: Path, overrides: Sequence[str]) -> tuple[Path, float]:
    table = _as_table(benchmark, folder / "scores.csv")  # as the set was read: a part of it, too
    settings = read_config(
        str(HERE / f"pmos_{name}.yaml"), [f"out={folder}", "dataset=csv", f"rated={table}", *overrides]
    )
    path, results = fit_mos(parse_fit_config(settings), log=lambda text: print(text, file=sys.stderr, flush=True))
    return path, results[FITTED].median("srcc") if FITTED in results else float("nan")


def _fit_reiqa(name: str, benchmark: Benchmark, folder: Path, overrides: Sequence[str]) -> tuple[Path, float]:
    from relational_iqa.systems.reiqa import features_of_files, load

    model = load()
    features = features_of_files(model, [image.image for image in benchmark.images])
    scores = np.array([image.score for image in benchmark.images])
    own = cross_validate(ridge(features, scores), scores, benchmark.groups, SPLITS)
    facts = {
        "experts": "both", "encoders": model.meta.get("name"), "encoders_sha256": model.meta.get("sha256"),
        "fitted_to": f"{len(scores)} images of {benchmark.name}",
    }  # fmt: skip
    path = folder / f"reiqa-{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    fit_regressor(features, scores, facts).save(path)
    return path, own.median("srcc")


def _fit_spips(name: str, benchmark: Benchmark, folder: Path, overrides: Sequence[str]) -> tuple[Path, float]:
    from relational_iqa.storage.cards import read_card
    from relational_iqa.training.spips.fit import fit, parse_config

    settings = read_config(
        str(HERE / f"spips_{name}.yaml"),
        [f"out={folder}", f"people.root={benchmark.root}", "people.partial=true", *overrides],
    )
    path = fit(parse_config(settings))
    splits = read_card(path)["results"].get("splits", {})
    medians = [found["srcc"] for found in splits.values()]
    return path, float(medians[0]) if medians else float("nan")


def _tested(metric: str, benchmark: Benchmark) -> tuple[float, float, tuple[float, float] | None]:
    chosen = choose(metric)
    report = evaluate_scores(benchmark, chosen, score_benchmark(benchmark, chosen), Settings())
    verdict = report.verdicts[chosen[0].label]
    if verdict.overall is None:
        raise UsageError(f"{metric}: has no score of single images, so it cannot be tested on {benchmark.name}")
    return verdict.overall.srcc, verdict.overall.plcc, verdict.intervals.get("srcc")


def _as_table(benchmark: Benchmark, path: Path) -> Path:
    """The images of a set as a table with absolute paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "score", "scene"])
        for image, group in zip(benchmark.images, benchmark.groups, strict=True):
            writer.writerow([image.image.absolute(), repr(image.score), group])
    return path


def table(rows: Sequence[CrossFit]) -> str:
    """The rows in Markdown."""
    lines = [
        "| system | fitted to | held-out scenes of it, SRCC | tested on | SRCC | 95 % interval | PLCC "
        "| before the fit, SRCC |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ends = "-" if row.interval is None else f"{row.interval[0]:.3f} to {row.interval[1]:.3f}"
        own, before = ("-" if np.isnan(value) else f"{value:.3f}" for value in (row.own_srcc, row.before))
        lines.append(
            f"| {row.system} | {row.fitted_to} | {own} | {row.tested_on} | {row.srcc:.3f} | {ends} | {row.plcc:.3f} "
            f"| {before} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.cross_fit.run", description=__doc__.splitlines()[0])
    for name in NAMES:
        parser.add_argument(f"--{name}", metavar="ROOT", help=f"the unpacked folder of {name}")
    parser.add_argument("--systems", default=",".join(DIRECTIONS), help="some of %(default)s")
    parser.add_argument("--out", default="runs/cross_fit", help="where weights and cross_fit.json go")
    parser.add_argument("--partial", action="store_true", help="takes incomplete sets as far as they are there")
    parser.add_argument("overrides", nargs="*", metavar="SYSTEM:key=value", help="single values of the configs")
    options = parser.parse_args(arguments)
    wanted = options.systems.split(",")
    try:
        if unknown := [system for system in wanted if system not in DIRECTIONS]:
            raise UsageError(f"--systems {unknown[0]}: expected some of {', '.join(DIRECTIONS)}")
        roots = {name: getattr(options, name) for name in NAMES if getattr(options, name)}
        pairs = [(s, a, b) for s in wanted for a, b in DIRECTIONS[s] if a in roots and b in roots]
        if not pairs:
            raise UsageError("nothing to fit: give the two sets of a system, for example --koniq10k and --kadid10k")
        sets = {name: read_benchmark(name, roots[name], options.partial) for name in roots}
        rows = []
        for system, first, other in pairs:
            own = [text.partition(":")[2] for text in options.overrides if text.startswith(f"{system}:")]
            rows.append(cross_fit(system, (first, sets[first]), (other, sets[other]), Path(options.out), own))
    except UsageError as error:
        print(f"cross_fit: {error}", file=sys.stderr)
        return 2
    print(table(rows))
    facts = [{key: None if value != value else value for key, value in asdict(row).items()} for row in rows]
    (Path(options.out) / "cross_fit.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
