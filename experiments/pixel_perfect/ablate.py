"""What each part of the scoring stage is worth: `python -m experiments.pixel_perfect.ablate --config ablation.yaml`.

Every variant trains a fresh scoring network for the same seconds over the same frozen distortion network, with the same
seed and sets, and is measured on the label-free rows of the score. A full training is better; the differences count.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.reading.photos import list_photos
from experiments.pixel_perfect.cross_type import cross_type_rows, measure_cross_type
from experiments.pixel_perfect.evaluate import SEED
from experiments.pixel_perfect.order import measure_order, order_rows
from experiments.pixel_perfect.table import Row
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.storage.pixel_perfect_weights import load_weights
from relational_iqa.systems.pixel_perfect import RelationalIQA
from relational_iqa.training.data.judge import metric_judge
from relational_iqa.training.data.pairs import SetBatch
from relational_iqa.training.data.training_sets import DataConfig, training_sets
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pixel_perfect.scoring_stage import DEFAULT_WEIGHTS, ScoringLossWeights, ScoringStage


@dataclass(frozen=True)
class Variant:
    """A scoring network without one of its parts.

    Args:
        weights: of the losses.
        mute: inputs of the reference scorer that are set to zero, as a slice of its distances; None for none.
    """

    weights: ScoringLossWeights = DEFAULT_WEIGHTS
    mute: Callable[[Networks], slice] | None = None


@dataclass(frozen=True)
class AblationConfig:
    """Options of the ablation.

    Args:
        weights: file whose distortion network all variants use.
        data: as in pretraining.
        scoring: as in pretraining; every variant trains for its `max_seconds`.
        out: folder of checkpoints and of the table.
        sets: ranked sets of each kind that the order is measured on.
        groups: photographs that the order across distortions is measured on.
        crop_px: side of the crops of both, px.
        variants: names of `VARIANTS`, empty for all.
    """

    weights: str
    data: DataConfig
    scoring: TrainConfig
    out: str = "out/ablation"
    sets: int = 20
    groups: int = 60
    crop_px: int = 192
    variants: list[str] = field(default_factory=list)


def _similarity_maps(networks: Networks) -> slice:
    return slice(0, networks.scoring.reference.similarity.channels)


def _masked_bands(networks: Networks) -> slice:
    """The masked energies and their roots, which follow the similarity maps."""
    start = networks.scoring.reference.similarity.channels
    return slice(start, start + 2 * networks.distortion.statistics.channels["energy_d"])


VARIANTS: Mapping[str, Variant] = {
    "everything": Variant(),
    "without consensus": Variant(replace(DEFAULT_WEIGHTS, consensus=0.0)),
    "without agreed pairs": Variant(replace(DEFAULT_WEIGHTS, agreed=0.0)),
    "without construction": Variant(replace(DEFAULT_WEIGHTS, order=0.0)),
    "without contrast": Variant(replace(DEFAULT_WEIGHTS, contrast=0.0)),
    "without masked bands": Variant(mute=_masked_bands),
    "without similarity maps": Variant(mute=_similarity_maps),
}


class MutedStage(ScoringStage):
    """A scoring stage in which some distances are 0 from the first step to the last: their gain is no parameter."""

    networks: Networks
    mute: Callable[[Networks], slice] | None = None

    def calibrate(self, batch: SetBatch) -> None:
        """Scales of all distances, then silence for the muted."""
        super().calibrate(batch)
        if self.mute is not None:
            self.networks.scoring.reference.gain[self.mute(self.networks)] = 0.0


def ablate(
    config: AblationConfig,
    sets: StoredSets,
    photos: Sequence[Path],
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, list[Row]]:
    """Trains the variants and measures them. Returns the rows by name of the variant.

    Args:
        config: options of the ablation.
        sets: what is trained on.
        photos: what is measured on, held out.
        log: receives lines of progress.

    Raises:
        UsageError: for an unknown variant, or a file that holds no weights.
    """
    names = config.variants or list(VARIANTS)
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise UsageError(f"variant {unknown[0]!r} is unknown; expected some of {', '.join(VARIANTS)}")
    rows = {}
    for name in names:
        networks = train_variant(config, sets, VARIANTS[name], Path(config.out) / name.replace(" ", "_"))
        with torch.inference_mode():
            rows[name] = _measure(RelationalIQA(networks, {"name": name}), config, photos)
        log(f"{name}: {', '.join(row.cells()[1] for row in rows[name])}")
    return rows


def train_variant(config: AblationConfig, sets: StoredSets, variant: Variant, out: Path) -> Networks:
    """The distortion network of the weights with a scoring network of its own, trained as `variant` says."""
    trained = load_weights(config.weights)[0]
    torch.manual_seed(config.scoring.seed)
    networks = Networks(trained.architecture)
    networks.distortion.load_state_dict(trained.distortion.state_dict())
    batch_size, seed = config.scoring.batch_size, config.scoring.seed
    stage = MutedStage(networks.distortion, networks.scoring, sets, batch_size, seed, weights=variant.weights)
    stage.networks, stage.mute = networks, variant.mute
    train(stage, config.scoring, out, "never")
    return networks.cpu().eval()


def markdown(rows: Mapping[str, Sequence[Row]]) -> str:
    """A table of variants by row."""
    heads = [row.name for row in next(iter(rows.values()))]
    lines = [f"| scoring stage | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    lines += [f"| {name} | {' | '.join(row.cells()[1] for row in listed)} |" for name, listed in rows.items()]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes ablation.md and ablation.json; exit code 0, or 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="python -m experiments.pixel_perfect.ablate", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML of AblationConfig")
    try:
        config = _read(parser.parse_args(arguments).config)
        photos = Path(config.data.photos)
        sets = training_sets(config.data)
        rows = ablate(config, sets, list_photos(photos, "held_out"), lambda text: print(text, file=sys.stderr))
    except (UsageError, ImageError) as error:
        print(f"ablate: {error}", file=sys.stderr)
        return 2
    out = Path(config.out)
    (out / "ablation.md").write_text(markdown(rows), encoding="utf-8")
    plain = {name: [row.to_json() for row in listed] for name, listed in rows.items()}
    (out / "ablation.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    print(markdown(rows))
    return 0


def _measure(model: RelationalIQA, config: AblationConfig, photos: Sequence[Path]) -> list[Row]:
    order = measure_order(model, photos, metric_judge, config.sets, config.crop_px, SEED)
    cross = measure_cross_type(model, photos, config.groups, config.crop_px, SEED + 200)
    return [row for row in (*order_rows(order), *cross_type_rows(cross)) if row.asked]


def _read(path: Path) -> AblationConfig:
    import yaml
    from jsonargparse import ArgumentError, ArgumentParser

    parser: Any = ArgumentParser(exit_on_error=False)
    parser.add_argument("--run", type=AblationConfig)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        return parser.instantiate(parser.parse_object({"run": values})).run
    except (OSError, yaml.YAMLError, ArgumentError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error


if __name__ == "__main__":
    sys.exit(main())
