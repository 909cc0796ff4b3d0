"""`riqa fit-mos`: fits pMOS to opinion scores, and measures the result on images that were not part of the fit.

First, the features of all images are computed once. Then every split and variant is fitted on its training images. A
second pass scores every image with the fits that did not see it, beside a plain linear head on the same features. The
last fit uses all images; its weights are written.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256_once
from distortion_engine.reading.image_io import load_image
from relational_iqa.benchmarks.readers.catalog import read_benchmark
from relational_iqa.benchmarks.readers.items import Benchmark
from relational_iqa.benchmarks.regression import MIN_RATED, fit_regressor
from relational_iqa.benchmarks.splits import SplitVerdict, grouped_splits, judge_held_out
from relational_iqa.networks.pmos_head import PmosHead
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.storage.cards import WeightCard
from relational_iqa.storage.opinions import joined_opinions
from relational_iqa.storage.pmos_weights import save_pmos_weights
from relational_iqa.systems.pmos import PMOS, load
from relational_iqa.training.loop.run_folder import one_run_a_folder
from relational_iqa.training.loop.runs import git_commit, write_trained
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pmos.calibration import calibrate_doubt
from relational_iqa.training.pmos.fit_mos_config import FITTED, FitConfig, score_range, to_mos
from relational_iqa.training.pmos.fit_mos_stage import CropStage, HeadStage
from relational_iqa.training.pmos.frozen_features import FrozenFeatures, frozen_features
from relational_iqa.training.pmos.solved_head import inner_split, solve_head

LINEAR = "linear head"
BEFORE = "before fitting"
Log = Callable[[str], None]


@dataclass(frozen=True)
class Rated:
    """The images of a rated data set, with the features of a frozen encoder.

    Args:
        benchmark: the data set.
        scores: (N,), opinion scores, higher is better.
        features: features of the N images.
    """

    benchmark: Benchmark
    scores: np.ndarray
    features: FrozenFeatures

    @property
    def files(self) -> list[Path]:
        """Their files."""
        return [image.image for image in self.benchmark.images]


def read(config: FitConfig, model: PMOS, log: Log = lambda text: None) -> Rated:
    """Reads the data set and runs the encoder over its images. UsageError for a set of pairs or of equal scores."""
    benchmark = read_benchmark(config.dataset, config.rated, lower_is_better=config.lower_is_better)
    if not benchmark.images:
        raise UsageError(f"{config.dataset} holds judged pairs, no scores of images; fit to a set with scores")
    scores = np.array([image.score for image in benchmark.images], dtype=np.float64)
    if np.ptp(scores) == 0:
        raise UsageError(f"{config.rated}: all {len(scores)} scores are {scores[0]}; there is nothing to fit")
    files = [image.image for image in benchmark.images]
    return Rated(benchmark, scores, frozen_features(model, files, config.cells, config.fit.seed, log))


def fit(config: FitConfig, model: PMOS, rated: Rated, index: np.ndarray, out: Path, resume: str) -> PmosNetwork:
    """A network fitted to some of the images. A frozen encoder is shared with `model`.

    Args:
        config: options of the fit.
        model: model whose weights the fit starts from.
        rated: all rated images.
        index: numbers of the images that are fitted to.
        out: folder of the checkpoints.
        resume: "auto" or "never", see `train`.
    """
    scores = rated.scores[index]
    targets = to_mos(scores, *score_range(config, rated.benchmark, scores))
    network = PmosNetwork(replace(model.network.architecture, film=config.film, roi=config.roi))
    network.load_state_dict(model.network.state_dict())
    out = out / _images_key(rated, index)
    size, seed = config.fit.batch_size, config.fit.seed
    if config.encoder == "tuned":
        files = rated.files
        train(
            CropStage(network.thaw(), [files[i] for i in index], targets, config.loss, size, seed, config.crop_px),
            config.fit, out, resume,
        )  # fmt: skip
        return network
    network.thaw(backbone=False)
    part = rated.features.take(index)
    options = replace(config.fit, data_workers=0)  # a batch is a look-up in features that are too large to be pickled
    learnt, watched = inner_split([rated.benchmark.groups[i] for i in index], config.watched_share, seed)
    before = copy.deepcopy(network.head)
    solve_head(network.head, part.take(learnt), targets[learnt])  # not on those that are watched: they judge the start
    stage = HeadStage(network.head, part, targets, config.loss, size, seed, learnt=learnt, watched=watched)
    train(stage, options, out, "never")  # what was best is not in a checkpoint; a fit takes seconds
    stage.take_best()
    network.head.to(model.device)
    if stage.watched is not None:
        calibrate_doubt(network, *(values.to(model.device) for values in stage.watched))
    if stage.start_was_best:
        # Nothing is gained by steps, so nothing has to be watched: the closed form may know all images.
        network.head.load_state_dict(before.state_dict())
        solve_head(network.head, part, targets)
    return network


def cross_validate(
    configs: Mapping[str, FitConfig], model: PMOS, rated: Rated, resume: str = "auto", log: Log = lambda text: None
) -> dict[str, SplitVerdict]:
    """Agreement with people on the images that each split left out.

    Args:
        configs: options of each variant, by its name. The splits are those of the first one, by scene, or by reference
            where no scene is named.
        model: model whose weights every fit starts from.
        rated: all rated images.
        resume: "auto" or "never", see `train`.
        log: receives lines of progress.

    Returns:
        The agreement by the name of a variant; under `LINEAR` that of a linear head on the same features, under
            `BEFORE` that of `model` itself.

    Raises:
        UsageError: where a split leaves too few images to fit to.
    """
    first = next(iter(configs.values()))
    splits = grouped_splits(rated.benchmark.groups, first.splits, first.test_share, first.split_seed)
    fewest = min(len(training) for training, _ in splits)
    if fewest < MIN_RATED:
        raise UsageError(
            f"{len(rated.scores)} rated images leave {fewest} to fit to in a split, expected {MIN_RATED} or more; give "
            "more images, or splits=0 to fit without measuring"
        )
    predicted = {name: np.full((len(splits), len(rated.scores)), np.nan) for name in (*configs, LINEAR, BEFORE)}
    heads: dict[tuple[str, int], PmosHead] = {}
    for number, (training, test) in enumerate(splits):
        for name, config in configs.items():
            out = Path(config.out) / "splits" / _key(config, model) / str(number)
            network = fit(config, model, rated, training, out, resume)
            if config.encoder == "tuned":
                tuned = PMOS(network, model.meta, model.tile_px)
                predicted[name][number, test] = [tuned.mos(load_image(rated.files[i])) for i in test]
            else:
                heads[name, number] = copy.deepcopy(network.head).eval().requires_grad_(False)
        regressor = fit_regressor(rated.features.mean[training], rated.scores[training])
        predicted[LINEAR][number, test] = regressor.predict(rated.features.mean[test])
        predicted[BEFORE][number, test] = rated.features.before[test]
        log(f"split {number + 1} of {len(splits)}: fitted {', '.join(configs)}")
    _score_with_heads(model, rated, splits, heads, predicted, log)
    return {
        name: judge_held_out(splits, [values[number, test] for number, (_, test) in enumerate(splits)], rated.scores)
        for name, values in predicted.items()
    }


def _score_with_heads(
    model: PMOS,
    rated: Rated,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    heads: Mapping[tuple[str, int], PmosHead],
    predicted: Mapping[str, np.ndarray],
    log: Log,
) -> None:
    """Fills in what the heads say of the images they were not fitted to; every image is encoded once."""
    for index, file in enumerate(rated.files):
        keys = [key for key in heads if index in splits[key[1]][1]]
        if keys:
            values = model.mos_by_heads(load_image(file), [heads[key] for key in keys])
            for (name, number), value in zip(keys, values, strict=True):
                predicted[name][number, index] = value
        if heads and (index + 1) % 50 == 0:
            log(f"scored {index + 1} of {len(rated.files)} images")


@one_run_a_folder
def fit_mos(
    config: FitConfig, resume: str = "auto", log: Log = lambda text: None
) -> tuple[Path, dict[str, SplitVerdict]]:
    """Measures on splits, fits on all images, writes `out`/`name`.safetensors with its card; returns path and table."""
    model = load(config.start_from or None)
    rated = read(config, model, log)
    results = cross_validate({FITTED: config}, model, rated, resume, log) if config.splits else {}
    out = Path(config.out)
    everything = np.arange(len(rated.scores))
    network = fit(config, model, rated, everything, out / "all" / _key(config, model), resume)
    source = f"{len(rated.scores)} rated images of {rated.benchmark.name}"
    opinions = joined_opinions(model.meta["opinions"], source)
    card = WeightCard(
        name=config.name,
        licence="that of the rated images and their scores; see their source before passing these weights on",
        data=source,
        opinions=opinions,
        started_from={key: model.meta[key] for key in ("name", "sha256", "opinions")},
        command="riqa fit-mos --config CONFIG, with the config below",
        config=asdict(config),
        git_commit=git_commit(),
        results={name: verdict.medians() for name, verdict in results.items()},
    )
    path = out / f"{config.name}.safetensors"
    write_trained(path, lambda path: save_pmos_weights(path, network.cpu(), opinions), card)
    return path, results


def _images_key(rated: Rated, index: np.ndarray) -> str:
    """Names the content of the images of a fit and their scores: a data set that changed since a checkpoint was written
    starts anew, or a split would be judged by a fit that has seen its test images."""
    rows = [[file_sha256_once(rated.files[i]), float(rated.scores[i])] for i in index]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def _key(config: FitConfig, model: PMOS) -> str:
    """Names the folder of a fit by all that decides it, so that a checkpoint of another fit is never gone on from."""
    decisive = {key: value for key, value in asdict(config).items() if key not in ("name", "out")}
    text = json.dumps([decisive, model.meta.get("sha256")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
