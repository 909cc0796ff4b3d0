"""`riqa fit-spips`: SPIPS trained without labels on ranked sets, on 2AFC triplets, or on mean opinion scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256_once
from relational_iqa.benchmarks.readers.catalog import read_benchmark
from relational_iqa.benchmarks.readers.items import RatedImage
from relational_iqa.benchmarks.splits import grouped_splits, judge_held_out
from relational_iqa.networks.resnet_state import load_resnet
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.networks.spips_quality import DEEP
from relational_iqa.networks.spips_stages import StageSpips, StageSpipsArchitecture
from relational_iqa.networks.stage_features import ResNetBackbone
from relational_iqa.storage.cards import FREE_LICENCE, NO_HUMAN_SCORE, WeightCard
from relational_iqa.storage.opinions import NO_OPINIONS, joined_opinions
from relational_iqa.storage.spips_weights import AnySpips, load_spips_weights, save_spips_weights, take_backbone
from relational_iqa.systems.spips import SPIPS
from relational_iqa.training.data.pairs import to_images
from relational_iqa.training.data.training_sets import DataConfig, SetSource, training_sets
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.run_folder import made_from, one_run_a_folder
from relational_iqa.training.loop.runs import facts_of_run, git_commit, parse_run, write_trained
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.spips.data import RatedBatches, TripletBatches, load_pair
from relational_iqa.training.spips.stage import SpipsLossWeights, SpipsStage, mos_stage, ranked_stage, triplet_stage
from relational_iqa.training.spips.stream_rows import rows_of_sets
from relational_iqa.training.spips.stream_stage import StreamStage

_PHOTOGRAPHS = 32  # references from which the spread of the channels of the backbone is known
_LICENCE_OF_SOURCES = "that of the judgments and of the backbone; see their sources before passing these weights on"


@dataclass(frozen=True)
class People:
    """Judgments of people that SPIPS is fitted to.

    Args:
        root: folder or table that holds the data set.
        dataset: name of the reader in `relational_iqa.benchmarks`: "bapps" or "pieapp-2afc" for the mode "triplets";
            "csv", "tid2013", "kadid10k" and others with references for the mode "mos".
        partial: whether an incomplete data set is accepted; what is there is then used.
        crop_px: side of the training crops in px, a multiple of 16.
        splits: number of train-test splits that are measured before the fit on all images; 0 for none. Mode "mos" only.
            A split keeps all images of one scene together, or all images of one reference where no scene is named.
        test_share: share of the scenes in the test part of a split, 0 to 1.
    """

    root: str
    dataset: str = "csv"
    partial: bool = False
    crop_px: int = 64
    splits: int = 10
    test_share: float = 0.2


@dataclass(frozen=True)
class SpipsConfig:
    """A whole run of `riqa fit-spips`.

    Args:
        name: name of the weights.
        out: folder of checkpoints, logs and the result.
        train: options of the trainer.
        mode: what is learned from: "ranked" for ranked sets, "triplets" for 2AFC judgments, "mos" for opinion scores.
        data: ranked sets; needed by the mode "ranked" of a network with its own backbone.
        people: judgments; needed by the other two modes.
        architecture: parts and sizes of a new network with its own backbone.
        stages: parts and sizes of a new network on the frozen backbone; `architecture` is then ignored.
        stages_from: name or path of the weights of that backbone.
        sources: ranked sets; needed by the mode "ranked" of a network on the frozen backbone.
        streams_dir: where what the frozen backbone sees of the sets is kept.
        loss: weights of the loss of the mode "ranked".
        start_from: SPIPS weights to start from, a path or the name of shipped ones; empty for random weights.
            `architecture` is then ignored.
        backbone_from: file with a ResNet that becomes the backbone; its depth and width replace those of
            `architecture`.
        freeze_backbone: whether the backbone keeps its weights, so that only the other parts are trained.

    Raises:
        UsageError: for a mode without its data, a `crop_px` that is no multiple of 16, and both `start_from` and
            `backbone_from`.
    """

    name: str
    out: str
    train: TrainConfig
    mode: Literal["ranked", "triplets", "mos"] = "ranked"
    data: DataConfig | None = None
    people: People | None = None
    architecture: SpipsArchitecture = field(default_factory=SpipsArchitecture)
    stages: StageSpipsArchitecture | None = None
    stages_from: str = "backbone-lite0"
    sources: list[SetSource] = field(default_factory=list)
    streams_dir: str = ".cache/streams"
    loss: SpipsLossWeights = field(default_factory=SpipsLossWeights)
    start_from: str = ""
    backbone_from: str = ""
    freeze_backbone: bool = False

    def __post_init__(self) -> None:
        needed = "people" if self.mode != "ranked" else "data" if self.stages is None else "sources"
        goes_on = self.mode == "ranked" and self.start_from and self.sources
        if not getattr(self, needed) and not goes_on:
            raise UsageError(f"mode {self.mode!r} needs a section {needed!r} in the config")
        if self.stages is not None and (self.backbone_from or self.start_from):
            raise UsageError("stages excludes start_from and backbone_from: its backbone is stages_from")
        if self.people is not None and (self.people.crop_px < 16 or self.people.crop_px % 16):
            raise UsageError(f"crop_px is {self.people.crop_px}: expected a multiple of 16")
        if self.start_from and self.backbone_from:
            raise UsageError("start_from and backbone_from exclude each other: SPIPS weights hold their backbone")


def parse_config(values: Mapping[str, Any]) -> SpipsConfig:
    """Nested plain data -> SpipsConfig; UsageError names a wrong or missing key."""
    return parse_run(SpipsConfig, values)


@one_run_a_folder
def fit(config: SpipsConfig, resume: str = "auto") -> Path:
    """Trains and returns the path of the weights, `out`/`name`.safetensors, with the card `name`.json beside it."""
    commit, out = git_commit(), Path(config.out)
    network, opinions = new_network(config)
    results: dict[str, Any] = {}
    folder = _folder(config)
    if config.mode == "ranked":
        stage, source = _ranked(config, network)
    elif config.mode == "triplets":
        stage, source, judged = _triplets(config, network)
        folder = folder / judged
        opinions = joined_opinions(opinions, source)
    else:
        rated = _read_rated(_people(config))
        results = {"splits": cross_validate(config, rated, resume)} if _people(config).splits else {}
        stage, folder = _on_opinions(config, network, rated), folder / _images_key(rated)
        source = f"{len(rated)} rated images of {_people(config).dataset}, {Path(_people(config).root).name}"
        opinions = joined_opinions(opinions, source)
    ended = train(stage, config.train, folder, resume)
    unaware = opinions == NO_OPINIONS
    card = WeightCard(
        licence=FREE_LICENCE if unaware and not config.backbone_from else _LICENCE_OF_SOURCES,
        data=f"{source}; {NO_HUMAN_SCORE}" if unaware else source,
        opinions=opinions,
        command="riqa fit-spips --config CONFIG, with the config below",
        results=results,
        **facts_of_run(config, commit, [ended]),
    )
    return write_trained(
        out / f"{config.name}.safetensors", lambda path: save_spips_weights(path, network.cpu(), opinions), card
    )


def new_network(config: SpipsConfig) -> tuple[AnySpips, str]:
    """The network at the start of a run, and whose judgments its weights were fitted to.

    The weights are random (from the seed), those of SPIPS weights, or random around a backbone that is read from a
    file.
    """
    torch.manual_seed(config.train.seed)
    opinions = NO_OPINIONS
    if config.start_from:
        network, meta = load_spips_weights(config.start_from)
        opinions = meta["opinions"]
    elif config.stages is not None:
        network = StageSpips(config.stages)
        take_backbone(network, config.stages_from)
    elif config.backbone_from:
        if not set(config.architecture.streams) & set(DEEP):
            raise UsageError(f"backbone_from is given, but none of the streams {', '.join(DEEP)} uses a backbone")
        resnet, _ = load_resnet(config.backbone_from)
        sizes = replace(config.architecture, resnet_depth=resnet.depth, width=resnet.width)
        network = SpipsNetwork(sizes)
        network.backbone = ResNetBackbone(resnet, sizes.imagenet_input)
    else:
        network = SpipsNetwork(config.architecture)
    network.requires_grad_(True)
    if isinstance(network, StageSpips):
        network.comparison.requires_grad_(False)
    elif config.freeze_backbone and network.backbone is not None:
        network.backbone.requires_grad_(False)
    return network, opinions


def cross_validate(
    config: SpipsConfig, rated: Sequence[RatedImage], resume: str = "auto"
) -> dict[str, dict[str, float]]:
    """Agreement with people on images whose scenes were not part of the fit.

    Returns:
        A dictionary with the keys "fitted" and "before" (the fit); each value is `SplitVerdict.medians()`, of scores of
            whole images.
    """
    people = _people(config)
    splits = grouped_splits([_scene(row) for row in rated], people.splits, people.test_share, config.train.seed)
    tested: dict[str, list[np.ndarray]] = {"fitted": [], "before": []}
    for number, (training, test) in enumerate(splits):
        fitted_to, held_out = ([rated[int(i)] for i in indices] for indices in (training, test))
        tested["before"].append(_qualities(new_network(config)[0], held_out))
        network, _ = new_network(config)
        stage = _on_opinions(config, network, fitted_to)
        train(stage, config.train, _folder(config) / f"split{number}" / _images_key(fitted_to), resume)
        tested["fitted"].append(_qualities(network, held_out))
    scores = np.array([row.score for row in rated], dtype=np.float64)
    return {name: judge_held_out(splits, values, scores).medians() for name, values in tested.items()}


def _qualities(network: AnySpips, rated: Sequence[RatedImage]) -> np.ndarray:
    model = SPIPS(network, {})
    return np.array([model.quality(*load_pair(row)) for row in rated])


def _ranked(config: SpipsConfig, network: AnySpips) -> tuple[SpipsStage | StreamStage, str]:
    if isinstance(network, StageSpips):
        return _ranked_streams(config, network)
    data = config.data
    if data is None:
        raise UsageError("mode 'ranked' needs a section 'data' in the config")
    sets = training_sets(data)
    size, seed = config.train.batch_size, config.train.seed
    stage = ranked_stage(network, sets, size, seed, config.loss, bool(config.start_from))
    return stage, sets.source


def _ranked_streams(config: SpipsConfig, network: StageSpips) -> tuple[StreamStage, str]:
    """What the frozen backbone sees of the sets is computed first; then what fuses it is trained."""
    if not config.sources:
        raise UsageError(
            "mode 'ranked' needs a section 'sources' in the config: the weights are on the frozen backbone"
        )
    sources = [training_sets(source.data) for source in config.sources]
    if not config.start_from:
        photos = [to_images(np.array(sources[0].images[i]))[:1] for i in range(min(_PHOTOGRAPHS, len(sources[0])))]
        network.comparison.calibrate(torch.cat(photos))
    rows = [rows_of_sets(network.comparison, sets, Path(config.streams_dir)) for sets in sources]
    per_batch = [source.per_batch for source in config.sources]
    stage = StreamStage(network, rows, per_batch, config.train.seed, config.loss, bool(config.start_from))
    return stage, "; ".join(sets.source for sets in sources)


def _triplets(config: SpipsConfig, network: AnySpips) -> tuple[SpipsStage, str, str]:
    """The stage, where its data comes from, and what names the judged pairs."""
    people, size, seed = _people(config), config.train.batch_size, config.train.seed
    benchmark = read_benchmark(people.dataset, people.root, people.partial)
    pairs = benchmark.pairs
    if "the validation part" in benchmark.notes:
        raise UsageError(f"{people.root}: holds the validation part too, which is to judge by; give its folder train")
    if not pairs:
        raise UsageError(f"{people.dataset} holds rated images, no judged pairs; use mode=mos for it")
    batches = TripletBatches(pairs, size, people.crop_px, seed)
    stage = triplet_stage(network, batches, size, bool(config.start_from))
    # Of hundreds of thousands of small files, the size stands for the content.
    rows = [[str(path), path.stat().st_size] for pair in pairs for path in (pair.first, pair.second, pair.reference)]
    text = json.dumps([rows, [pair.prefer_second for pair in pairs]])
    source = f"{len(pairs)} judged pairs of {people.dataset}, {Path(people.root).name}"
    return stage, source, hashlib.sha256(text.encode()).hexdigest()[:12]


def _on_opinions(config: SpipsConfig, network: AnySpips, rated: Sequence[RatedImage]) -> SpipsStage:
    people, size, seed = _people(config), config.train.batch_size, config.train.seed
    scores = torch.tensor([row.score for row in rated])
    if scores.min() == scores.max():
        raise UsageError(f"{people.root}: all {len(rated)} scores are {float(scores[0])}; there is nothing to fit")
    network.mos_range.copy_(torch.stack([scores.min(), scores.max()]))
    return mos_stage(network, RatedBatches(rated, size, people.crop_px, seed), size, bool(config.start_from))


def _read_rated(people: People) -> Sequence[RatedImage]:
    benchmark = read_benchmark(people.dataset, people.root, people.partial)
    if not benchmark.images:
        raise UsageError(f"{people.dataset} holds judged pairs, no rated images; use mode=triplets for it")
    if not benchmark.with_reference:
        raise UsageError(f"{people.root}: images without a reference; SPIPS is a full-reference metric")
    return benchmark.images


def _scene(row: RatedImage) -> str:
    """What must not be on both sides of a split: the scene, or where none is named the reference."""
    return row.scene or ("" if row.reference is None else str(row.reference))


def _folder(config: SpipsConfig) -> Path:
    """Of the checkpoints. A fit to people's judgments is named by all that decides it, so that no split is ever gone on
    with from a checkpoint that has seen other images."""
    folder = Path(config.out) / config.mode
    if config.mode == "ranked":
        return folder
    return folder / hashlib.sha256(json.dumps(made_from(config), sort_keys=True).encode()).hexdigest()[:12]


def _images_key(rated: Sequence[RatedImage]) -> str:
    """Names the content of rated images and their scores: a data set that changed since a checkpoint was written starts
    anew."""
    rows = [[*(file_sha256_once(path) for path in (row.image, row.reference) if path), row.score] for row in rated]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def _people(config: SpipsConfig) -> People:
    if config.people is None:
        raise UsageError(f"mode {config.mode!r} needs a section 'people' in the config")
    return config.people
