"""`riqa pretrain`: photographs -> ranked sets -> distortion stage -> scoring stage -> weights and their card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from distortion_engine.errors import UsageError
from relational_iqa.networks.pixel_perfect import Architecture, Networks
from relational_iqa.storage.cards import FREE_LICENCE, NO_HUMAN_SCORE, WeightCard
from relational_iqa.storage.pixel_perfect_weights import load_weights_to_train, save_weights
from relational_iqa.training.data.training_sets import DataConfig, training_sets
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.run_folder import one_run_a_folder
from relational_iqa.training.loop.runs import facts_of_run, git_commit, parse_run, write_trained
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pixel_perfect.distortion_stage import DistortionStage
from relational_iqa.training.pixel_perfect.scoring_stage import ScoringStage


@dataclass(frozen=True)
class PretrainConfig:
    """A whole run of `riqa pretrain`.

    Args:
        name: name of the weights.
        data: what is trained on.
        distortion: options of the first stage, the distortion network.
        scoring: options of the second stage, the scoring network.
        out: folder of checkpoints, logs and the result.
        architecture: sizes of the networks.
        start_from: weights to go on from; empty for none.
        pair_crop_px: side of the windows that the distortion stage cuts from the crops, 0 for none.
        more_data: what else the distortion stage is trained on, for example outputs of restoration algorithms with
            measured fields; these sources take turns.
        more_every: every how many batches of that stage is one of them.
    """

    name: str
    data: DataConfig
    distortion: TrainConfig
    scoring: TrainConfig
    out: str
    architecture: Architecture = field(default_factory=Architecture)
    start_from: str = ""
    pair_crop_px: int = 0
    more_data: list[DataConfig] = field(default_factory=list)
    more_every: int = 4

    def __post_init__(self) -> None:
        if self.more_every < 2:
            raise UsageError(f"more_every is {self.more_every}: expected 2 or more, every how many batches")


def parse_config(values: Mapping[str, Any]) -> PretrainConfig:
    """Nested plain data -> PretrainConfig; UsageError names a wrong or missing key."""
    return parse_run(PretrainConfig, values)


@one_run_a_folder
def pretrain(config: PretrainConfig, resume: str = "auto") -> Path:
    """Runs both stages and returns the path of the weights, `out`/`name`.safetensors, with `name`.json beside it.

    In a run of several processes, the first one writes them.
    """
    if config.distortion.devices != config.scoring.devices:
        devices = f"{config.distortion.devices} and {config.scoring.devices}"
        raise UsageError(f"distortion.devices and scoring.devices are {devices}: the same processes run both stages")
    if config.architecture.judgement is not None:
        raise UsageError("architecture.judgement: is added to trained weights by a run with system: judgement")
    commit = git_commit()
    out = Path(config.out)
    sets = training_sets(config.data)
    torch.manual_seed(config.distortion.seed)
    networks = load_weights_to_train(config.start_from) if config.start_from else Networks(config.architecture)
    distortion, scoring = networks.requires_grad_(True).distortion, networks.scoring
    batch_size, seed = config.distortion.batch_size, config.distortion.seed
    trained = bool(config.start_from)
    more = [training_sets(data) for data in config.more_data]
    relation = DistortionStage(
        distortion,
        sets,
        batch_size,
        seed,
        config.pair_crop_px,
        keep_scales=trained,
        more=more,
        more_every=config.more_every,
    )
    first = train(relation, config.distortion, out / "distortion", resume)
    batch_size, seed = config.scoring.batch_size, config.scoring.seed
    score = ScoringStage(distortion, scoring, sets, batch_size, seed, keep_scales=trained)
    second = train(score, config.scoring, out / "scoring", resume)
    card = WeightCard(
        licence=FREE_LICENCE,
        data="; ".join([*(one.source for one in (sets, *more)), NO_HUMAN_SCORE]),
        command="riqa pretrain --config CONFIG, with the config below",
        **facts_of_run(config, commit, [first, second]),
    )
    return write_trained(out / f"{config.name}.safetensors", lambda path: save_weights(path, networks.cpu()), card)
