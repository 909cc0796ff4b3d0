"""`riqa pretrain` with `system: judgement`: adds the judgement of one image to trained weights of the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.storage.cards import FREE_LICENCE, NO_HUMAN_SCORE, WeightCard
from relational_iqa.storage.pixel_perfect_weights import load_judgement, load_weights, save_weights
from relational_iqa.training.data.backbone_start import fill_backbone, images_of
from relational_iqa.training.data.stored_moments import stored_moments
from relational_iqa.training.data.stored_rows import stored_rows
from relational_iqa.training.data.training_sets import SetSource, training_sets
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.run_folder import one_run_a_folder
from relational_iqa.training.loop.runs import facts_of_run, git_commit, parse_run, write_trained
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pixel_perfect.joint_stage import JointBatch, JointStage, rows_of_sets, set_temperature
from relational_iqa.training.pixel_perfect.judgement_stage import JudgementStage
from relational_iqa.training.pixel_perfect.reference_joint_stage import (
    EvidenceRows,
    ReferenceJointStage,
    evidence_of_sets,
    set_order_temperature,
)

_ADDED = ("judgement.", "joint.", "reference_joint.")
FIRST_SETS = 16  # with whose images channels are brought to unit spread, and a backbone from nothing is started
TEMPERATURE_SHARE = 0.4  # of the sets that are held back, with which the confidence is calibrated


@dataclass(frozen=True)
class JudgementConfig:
    """A whole run.

    Args:
        name: name of the weights.
        start_from: weights of the core, whose distortion network and scoring network stay as they are.
        sources: what is trained on.
        heads: options of the stage that trains the heads of the judgement.
        joint: options of the stage that joins judgement and pair scorer.
        reference_joint: options of the stage that joins reference scorer and stages of the backbone.
        out: folder of checkpoints, logs and the result.
        system: "judgement".
        architecture: sizes of the judgement.
        backbone: name or path of backbone weights; empty for a start from nothing.
        held_back: share of the sets of each source that the heads do not see; what joins the parts learns from them.
        joint_sets: at most so many of these of each source.
        pairs_per_set: pairs of each of them, for the mode without a reference.
        moments_dir: where what the frozen networks say of the sets is kept.
        judgement_from: weights whose judgement, of this `architecture`, is taken as it is; then only what joins the
            parts is trained. Empty trains the heads.
    """

    name: str
    start_from: str
    sources: list[SetSource]
    heads: TrainConfig
    joint: TrainConfig
    reference_joint: TrainConfig
    out: str
    system: Literal["judgement"] = "judgement"
    architecture: JudgementArchitecture = field(default_factory=JudgementArchitecture)
    backbone: str = "backbone-lite0"
    held_back: float = 0.25
    joint_sets: int = 1500
    pairs_per_set: int = 6
    moments_dir: str = ".cache/moments"
    judgement_from: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise UsageError("sources is empty: name at least one source of ranked sets")
        if not 0 < self.held_back < 1:
            raise UsageError(f"held_back is {self.held_back}: expected a share between 0 and 1")


def parse_judgement_config(values: Mapping[str, Any]) -> JudgementConfig:
    """Nested plain data -> JudgementConfig; UsageError names a wrong or missing key."""
    return parse_run(JudgementConfig, values)


@one_run_a_folder
def pretrain_judgement(config: JudgementConfig, resume: str = "auto") -> Path:
    """Trains heads and joint on the weights of `start_from`, and returns the path of the new weights,
    `out`/`name`.safetensors, with a card beside it."""
    commit = git_commit()
    out = Path(config.out)
    sources = [training_sets(source.data) for source in config.sources]
    kept = [max(1, round(len(sets) * (1 - config.held_back))) for sets in sources]
    torch.manual_seed(config.heads.seed)
    networks = with_judgement(load_weights(config.start_from)[0], config.architecture)
    judgement = networks.judgement
    if judgement is None:
        raise AssertionError("with_judgement adds it")
    if config.judgement_from:
        origin = f"{take_judgement(judgement, config.judgement_from)}; {_origin(config)}"
        stages = []
    else:
        origin = _origin(config)
        stages = [_train_heads(judgement, sources, kept, config, resume)]
    rest = [
        sets.range(count, min(len(sets), count + config.joint_sets)) for sets, count in zip(sources, kept, strict=True)
    ]
    stages.append(_join_pairs(networks, rest, config, resume))
    stages.append(_join_references(networks, rest, config, resume))
    card = WeightCard(
        licence=FREE_LICENCE,
        data=f"{'; '.join(sets.source for sets in sources)}; {origin}; {NO_HUMAN_SCORE}",
        command="riqa pretrain --config CONFIG, with the config below",
        **facts_of_run(config, commit, stages),
    )
    return write_trained(out / f"{config.name}.safetensors", lambda path: save_weights(path, networks.cpu()), card)


def _train_heads(
    judgement: Judgement, sources: Sequence[StoredSets], kept: Sequence[int], config: JudgementConfig, resume: str
) -> dict[str, Any]:
    """Trains the heads of the judgement on the first `kept` sets of each source."""
    # Of chosen sets the first images of all of them: so the scales, and what is stored by them, stay the same.
    whole = [sets.whole for sets in sources]
    fill_backbone(judgement.stages, config.backbone, [sets.images[0] for sets in whole], config.heads.seed)
    judgement.calibrate(_first_images(whole))
    learnt = [
        stored_moments(sets, judgement, Path(config.moments_dir), count)
        for sets, count in zip(sources, kept, strict=True)
    ]
    for heads in (judgement.locals, judgement.pooled, judgement.relations, judgement.local_relations):
        heads.requires_grad_(True)
    stage = JudgementStage(judgement, learnt, [source.per_batch for source in config.sources], config.heads.seed)
    done = train(stage, config.heads, Path(config.out) / "judgement", resume)
    judgement.requires_grad_(False)
    return done


def _join_pairs(networks: Networks, rest: Sequence[StoredSets], config: JudgementConfig, resume: str) -> dict[str, Any]:
    """Trains what joins the parts of the margin without a reference."""
    if networks.joint is None:
        raise AssertionError("with_judgement adds it")
    count, seed, folder = config.pairs_per_set, config.joint.seed, Path(config.moments_dir)
    learnt: list[JointBatch] = []
    calibration: list[JointBatch] = []
    for part, rows in _parted(rest, learnt, calibration):
        compute = partial(rows_of_sets, networks, part, count, seed)
        rows.append(stored_rows(compute, JointBatch, f"{count} {seed}", _asked(networks), part, folder))
    networks.joint.requires_grad_(True)
    stage = JointStage(networks.joint, _joined(learnt), config.joint.batch_size, seed)
    done = train(stage, config.joint, Path(config.out) / "joint", resume)
    networks.joint.requires_grad_(False)
    set_temperature(networks.joint, _joined(calibration))
    return done


def _join_references(
    networks: Networks, rest: Sequence[StoredSets], config: JudgementConfig, resume: str
) -> dict[str, Any]:
    """Trains what joins the parts of the quality with a reference."""
    if networks.reference_joint is None:
        raise AssertionError("with_judgement adds it")
    learnt: list[EvidenceRows] = []
    calibration: list[EvidenceRows] = []
    for part, rows in _parted(rest, learnt, calibration):
        compute = partial(evidence_of_sets, networks, part)
        rows.append(stored_rows(compute, EvidenceRows, "", _asked(networks), part, Path(config.moments_dir)))
    options = config.reference_joint
    networks.reference_joint.requires_grad_(True)
    stage = ReferenceJointStage(networks.reference_joint, _joined(learnt), options.batch_size, options.seed)
    done = train(stage, options, Path(config.out) / "reference_joint", resume)
    networks.reference_joint.requires_grad_(False)
    set_order_temperature(networks.reference_joint, _joined(calibration))
    return done


def _asked(networks: Networks) -> dict[str, torch.Tensor]:
    """The weights of everything but what joins the parts."""
    return {name: value for name, value in networks.state_dict().items() if "joint." not in name}


def _parted(
    rest: Sequence[StoredSets], learnt: list[Any], calibration: list[Any]
) -> Iterator[tuple[StoredSets, list[Any]]]:
    """The sets of every source that are learnt from, and those with which the confidence is calibrated."""
    for sets in rest:
        cut = max(1, round(len(sets) * (1 - TEMPERATURE_SHARE)))
        yield sets.range(0, cut), learnt
        yield sets.range(cut, len(sets)), calibration


def with_judgement(core: Networks, architecture: JudgementArchitecture) -> Networks:
    """The networks of `core` with an untrained judgement; those that had one lose it."""
    networks = Networks(replace(core.architecture, judgement=architecture))
    state = {name: value for name, value in core.state_dict().items() if not name.startswith(_ADDED)}
    fresh = networks.state_dict()
    networks.load_state_dict({**fresh, **state})
    return networks.requires_grad_(False).eval()


def take_judgement(judgement: Judgement, source: str) -> str:
    """Gives the judgement the weights of another file, and returns where they are from, in words. Raises UsageError
    where that judgement has other sizes."""
    found, meta = load_judgement(source)
    if found.architecture != judgement.architecture:
        raise UsageError(f"judgement_from {source}: is {found.architecture}, expected {judgement.architecture}")
    judgement.load_state_dict(found.state_dict())
    return f"judgement of {meta['name']} {meta['sha256'][:8]}, whose card says what it was trained on"


def _origin(config: JudgementConfig) -> str:
    return f"backbone: {config.backbone} (ImageNet class labels)" if config.backbone else "backbone from nothing"


def _first_images(sources: Sequence[StoredSets]) -> torch.Tensor:
    shown = [sets.images[number] for sets in sources for number in range(min(FIRST_SETS // len(sources), len(sets)))]
    return images_of(shown)


def _joined(parts: Sequence[Any]) -> Any:
    return type(parts[0])(*(torch.cat(values) for values in zip(*parts, strict=True)))
