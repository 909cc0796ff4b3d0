"""The tables of SPIPS: `python -m experiments.spips.evaluate`.

Constructed order and agreement across types on held-out photographs, the engine's kinds and outputs of restoration
algorithms, for SPIPS, for its three conventional parts alone and, where `experiments.spips.ablate` has trained them,
for SPIPS without one stream. `--people` adds SRCC with people and is the only part that looks at them: once, when
nothing will be changed any more (experiments/NOTES.md).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
from relational_iqa.networks.spips_stages import StageSpips
from relational_iqa.systems.spips import SPIPS
from relational_iqa.tiling.tile_geometry import GRID_PX
from relational_iqa.training.losses.ranked_sets import AGREEMENT_MARGIN

SEED = 20270
FULL = "SPIPS"
KINDS = ("ladder", "dominance", "extent", "restoration")
OUTPUTS = "restoration_outputs"
RATED = ("tid2013_i03", "tub_jpeg", "srij_dev")
# (test (B, 3, H, W), reference (B, 3, H, W)) -> (B,), higher is better
Scorer = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Order:
    """Answers about ranked sets, by scorer.

    Args:
        right: by scorer and kind of set, for every set and each of its constructed pairs: whether the better image is
            the reference, and whether the scorer has the pair in order.
        qualities: by scorer, of all members of sets of the engine's own kinds.
        consensus: mean loss of quality by the judge's metrics, of the same; empty without a judge.
        unanimous: by scorer, for every set of outputs of algorithms and each pair of members that all metrics of the
            judge have in one order: whether the scorer has it so too.
    """

    right: dict[str, dict[str, list[list[tuple[bool, bool]]]]]
    qualities: dict[str, list[float]]
    consensus: list[float] = field(default_factory=list)
    unanimous: dict[str, list[list[bool]]] = field(default_factory=dict)


def conventional_scorers() -> dict[str, Scorer]:
    """PSNR, SSIM and MS-SSIM, the parts that SPIPS fuses."""
    return {METRICS[name].name.upper().replace("_", "-"): METRICS[name].function for name in CONVENTIONAL}


def scorers_of(models: Mapping[str, SPIPS]) -> dict[str, Scorer]:
    """Scorers of several SPIPS. Those on the same frozen backbone look at a pair once: what it sees is most of their
    time."""
    last: dict[str, Any] = {}

    def fused(model: SPIPS, network: StageSpips, key: str, test: Tensor, reference: Tensor) -> Tensor:
        if test.shape[-1] % GRID_PX or test.shape[-2] % GRID_PX:
            return model.quality_batch(test, reference)
        if last.get("key") != key or last["test"] is not test or last["reference"] is not reference:
            last.update(key=key, test=test, reference=reference, seen=network.see(test, reference)[1])
        return network.quality_of(last["seen"])

    found: dict[str, Scorer] = {}
    for name, model in models.items():
        network = model.network
        if isinstance(network, StageSpips):
            found[name] = partial(fused, model, network, _looks(network))
        else:
            found[name] = model.quality_batch
    return found


def _looks(network: StageSpips) -> str:
    """Names all that what is seen of a pair depends on."""
    sizes = f"{network.architecture.backbone} {network.architecture.full_taps} {network.architecture.half_taps}"
    found = hashlib.sha256(sizes.encode())
    for value in network.comparison.state_dict().values():
        found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()


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
    order = Order({name: {kind: [] for kind in (*KINDS, OUTPUTS)} for name in scorers}, {name: [] for name in scorers})
    order.unanimous |= {name: [] for name in scorers}
    for number, kind in enumerate((*KINDS, "cross_type", OUTPUTS)):
        dataset = RankedSetDataset(photos, size_px, seed + number, sets, SamplingConfig(kinds={kind: 1.0}), judge)
        for index in range(sets):
            item = dataset[index]
            images, ranks = item.images.float() / 255, item.ranks.tolist()
            better = [(i, j) for i, first in enumerate(ranks) for j, second in enumerate(ranks) if first < second]
            agreed = [] if judge is None or kind != OUTPUTS else _unanimous_pairs(item.labels)
            if judge is not None and kind != OUTPUTS:
                order.consensus += item.labels.mean(1)[1:].tolist()
            reference = images[:1].expand_as(images)  # one tensor for all scorers, see `scorers_of`
            for name, scorer in scorers.items():
                quality = scorer(images, reference).tolist()
                if kind != OUTPUTS:
                    order.qualities[name] += quality[1:]
                if kind in order.right[name]:
                    order.right[name][kind].append([(i == 0, quality[i] > quality[j]) for i, j in better])
                order.unanimous[name].append([quality[i] > quality[j] for i, j in agreed])
        log(f"{kind}: {sets} sets")
    return order


def _unanimous_pairs(labels: Tensor) -> list[tuple[int, int]]:
    """Pairs (better, worse) of members that all metrics have in one order by more than AGREEMENT_MARGIN."""
    apart = labels[None] - labels[:, None]  # [i, j]: loss of quality of j minus that of i
    found = (apart > AGREEMENT_MARGIN).all(-1)
    return [(int(i), int(j)) for i, j in found.nonzero() if i > 0]


def order_rows(order: Order) -> list[Row]:
    """Constructed order over the engine's kinds, of two damaged images, by kind; of outputs of algorithms; then SRCC
    with the consensus across types."""
    rows = []
    damaged, outputs_damaged = "order, two damaged images", "order, two outputs of algorithms"
    parts: dict[str, tuple[str, ...]] = {"constructed order, all kinds": KINDS, damaged: KINDS}
    parts |= {f"order, {kind}": (kind,) for kind in KINDS} | {outputs_damaged: (OUTPUTS,)}
    for title, kinds in parts.items():
        for number, (name, by_kind) in enumerate(order.right.items()):
            answers = [
                [right for pristine, right in pairs if not (pristine and title in (damaged, outputs_damaged))]
                for kind in kinds
                for pairs in by_kind[kind]
            ]
            measured = share(answers)
            samples = f"{measured.answers} pairs of {measured.groups} sets" if number == 0 else ""
            rows.append(Row(title if number == 0 else name, measured.value, samples, unit="share",
                            spread=measured.spread, part=number > 0))  # fmt: skip
    if order.consensus:
        for number, (name, answers) in enumerate(order.unanimous.items()):
            measured = share(answers)
            title = "outputs of algorithms, pairs of one mind" if number == 0 else name
            samples = f"{measured.answers} pairs of {measured.groups} sets" if number == 0 else ""
            rows.append(Row(title, measured.value, samples, unit="share", spread=measured.spread, part=number > 0))
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
    of_spips = scorers_of({FULL: model} | {f"ablation, {name}": variant for name, variant in variants.items()})
    scorers: dict[str, Scorer] = {FULL: of_spips.pop(FULL), **conventional_scorers(), **of_spips}
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
