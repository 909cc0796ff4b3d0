"""`riqa fit-reiqa`: photographs -> both stages -> encoders and their card; rated images -> regressor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distortion_engine.errors import UsageError
from distortion_engine.reading.photos import list_photos
from relational_iqa.benchmarks.readers.rated import read_rated
from relational_iqa.benchmarks.regression import fit_regressor, ridge
from relational_iqa.benchmarks.splits import cross_validate
from relational_iqa.networks.backbone import EfficientNetLite
from relational_iqa.networks.moment_encoder import MomentEncoder, MomentHead
from relational_iqa.networks.reiqa import Encoder, EncoderSize, MomentumContrast, ReIQAEncoders
from relational_iqa.networks.resnet import ResNet
from relational_iqa.networks.resnet_state import load_resnet
from relational_iqa.storage.cards import FREE_LICENCE, WeightCard, read_card
from relational_iqa.storage.regressor import Regressor
from relational_iqa.storage.reiqa_weights import save_encoders
from relational_iqa.storage.shipped import find_weights
from relational_iqa.systems.choices import Experts
from relational_iqa.systems.reiqa import ReIQA, features_of_files
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.run_folder import one_run_a_folder
from relational_iqa.training.loop.runs import facts_of_run, git_commit, parse_run, write_trained
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.reiqa.data import ContentPhotos, ReIQAData
from relational_iqa.training.reiqa.moment_run import BackboneRun, MomentSource, start_backbone, start_encoder
from relational_iqa.training.reiqa.stage import ContentStage, ContrastConfig, MomentStage, QualityStage

_LICENCE_OF_START = "that of the networks it started from; see their sources before passing these weights on"


@dataclass(frozen=True)
class EncoderRun:
    """How one encoder is trained.

    Args:
        train: options of the trainer; its `batch_size` counts pairs of crops.
        size: size of the ResNet.
        contrast: options of MoCo.
        start_from: a ResNet to start from, of the same size; empty for random weights.
        backbone: an EfficientNet-Lite instead of the ResNet.
    """

    train: TrainConfig
    size: EncoderSize = field(default_factory=EncoderSize)
    contrast: ContrastConfig = field(default_factory=ContrastConfig)
    start_from: str = ""
    backbone: BackboneRun | None = None

    @property
    def frozen(self) -> bool:
        """Whether a head on kept moments is all that is trained."""
        return self.backbone is not None and not self.backbone.fine_tune


@dataclass(frozen=True)
class ReIQAConfig:
    """A whole run of `riqa fit-reiqa` that trains both encoders.

    Args:
        name: name of the weights.
        out: folder of checkpoints, logs and the result.
        data: what both encoders are trained on.
        quality: how the quality encoder is trained.
        content: how the content encoder is trained.
        half_precision: whether the weights are stored as 16-bit floats.
    """

    name: str
    out: str
    data: ReIQAData
    quality: EncoderRun
    content: EncoderRun
    half_precision: bool = False


def parse_config(values: Mapping[str, Any]) -> ReIQAConfig:
    """Nested plain data -> ReIQAConfig; UsageError names a wrong or missing key."""
    return parse_run(ReIQAConfig, values)


@one_run_a_folder
def fit_encoders(config: ReIQAConfig, resume: str = "auto") -> Path:
    """Trains both encoders; returns `out`/`name`.safetensors, with the card `name`.json beside it.

    Only photographs of the split "train" are seen, and no human score.
    """
    commit, out = git_commit(), Path(config.out)
    photos = list_photos(config.data.photos, "train")
    encoders = new_encoders(config)
    quality, content = config.quality, config.content
    source = _moment_source(config, photos)
    stages = [
        _quality_stage(config, encoders.quality, source), _content_stage(config, encoders.content, source),
    ]  # fmt: skip
    done = [
        train(stage, run.train, out / stage.name, resume) for stage, run in zip(stages, (quality, content), strict=True)
    ]
    started = {name: licence for name, licence in map(_started_from, (quality, content)) if name}
    chunks = f"{config.data.chunks} chunks" if config.data.chunks else "chunks rendered on the fly"
    data = f"{chunks} and augmented crops of {len(photos)} photographs (split 'train', {Path(config.data.photos).name})"
    card = WeightCard(
        licence=_LICENCE_OF_START if _LICENCE_OF_START in started.values() else FREE_LICENCE,
        data=f"{data}; no human score here" + (f", started from {', '.join(started)}" if started else ""),
        command="riqa fit-reiqa --config CONFIG, with the config below",
        **facts_of_run(config, commit, done),
    )
    return write_trained(
        out / f"{config.name}.safetensors",
        lambda path: save_encoders(path, encoders.cpu(), config.half_precision),
        card,
    )


def new_encoders(config: ReIQAConfig) -> ReIQAEncoders:
    """The encoders as a run starts: random from its seeds, or from files. Frozen backbones that start alike are one."""
    photos = ContentPhotos(list_photos(config.data.photos, "train"), config.data)
    frozen: dict[str, EfficientNetLite] = {}

    def start(run: EncoderRun) -> ResNet | MomentEncoder:
        if run.backbone is None:
            return _start(run)
        backbone = frozen.get(run.backbone.weights)
        if backbone is None or not run.frozen:
            backbone = start_backbone(run.backbone, photos, config.data.seed)
        if run.frozen:
            frozen[run.backbone.weights] = backbone
        return start_encoder(run.backbone, backbone, run.train.seed)

    return ReIQAEncoders(start(config.quality), start(config.content))


def _quality_stage(config: ReIQAConfig, encoder: Encoder, source: MomentSource) -> QualityStage | MomentStage:
    run, data = config.quality, config.data
    if isinstance(encoder, MomentEncoder) and run.frozen:
        count = max(1, run.train.batch_size // (2 * (data.distorted + 1)))
        batches = source.quality(encoder, count, run.train.seed)
        rows = count * 2 * (data.distorted + 1)
        return MomentStage("quality", momentum_contrast(encoder.head, run), batches, rows)
    model = momentum_contrast(encoder, run)
    return QualityStage(model, source.photos, data, run.train.batch_size, run.contrast.patch_px, run.train.seed)


def _content_stage(config: ReIQAConfig, encoder: Encoder, source: MomentSource) -> ContentStage | MomentStage:
    run, data = config.content, config.data
    if isinstance(encoder, MomentEncoder) and run.backbone is not None and run.frozen:
        patch, size = run.contrast.patch_px, run.train.batch_size
        batches = source.content(encoder, run.backbone, patch, size, run.train.seed)
        return MomentStage("content", momentum_contrast(encoder.head, run), batches, size)
    return ContentStage(
        momentum_contrast(encoder, run), source.photos, data, run.train.batch_size, run.contrast.patch_px
    )  # fmt: skip


def _moment_source(config: ReIQAConfig, photos: list[Path]) -> MomentSource:
    draws = config.quality.backbone.draws if config.quality.backbone is not None else 1
    return MomentSource(photos, config.data, config.quality.contrast.patch_px, draws, config.data.seed)


def _started_from(run: EncoderRun) -> tuple[str, str]:
    """What an encoder started from, with its origin where a card tells it, and the licence; empty for random ones."""
    if run.backbone is None:
        return run.start_from, _LICENCE_OF_START
    if not run.backbone.weights:
        return "", ""
    try:
        card = read_card(find_weights(run.backbone.weights))
    except (OSError, ValueError):
        card = {}
    name, data, licence = run.backbone.weights, card.get("data"), card.get("licence")
    return f"{name} ({data})" if data else name, FREE_LICENCE if licence == "Apache-2.0" else _LICENCE_OF_START


def momentum_contrast(encoder: Encoder | MomentHead, run: EncoderRun) -> MomentumContrast:
    """`encoder` inside the objective that trains it."""
    torch.manual_seed(run.train.seed + 1)
    options = run.contrast
    return MomentumContrast(
        encoder,
        options.queue,
        options.momentum,
        options.temperature,
        options.groups,
        run.train.seed,
        options.queue_weight,
    )


def _start(run: EncoderRun) -> ResNet:
    torch.manual_seed(run.train.seed)
    if not run.start_from:
        return ResNet(run.size.depth, run.size.width)
    network, _ = load_resnet(run.start_from)
    if (network.depth, network.width) != (run.size.depth, run.size.width):
        raise UsageError(
            f"{run.start_from}: is a ResNet-{network.depth} of width {network.width}, the config says "
            f"ResNet-{run.size.depth} of width {run.size.width}; make them agree"
        )
    return network


def fit_to_opinions(
    model: ReIQA, rated: str | Path, experts: Experts = "both", splits: int = 10, seed: int = 0
) -> Regressor:
    """A regressor fitted to all images of a rated data set, with its agreement on held-out scenes among its facts.

    Args:
        model: encoders that give the features.
        rated: table with the columns image, score and, where known, reference and scene; or a folder that holds
            scores.csv.
        experts: which encoders give features.
        splits: number of train-test splits. A split keeps all images of one scene together, else of one reference; an
            image without either is a group by itself.
        seed: seed of the splits.
    """
    path = Path(rated)
    rows = read_rated(path)
    features = features_of_files(model, [row.image for row in rows], experts)
    scores = np.array([row.score for row in rows])
    groups = [row.scene or (str(row.reference) if row.reference else "") for row in rows]
    agreement = cross_validate(ridge(features, scores), scores, groups, splits, seed=seed)
    facts = {
        "experts": experts,
        "encoders": model.meta.get("name"),
        "encoders_sha256": model.meta.get("sha256"),
        "fitted_to": f"{len(rows)} images of {path.name}",
        "scores": [float(scores.min()), float(scores.max())],
        "splits": len(agreement.splits),
        "median_srcc": agreement.median("srcc"),
        "median_plcc": agreement.median("plcc_raw"),
        "agreement": agreement.summary(),
    }
    return fit_regressor(features, scores, facts)
