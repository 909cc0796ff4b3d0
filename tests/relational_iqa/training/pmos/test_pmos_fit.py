"""Fitting pMOS to people: the command, the splits, the baseline, and what is written."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

import relational_iqa.systems.pmos as pmos
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image, save_image
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion
from relational_iqa.commands.fit_mos import FitMosOptions
from relational_iqa.commands.fit_mos import fit_mos as command
from relational_iqa.storage.pmos_weights import save_pmos_weights
from relational_iqa.systems.pmos import PMOS
from relational_iqa.training.pmos.fit_mos import BEFORE, LINEAR, cross_validate, fit, fit_mos, read
from relational_iqa.training.pmos.fit_mos_config import (
    FITTED,
    FitConfig,
    parse_fit_config,
    score_range,
    to_mos,
    variants,
)

ROOT = Path(__file__).parents[4]
CONFIG = ROOT / "experiments/pmos/mmp2k.yaml"
COUNT = 20


@pytest.fixture(scope="module")
def folder(scene: Callable[[int, int, int], Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pictures of two sizes; people like them the less the more noise is in them (from 90 down to 10)."""
    root = tmp_path_factory.mktemp("rated")
    (root / "images").mkdir()
    lines = ["image,score,scene"]
    for number in range(COUNT):
        noise = 0.3 * number / (COUNT - 1)
        picture = scene(48, 64 if number % 2 else 80, number)
        noisy = picture + noise * torch.randn(picture.shape, generator=torch.Generator().manual_seed(number))
        save_image(noisy.clamp(0, 1), root / f"images/{number}.png")
        lines.append(f"images/{number}.png,{90 - 80 * number / (COUNT - 1)},s{number // 2}")
    (root / "scores.csv").write_text("\n".join(lines) + "\n")
    return root


def settings(folder: Path, weights: Path, out: Path) -> dict[str, Any]:
    """The shipped config, made small."""
    values = yaml.safe_load(CONFIG.read_text()) | {"rated": str(folder), "start_from": str(weights), "out": str(out)}
    values["fit"] |= {"steps": 60, "batch_size": 12, "learning_rate": 1e-2, "warmup_steps": 5, "log_every": 60}
    values["fit"] |= {"data_workers": 0}
    return values | {"splits": 2, "cells": 64}


@pytest.fixture
def config(folder: Path, pmos_weights: Path, tmp_path: Path) -> FitConfig:
    return parse_fit_config(settings(folder, pmos_weights, tmp_path / "run"))


@pytest.fixture(scope="module")
def model(pmos_weights: Path) -> PMOS:
    return pmos.load(pmos_weights)


# -- fitting -----------------------------------------------------------------------------------------------------------


def test_head_learns_what_people_see_and_the_encoder_stays(config: FitConfig, model: PMOS, tmp_path: Path) -> None:
    rated = read(config, model)
    network = fit(config, model, rated, np.arange(COUNT), tmp_path, "never")
    for part in ("encoder", "scene", "doubt.layers"):
        for name, value in model.network.get_submodule(part).state_dict().items():
            assert torch.equal(network.get_submodule(part).state_dict()[name], value), name
    assert network.doubt.factor != model.network.doubt.factor  # now of the opinions
    fitted = PMOS(network, model.meta)
    scores = [fitted.mos(load_image(file)) for file in rated.files]
    targets = to_mos(rated.scores, 10, 90)
    assert np.corrcoef(scores, targets)[0, 1] > 0.8
    assert np.abs(np.array(scores) - targets).mean() < min(0.8, np.abs(rated.features.before - targets).mean())


def test_tuning_changes_the_encoder_too(config: FitConfig, model: PMOS, tmp_path: Path) -> None:
    config = replace(config, encoder="tuned", film=True, crop_px=32, fit=replace(config.fit, steps=2, batch_size=4))
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    network = fit(config, model, read(config, model), np.arange(COUNT), tmp_path, "never")
    after = network.state_dict()
    for name in ("encoder.stem.mix.weight", "encoder.stages.stem.weight", "scene.out.weight"):
        assert not torch.equal(after[name], before[name]), name
    assert torch.equal(after["encoder.stem.scale"], before["encoder.stem.scale"])
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name]), name  # the weights it starts from are not touched


def test_every_ablation_leaves_one_part_out_or_takes_it_in(config: FitConfig) -> None:
    def parts(config: FitConfig) -> dict[str, tuple[bool, bool, bool]]:
        return {name: (c.roi, c.film, c.loss.dense > 0) for name, c in variants(config).items()}

    assert parts(config) == {
        FITTED: (True, False, False),
        "without ROI": (False, False, False),
        "with dense supervision": (True, False, True),
        "with FiLM": (True, True, False),
    }
    full = replace(config, film=True, loss=replace(config.loss, dense=1.0))
    assert parts(full) == {
        FITTED: (True, True, True),
        "without ROI": (False, True, True),
        "without dense supervision": (True, True, False),
        "without FiLM": (True, False, True),
    }


def test_splits_judge_only_images_that_were_left_out(
    config: FitConfig, model: PMOS, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relational_iqa.training.pmos import fit_mos as module

    seen: list[set[int]] = []
    judged: list[set[float]] = []
    fit_one, judge = module.fit, module.judge_held_out

    def watched(config: Any, model: Any, rated: Any, index: Any, out: Any, resume: Any) -> Any:
        seen.append(set(rated.scores[index]))
        return fit_one(config, model, rated, index, out, resume)

    def watching(splits: Any, tested: Any, observed: Any) -> Any:
        judged.append([set(observed[test]) for _, test in splits])
        return judge(splits, tested, observed)

    monkeypatch.setattr(module, "fit", watched)
    monkeypatch.setattr(module, "judge_held_out", watching)
    quick = replace(config, fit=replace(config.fit, steps=2))
    table = cross_validate({FITTED: quick, "without ROI": replace(quick, roi=False)}, model, read(quick, model))
    assert list(table) == [FITTED, "without ROI", LINEAR, BEFORE]
    assert all(len(verdict.splits) == 2 for verdict in table.values())
    assert len(seen) == 4 and len(judged) == 4 and all(tests == judged[0] for tests in judged)
    for number in range(2):
        training, test = seen[2 * number], judged[0][number]
        assert len(training) == 16 and len(test) == 4 and not training & test
    medians = table[LINEAR].medians()
    assert -1 <= medians["srcc"] <= 1 and medians["splits"] == 2 and medians["srcc_std"] >= 0


def test_tuned_networks_are_measured_on_splits_as_well(config: FitConfig, model: PMOS) -> None:
    config = replace(config, encoder="tuned", crop_px=32, splits=1, fit=replace(config.fit, steps=1, batch_size=2))
    table = cross_validate({FITTED: config}, model, read(config, model))
    assert np.isfinite(table[FITTED].rows()[0]["plcc"])


def test_fit_writes_weights_that_say_whose_opinion_they_are(config: FitConfig, folder: Path) -> None:
    path, table = fit_mos(replace(config, splits=1))
    card = json.loads(path.with_suffix(".json").read_text())
    result = pmos.load(path).score(folder / "images/0.png")
    assert result.opinions == card["opinions"] == card["data"] and "20 rated images" in result.opinions
    assert card["started_from"]["name"] == "untrained" and card["started_from"]["opinions"] == "none"
    assert card["results"][FITTED]["splits"] == 1 and set(table) == {FITTED, LINEAR, BEFORE}
    assert "licence" in card and parse_fit_config(card["config"]) == replace(config, splits=1)
    again, _ = fit_mos(replace(config, splits=0))
    assert again.read_bytes() == path.read_bytes()


def test_a_fit_that_goes_on_from_fitted_weights_names_all_whose_opinions_are_in_them(
    config: FitConfig, pmos_weights: Path, model: PMOS, tmp_path: Path
) -> None:
    start = tmp_path / "fitted.safetensors"
    save_pmos_weights(start, model.network, "7 rated images of others")
    quick = replace(config, splits=0, fit=replace(config.fit, steps=1))
    for number, expected in enumerate(("7 rated images of others; ", "7 rated images of others; ", "")):
        source = start if number < 2 else pmos_weights
        path, _ = fit_mos(replace(quick, start_from=str(source), out=str(tmp_path / str(number))))
        card, told = json.loads(path.with_suffix(".json").read_text()), pmos.load(path).meta["opinions"]
        assert told == card["opinions"] == f"{expected}{card['data']}" and card["data"].startswith("20 rated images")
        start = path  # the second fit is to the same images again: they are named once


# -- the command and its config ----------------------------------------------------------------------------------------


def test_command_prints_the_table_and_the_weights(
    folder: Path, pmos_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = settings(folder, pmos_weights, tmp_path / "run")
    path = tmp_path / "fit.yaml"
    path.write_text(yaml.safe_dump(values))
    command(FitMosOptions(config=str(path), overrides=["fit.steps=2", "splits=1", "roi=false"]))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [FITTED, LINEAR, BEFORE, "weights"]
    assert pmos.load(tmp_path / "run/pmos-mmp2k.safetensors").network.architecture.roi is False


def test_shipped_config_is_understood() -> None:
    config = parse_fit_config(yaml.safe_load(CONFIG.read_text()))
    assert config.splits == 10 and config.test_share == 0.2 and config.encoder == "frozen"


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [("colour", 1, "colour"), ("encoder", "melted", "encoder"), ("score_range", [3, 3], "rising"), ("cells", 2, "16")],
)
def test_wrong_values_are_named(key: str, value: Any, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse_fit_config(yaml.safe_load(CONFIG.read_text()) | {key: value})


def test_scores_come_to_the_scale_by_what_is_asked_stated_or_seen(config: FitConfig) -> None:
    def benchmark(low: float | None, high: float | None) -> Benchmark:
        return Benchmark("x", Path(), Opinion("MOS", low, high, True))

    seen = np.array([20.0, 60.0])
    assert score_range(replace(config, score_range=[0, 10]), benchmark(1, 5), seen) == (0, 10)
    assert score_range(config, benchmark(1, 5), seen) == (1, 5)
    assert score_range(config, benchmark(None, None), seen) == (20, 60)
    assert to_mos(np.array([20.0, 30, 60, 70]), 20, 60).tolist() == [1, 2, 5, 5]


def test_too_few_images_for_splits_are_refused_before_anything_is_fitted(
    config: FitConfig, folder: Path, tmp_path: Path
) -> None:
    lines = (folder / "scores.csv").read_text().splitlines()
    table = folder / "few.csv"
    table.write_text("\n".join(lines[:9]))
    few = replace(config, rated=str(table), out=str(tmp_path / "few"), fit=replace(config.fit, steps=1))
    with pytest.raises(UsageError, match="8 rated images leave 6 to fit to .* expected 10 or more; .* splits=0"):
        fit_mos(few)
    assert not list(tmp_path.glob("few/**/*.pt"))
    path, table_of_results = fit_mos(replace(few, splits=0))
    assert path.exists() and table_of_results == {}


def test_equal_scores_and_lost_images_are_refused(config: FitConfig, model: PMOS, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "images/0.png", tmp_path / "0.png")
    table = tmp_path / "flat.csv"
    table.write_text("image,score\n0.png,3\n0.png,3\n")
    with pytest.raises(UsageError):
        read(replace(config, rated=str(table)), model)
    table.write_text("image,score\nnowhere.png,3\n")
    with pytest.raises(UsageError, match="nowhere.png"):
        read(replace(config, rated=str(table)), model)
