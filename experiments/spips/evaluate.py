"""The tables of SPIPS: `python -m experiments.spips.evaluate`.

Constructed order and agreement across types on held-out photographs, for SPIPS, for its three conventional parts alone
and, where `experiments.spips.ablate` has trained them, for SPIPS without one stream. `--people` adds SRCC with people
and is the only part that looks at them: once, when nothing will be changed any more (experiments/NOTES.md).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distortion_engine.dataset import Judge, RankedSetDataset
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image
from distortion_engine.reading.photos import list_photos
from distortion_engine.sampling import SamplingConfig
from experiments.evaluation import Log, Outcome, evaluation_parser, outcome_of_rows, positive, run_evaluation
from experiments.pixel_perfect.measures import share
from experiments.pixel_perfect.table import Row
from relational_iqa.benchmarks.correlation import krcc, plcc, srcc
from relational_iqa.benchmarks.readers.rated import read_rated
from relational_iqa.conventional import METRICS
from relational_iqa.networks.error_maps import CONVENTIONAL

SEED = 20270
FULL = "SPIPS"
KINDS = ("ladder", "dominance", "extent", "restoration")
RATED = ("tid2013_i03", "tub_jpeg")
# (test (B, 3, H, W), reference (B, 3, H, W)) -> (B,), higher is better
Scorer = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Order:
    """Answers about ranked sets, by scorer.

    Args:
        right: by scorer and kind of set, for every set and each of its constructed pairs: whether the better image is
            the reference, and whether the scorer has the pair in order.
        qualities: by scorer, of all members.
        consensus: mean loss of quality by the judge's metrics, of all members; empty without a judge.
    """

    right: dict[str, dict[str, list[list[tuple[bool, bool]]]]]
    qualities: dict[str, list[float]]
    consensus: list[float] = field(default_factory=list)


def conventional_scorers() -> dict[str, Scorer]:
    """PSNR, SSIM and MS-SSIM, the parts that SPIPS fuses."""
    return {METRICS[name].name.upper().replace("_", "-"): METRICS[name].function for name in CONVENTIONAL}


def measure_order(
    scorers: Mapping[str, Scorer],
    photos: Sequence[Path],
    judge: Judge | None,
    sets: int,
    size_px: int = 192,
    seed: int = SEED,
    log: Callable[[str], None] = lambda text: None,
) -> Order:
    """Draws `sets` ranked sets of each kind from `photos` and lets every scorer judge every constructed pair, the
    reference included; and as many cross-type sets, which count for the qualities alone."""
    order = Order({name: {kind: [] for kind in KINDS} for name in scorers}, {name: [] for name in scorers})
    for number, kind in enumerate((*KINDS, "cross_type")):
        dataset = RankedSetDataset(photos, size_px, seed + number, sets, SamplingConfig(kinds={kind: 1.0}), judge)
        for index in range(sets):
            item = dataset[index]
            images, ranks = item.images.float() / 255, item.ranks.tolist()
            better = [(i, j) for i, first in enumerate(ranks) for j, second in enumerate(ranks) if first < second]
            if judge is not None:
                order.consensus += item.labels.mean(1)[1:].tolist()
            for name, scorer in scorers.items():
                quality = scorer(images, images[:1].expand_as(images)).tolist()
                order.qualities[name] += quality[1:]
                if kind in KINDS:
                    order.right[name][kind].append([(i == 0, quality[i] > quality[j]) for i, j in better])
        log(f"{kind}: {sets} sets")
    return order


def order_rows(order: Order) -> list[Row]:
    """Constructed order over all kinds, of two damaged images, by kind; then SRCC with the consensus across types."""
    rows = []
    damaged = "order, two damaged images"
    parts = {"constructed order, all kinds": KINDS, damaged: KINDS, **{f"order, {kind}": (kind,) for kind in KINDS}}
    for title, kinds in parts.items():
        for number, (name, by_kind) in enumerate(order.right.items()):
            answers = [
                [right for pristine, right in pairs if not (pristine and title == damaged)]
                for kind in kinds
                for pairs in by_kind[kind]
            ]
            measured = share(answers)
            samples = f"{measured.answers} pairs of {measured.groups} sets" if number == 0 else ""
            rows.append(Row(title if number == 0 else name, measured.value, samples, unit="share",
                            spread=measured.spread, part=number > 0))  # fmt: skip
    if order.consensus:
        for number, (name, qualities) in enumerate(order.qualities.items()):
            title = "SRCC with the consensus of metrics, all types" if number == 0 else name
            samples = f"{len(qualities)} images" if number == 0 else ""
            rows.append(Row(title, srcc(qualities, [-x for x in order.consensus]), samples, part=number > 0))
    return rows


def measure_people(
    scorers: Mapping[str, Scorer], root: Path, datasets: Sequence[str]
) -> tuple[list[Row], dict[str, Any]]:
    """SRCC with people of every scorer, whole images at their own size; SPIPS must beat its best conventional part."""
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for dataset in datasets:
        rated = read_rated(root / dataset)
        predicted: dict[str, list[float]] = {name: [] for name in scorers}
        for row in rated:
            if row.reference is None:
                raise UsageError(f"{row.image}: has no reference; SPIPS needs one for each image")
            test, reference = load_image(row.image)[None], load_image(row.reference)[None]
            for name, scorer in scorers.items():
                predicted[name].append(float(scorer(test, reference)[0]))
        scores = [row.score for row in rated]
        details[dataset] = {
            name: {"srcc": srcc(values, scores), "krcc": krcc(values, scores), "plcc": plcc(values, scores)}
            for name, values in predicted.items()
        }
        best = max(details[dataset][name]["srcc"] for name in conventional_scorers())
        for name in scorers:
            value = details[dataset][name]["srcc"]
            if name == FULL:
                rows.append(Row(f"SRCC with people, {dataset}", value, f"{len(rated)} images", best,
                                note="at least: the best conventional part"))  # fmt: skip
            else:
                rows.append(Row(name, value, part=True))
    return rows, details


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes it; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    from relational_iqa.systems import spips
    from relational_iqa.training.data.judge import metric_judge

    model = spips.load(options.weights)
    variants = {path.stem: spips.load(path) for path in sorted(options.ablation.glob("*.safetensors"))}
    scorers: dict[str, Scorer] = {FULL: model.quality_batch, **conventional_scorers()}
    scorers |= {f"ablation, {name}": variant.quality_batch for name, variant in variants.items()}
    if not variants:
        log(f"no ablations in {options.ablation}: python -m experiments.spips.ablate trains them")
    photos = list_photos(options.photos, "held_out")
    with torch.inference_mode():
        order = measure_order(scorers, photos, metric_judge, options.sets, options.size, log=log)
        rows = order_rows(order)
        details: dict[str, Any] = {}
        if options.people:
            people, details = measure_people(scorers, options.rated, RATED)
            rows += people
    return outcome_of_rows(
        rows,
        weights={key: model.meta[key] for key in ("name", "sha256")},
        ablations={name: variant.meta["sha256"] for name, variant in variants.items()},
        people=details,
        seed=SEED,
        sets=options.sets,
        size_px=options.size,
    )


def _parser() -> argparse.ArgumentParser:
    parser = evaluation_parser("spips", __doc__)
    parser.add_argument("--ablation", type=Path, default=Path("runs/spips-ablation"), help="folder of ablated weights")
    parser.add_argument("--rated", type=Path, default=Path("../shared/rated"), help=f"folder of {', '.join(RATED)}")
    parser.add_argument("--people", action="store_true", help="also SRCC with people: once, at the end")
    parser.add_argument("--sets", type=positive, default=30, metavar="N", help="ranked sets of each kind")
    parser.add_argument("--size", type=positive, default=192, metavar="PX", help="side of their crops")
    return parser


if __name__ == "__main__":
    sys.exit(main())
