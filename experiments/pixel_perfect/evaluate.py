"""The table of what the shipped weights can do: `python -m experiments.pixel_perfect.evaluate`.

Everything is measured on held-out photographs, with fixed seeds; times aside, the same weights give the same table.
`--seeds 3` measures three times, on other crops and other distortions, and shows the mean and the standard deviation.
`--people` adds agreement with people. It is looked at once, when nothing will be changed any more, and every look is
written down in experiments/NOTES.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from distortion_engine import ENGINE_VERSION
from distortion_engine.reading.photos import list_photos
from distortion_engine.severity import provenance_hash
from experiments.evaluation import Log, Outcome, evaluation_parser, outcome_of_rows, positive, run_evaluation
from experiments.pixel_perfect.agreement import DATASETS, measure_agreement
from experiments.pixel_perfect.compositions import measure_compositions
from experiments.pixel_perfect.confidence import plain, pooled_rows
from experiments.pixel_perfect.cross_type import cross_type_rows, measure_cross_type
from experiments.pixel_perfect.external_codecs import codec_rows, measure_codecs
from experiments.pixel_perfect.foreign import measure_foreign
from experiments.pixel_perfect.map_accuracy import measure_maps
from experiments.pixel_perfect.measures import Model
from experiments.pixel_perfect.order import measure_order, order_answers, order_rows
from experiments.pixel_perfect.processed import measure_processed, processed_rows
from experiments.pixel_perfect.real_outputs import measure_real_outputs, real_output_rows
from experiments.pixel_perfect.sanity import false_alarm_rows, speed_rows
from experiments.pixel_perfect.table import Row, over_seeds

SEED = 20260


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        sets: ranked sets of each kind.
        strong: pairs of every distortion at severity 0.4 to 1.
        weak: pairs of every distortion at severity 0.1 to 0.4.
        members: pairs of two damaged images.
        cross_type: photographs with four distortions each.
        compositions: sets whose members have several distortions.
        foreign: pairs of every operator that is not the engine's.
        codec_photos: photographs for the encoders.
        alarm_photos: photographs for the false alarms.
        real_sets: damaged photographs with the outputs of algorithms.
        crop_px: side of the crops.
        codec_px: side of the crops for the encoders.
    """

    sets: int = 30
    strong: int = 4
    weak: int = 2
    members: int = 40
    cross_type: int = 60
    compositions: int = 40
    foreign: int = 3
    codec_photos: int = 12
    alarm_photos: int = 16
    real_sets: int = 60
    crop_px: int = 192
    codec_px: int = 288


def evaluate(
    model: Model,
    photos: Sequence[Path],
    sizes: Sizes = Sizes(),
    seed: int = SEED,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[list[Row], dict[str, Any]]:
    """Rows of the table that one seed gives, and details for the JSON; "confidence" in these are the answers of which
    `pooled_rows` makes more rows."""
    from relational_iqa.training.data.judge import metric_judge

    with torch.inference_mode():
        order = measure_order(model, photos, metric_judge, sizes.sets, sizes.crop_px, seed, log)
        cross = measure_cross_type(model, photos, sizes.cross_type, sizes.crop_px, seed + 200, log)
        maps, map_details, strong = measure_maps(
            model, photos, sizes.strong, sizes.weak, sizes.members, sizes.crop_px, seed + 100, log
        )
        composed = measure_compositions(model, photos, sizes.compositions, sizes.crop_px, seed + 300, log)
        foreign, foreign_scores = measure_foreign(model, photos, sizes.foreign, strong, sizes.crop_px, seed + 400, log)
        codecs = measure_codecs(model, photos, sizes.codec_photos, sizes.codec_px, log=log)
        real = measure_real_outputs(model, photos, sizes.real_sets, seed=seed + 500, log=log)
        rows = [
            *order_rows(order),
            *cross_type_rows(cross),
            *real_output_rows(real),
            *maps,
            *composed,
            *foreign,
            *codec_rows(codecs),
        ]
        rows += false_alarm_rows(model, photos, sizes.alarm_photos, sizes.crop_px, seed)
        rows += speed_rows(model, photos[0])
    details = {"maps": map_details, "foreign": foreign_scores.to_json(), "dropped_sets": order.dropped}
    details["confidence"] = {"outputs": plain(real.answers), "own kinds": plain(order_answers(order))}
    return rows, details


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes it; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    import relational_iqa

    photos = list_photos(options.photos, "held_out")
    sizes = Sizes(sets=options.sets)
    model = relational_iqa.load(options.weights, device=options.device)
    log(f"{len(photos)} held-out photographs, weights {model.meta.get('name')}")
    seeds = [SEED + 1000 * number for number in range(options.seeds)]
    runs: list[list[Row]] = []
    details: dict[str, Any] = {"seeds": {}}
    for seed in seeds:
        run, details["seeds"][str(seed)] = evaluate(model, photos, sizes, seed, log=log)
        runs.append(run)
    rows = over_seeds(runs) + pooled_rows([run["confidence"] for run in details["seeds"].values()])
    with torch.inference_mode():
        stored = measure_processed(model, options.processed, log)
    rows += processed_rows(stored, options.processed)
    details["processed"] = [asdict(pair) for pair in stored or ()]
    if options.people:
        with torch.inference_mode():
            people, details["people"] = measure_agreement(model, options.rated, log=log)
        rows += people
    about = {
        "weights": {key: model.meta.get(key) for key in ("name", "sha256")},
        "photos": [photo.name for photo in photos],
        "seeds": seeds,
        "sizes": asdict(sizes),
        "engine": ENGINE_VERSION,
        "severity": provenance_hash(),
    }
    return outcome_of_rows(rows, about=about, details=details)


def _parser() -> argparse.ArgumentParser:
    parser = evaluation_parser("pixel_perfect", __doc__)
    parser.set_defaults(out=Path("out/evaluate"))
    parser.add_argument("--rated", type=Path, default=Path("../shared/rated"), help=f"folder of {', '.join(DATASETS)}")
    stored = "folder with index.csv of stored outputs of algorithms; their rows are left out where it is not there"
    parser.add_argument("--processed", type=Path, default=Path("../shared/processed"), help=stored)
    parser.add_argument("--people", action="store_true", help="also SRCC with people: once, at the end")
    parser.add_argument("--sets", type=positive, default=Sizes.sets, metavar="N", help="ranked sets of each kind")
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="repeat with N seeds: mean and spread")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


if __name__ == "__main__":
    sys.exit(main())
