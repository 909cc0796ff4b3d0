"""Trains the opinion-unaware pMOS weights: photographs -> ranked sets -> what the backbone says of them -> pMOS stage
-> weights and their card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.pmos_network import PmosArchitecture, PmosNetwork
from relational_iqa.storage.cards import FREE_LICENCE, NO_HUMAN_SCORE, WeightCard
from relational_iqa.storage.opinions import NO_OPINIONS
from relational_iqa.storage.pmos_weights import load_pmos_weights, save_pmos_weights
from relational_iqa.training.data.backbone_start import fill_backbone
from relational_iqa.training.data.training_sets import SetSource, training_sets
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.run_folder import one_run_a_folder
from relational_iqa.training.loop.runs import facts_of_run, git_commit, parse_run, write_trained
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pmos.calibration import calibrate
from relational_iqa.training.pmos.stage import PmosLossWeights, PmosStage
from relational_iqa.training.pmos.stored_cells import StoredCells, stored_cells

CALIBRATION_SHARE = 0.05
"""Share of the sets of each source that are not trained on: they say how far the scores are off."""


@dataclass(frozen=True)
class PmosConfig:
    """A whole run of the training of pMOS.

    Args:
        name: name of the weights.
        sources: what is trained on; the folders are shared with the other systems.
        pmos: options of the trainer; `batch_size` is what the sources give together.
        out: folder of checkpoints, logs and the result.
        architecture: sizes of the network.
        loss: weights of the parts of the loss.
        backbone: name or path of backbone weights; empty for a start from nothing.
        start_from: pMOS weights to go on from; empty for none.
        cells_dir: where what the backbone says of the sets is kept.
        looks: 2 shows every image a second time, mirrored and recoloured, and wants the same maps and scores; 1 does
            not.
        system: tells `riqa pretrain` which system the config is of.
    """

    name: str
    sources: list[SetSource]
    pmos: TrainConfig
    out: str
    architecture: PmosArchitecture = field(default_factory=PmosArchitecture)
    loss: PmosLossWeights = field(default_factory=PmosLossWeights)
    backbone: str = "backbone-lite0"
    start_from: str = ""
    cells_dir: str = ".cache/cells"
    looks: Literal[1, 2] = 1
    system: Literal["pmos"] = "pmos"

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("sources is empty: name at least one source of ranked sets")


def parse_pmos_config(values: Mapping[str, Any]) -> PmosConfig:
    """Nested plain data -> PmosConfig; UsageError names a wrong or missing key."""
    return parse_run(PmosConfig, values)


@one_run_a_folder
def pretrain_pmos(config: PmosConfig, resume: str = "auto") -> Path:
    """Runs the stage and returns the path of the weights, `out`/`name`.safetensors, with `name`.json beside it.

    In a run of several processes, the first one writes them.
    """
    commit, out = git_commit(), Path(config.out)
    sources = [training_sets(source.data) for source in config.sources]
    torch.manual_seed(config.pmos.seed)
    if config.start_from:
        network = _unaware(config.start_from)
    else:
        network = PmosNetwork(config.architecture)
        _start(network, config, sources)
    network.requires_grad_(False)
    stores = [stored_cells(sets, network, Path(config.cells_dir), config.looks) for sets in sources]
    learnt, held_back = zip(*(_parted(store) for store in stores), strict=True)
    network.thaw(backbone=False, fitted=False)
    stage = PmosStage(
        network, learnt, [source.per_batch for source in config.sources], config.pmos.seed, config.loss,
        keep_scales=bool(config.start_from),
    )  # fmt: skip
    ended = train(stage, config.pmos, out / "pmos", resume)
    calibrate(network, held_back)
    card = WeightCard(
        licence=FREE_LICENCE,
        data=f"{'; '.join(sets.source for sets in sources)}; {_origin(config)}; {NO_HUMAN_SCORE}",
        command="riqa pretrain --config CONFIG, with the config below",
        **facts_of_run(config, commit, [ended]),
    )
    return write_trained(out / f"{config.name}.safetensors", lambda path: save_pmos_weights(path, network.cpu()), card)


def _start(network: PmosNetwork, config: PmosConfig, sources: Sequence[StoredSets]) -> None:
    """Gives the backbone its first weights."""
    images: list[np.ndarray] = [sets.whole.images[0] for sets in sources]
    fill_backbone(network.encoder.stages, config.backbone, images, config.pmos.seed)


def _parted(store: StoredCells) -> tuple[StoredCells, StoredCells]:
    """What is trained on, and what says afterwards how far the scores are off."""
    count = len(store.sets)
    cut = max(1, round(count * (1 - CALIBRATION_SHARE)))
    return store.range(0, cut), store.range(cut if cut < count else 0, count)


def _origin(config: PmosConfig) -> str:
    if config.start_from:
        return f"starts from {config.start_from}, whose card says what it was trained on"
    return f"backbone: {config.backbone} (ImageNet class labels)" if config.backbone else "backbone from nothing"


def _unaware(source: str) -> PmosNetwork:
    """pMOS weights that no human score has touched; UsageError for others: what comes out is called opinion-unaware."""
    network, meta = load_pmos_weights(source)
    if meta["opinions"] != NO_OPINIONS:
        raise UsageError(f"start_from {source}: was fitted to {meta['opinions']}; start from opinion-unaware weights")
    return network
