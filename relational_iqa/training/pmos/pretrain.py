"""Trains the opinion-unaware pMOS weights: photographs -> ranked sets -> pMOS stage -> weights and their card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from distortion_engine.errors import UsageError
from relational_iqa.networks.pmos_network import PmosArchitecture, PmosNetwork
from relational_iqa.storage.cards import FREE_LICENCE, NO_HUMAN_SCORE, WeightCard
from relational_iqa.storage.opinions import NO_OPINIONS
from relational_iqa.storage.pixel_perfect_weights import load_weights
from relational_iqa.storage.pmos_weights import load_pmos_weights, save_pmos_weights
from relational_iqa.training.data.training_sets import DataConfig, training_sets
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.run_folder import one_run_a_folder
from relational_iqa.training.loop.runs import facts_of_run, git_commit, parse_run, write_trained
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pmos.mos_labels import NO_RECOLOURING, Recolouring
from relational_iqa.training.pmos.stage import PmosLossWeights, PmosStage


@dataclass(frozen=True)
class PmosConfig:
    """A whole run of the training of pMOS.

    Args:
        name: name of the weights.
        data: what is trained on; the folder is shared with `riqa pretrain`.
        pmos: options of the trainer.
        out: folder of checkpoints, logs and the result.
        architecture: sizes of the network.
        loss: weights of the parts of the loss.
        encoder_from: weights of the core system whose learned first layers are taken over; empty for none.
        start_from: pMOS weights to go on from; empty for none.
        recolour: how the sets are recoloured in training.
        system: tells `riqa pretrain` which system the config is of.
    """

    name: str
    data: DataConfig
    pmos: TrainConfig
    out: str
    architecture: PmosArchitecture = field(default_factory=PmosArchitecture)
    loss: PmosLossWeights = field(default_factory=PmosLossWeights)
    encoder_from: str = ""
    start_from: str = ""
    recolour: Recolouring = NO_RECOLOURING
    system: Literal["pmos"] = "pmos"


def parse_pmos_config(values: Mapping[str, Any]) -> PmosConfig:
    """Nested plain data -> PmosConfig; UsageError names a wrong or missing key."""
    return parse_run(PmosConfig, values)


@one_run_a_folder
def pretrain_pmos(config: PmosConfig, resume: str = "auto") -> Path:
    """Runs the stage and returns the path of the weights, `out`/`name`.safetensors, with `name`.json beside it.

    In a run of several processes, the first one writes them.
    """
    commit, out = git_commit(), Path(config.out)
    sets = training_sets(config.data)
    torch.manual_seed(config.pmos.seed)
    network = _unaware(config.start_from) if config.start_from else PmosNetwork(config.architecture)
    network.thaw()
    if config.encoder_from and not config.start_from:
        take_encoder(network, config.encoder_from)
    batch_size, seed = config.pmos.batch_size, config.pmos.seed
    stage = PmosStage(
        network, sets, batch_size, seed, config.loss, keep_scales=bool(config.start_from), recolour=config.recolour
    )
    ended = train(stage, config.pmos, out / "pmos", resume)
    card = WeightCard(
        licence=FREE_LICENCE,
        data=f"{sets.source}; {NO_HUMAN_SCORE}",
        command="riqa pretrain --config CONFIG, with the config below",
        **facts_of_run(config, commit, [ended]),
    )
    return write_trained(out / f"{config.name}.safetensors", lambda path: save_pmos_weights(path, network.cpu()), card)


def _unaware(source: str) -> PmosNetwork:
    """pMOS weights that no human score has touched; UsageError for others: what comes out is called opinion-unaware."""
    network, meta = load_pmos_weights(source)
    if meta["opinions"] != NO_OPINIONS:
        raise UsageError(f"start_from {source}: was fitted to {meta['opinions']}; start from opinion-unaware weights")
    return network


def take_encoder(network: PmosNetwork, source: str) -> None:
    """Starts the learned first layers from those of the distortion network in the weights `source`; trained on.

    UsageError where they have another number of channels.
    """
    theirs = load_weights(source)[0].distortion.encoder
    ours = network.encoder.learned
    if theirs.out_channels != ours.out_channels:
        raise UsageError(
            f"encoder_from {source}: has {theirs.out_channels // 2} channels, "
            f"architecture.encoder_channels is {ours.out_channels // 2}; "
            "make them equal or leave encoder_from empty"
        )
    ours.load_state_dict(theirs.state_dict())
