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
from relational_iqa.training.loop.averaging import average_with
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
        average_with: pMOS weights of other runs from the same start, as names or paths; what is written are the means
            of their values and of those of this run.
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
    average_with: list[str] = field(default_factory=list)
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
        network = _unaware("start_from", config.start_from)
    else:
        network = PmosNetwork(config.architecture)
        _start(network, config, sources)
    network.requires_grad_(False)
    others = [_of_one_start(source, network) for source in config.average_with]
    stores = [stored_cells(sets, network, Path(config.cells_dir), config.looks) for sets in sources]
    learnt, held_back = zip(*(_parted(store) for store in stores), strict=True)
    network.thaw(backbone=False, fitted=False)
    stage = PmosStage(
        network, learnt, [source.per_batch for source in config.sources], config.pmos.seed, config.loss,
        keep_scales=bool(config.start_from),
    )  # fmt: skip
    ended = train(stage, config.pmos, out / "pmos", resume)
    average_with(network, [other.state_dict() for other in others])
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
        origin = f"starts from {config.start_from}, whose card says what it was trained on"
    else:
        origin = f"backbone: {config.backbone} (ImageNet class labels)" if config.backbone else "backbone from nothing"
    named = [str(load_pmos_weights(source)[1]["sha256"])[:8] for source in config.average_with]
    return f"{origin}; averaged with the weights {', '.join(named)}, trained likewise" if named else origin


def _unaware(option: str, source: str) -> PmosNetwork:
    """pMOS weights that no human score has touched; UsageError for others: what comes out is called opinion-unaware."""
    network, meta = load_pmos_weights(source)
    if meta["opinions"] != NO_OPINIONS:
        raise UsageError(f"{option} {source}: was fitted to {meta['opinions']}; expected opinion-unaware weights")
    return network


def _of_one_start(source: str, network: PmosNetwork) -> PmosNetwork:
    """Weights that can be averaged with those of a network; UsageError for others."""
    other = _unaware("average_with", source)
    if other.architecture != network.architecture:
        raise UsageError(f"average_with {source}: has another architecture, {other.architecture}")
    backbones = zip(other.encoder.stages.parameters(), network.encoder.stages.parameters(), strict=True)
    if not all(torch.allclose(theirs, own, atol=1e-6) for theirs, own in backbones):
        raise UsageError(f"average_with {source}: has another backbone; the mean of runs from two starts is no network")
    return other.requires_grad_(False)
