"""Pretraining: the config names its mistakes, both stages train all they should, and a run survives being killed."""

import copy
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

import relational_iqa
from distortion_engine.dataset import RankedSetDataset
from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.jobs.safe_files import file_sha256, sole_writer
from distortion_engine.severity import provenance
from relational_iqa.networks.judgement import JudgementArchitecture
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.storage.pixel_perfect_weights import load_weights
from relational_iqa.training.data.judge import JUDGE_COLUMNS, metric_judge
from relational_iqa.training.data.training_sets import training_sets
from relational_iqa.training.pixel_perfect import pretrain as pretrain_module
from relational_iqa.training.pixel_perfect.distortion_stage import DistortionStage
from relational_iqa.training.pixel_perfect.pretrain import PretrainConfig, parse_config, pretrain
from relational_iqa.training.pixel_perfect.scoring_stage import ScoringStage

ROOT = Path(__file__).parents[4]
CONFIGS = [p for p in sorted((ROOT / "experiments/pixel_perfect").glob("*.yaml")) if p.name != "ablation.yaml"]


def values_of(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> PretrainConfig:
    """The smoke config with fewer sets and steps; its cache is shared by the tests of this file."""
    values = values_of(ROOT / "experiments/pixel_perfect/smoke.yaml")
    folder = tmp_path_factory.mktemp("pretrain")
    values["out"] = str(folder / "run")
    data = {"photos": str(ROOT / "tests/images"), "sets": 6, "size_px": 48, "workers": 0, "cache_dir": str(folder)}
    values["data"] |= data
    values["distortion"] |= {"steps": 6, "batch_size": 6, "log_every": 3, "panel_every": 4, "checkpoint_every": 2}
    values["scoring"] |= {"steps": 4, "batch_size": 8, "log_every": 2, "panel_every": 4, "checkpoint_every": 2}
    return parse_config(values)


@pytest.fixture(scope="module")
def finished(tiny: PretrainConfig) -> Path:
    """Weights of an uninterrupted run of `tiny`."""
    return pretrain(tiny)


# -- config ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_of_the_experiment_is_understood(path: Path) -> None:
    config = parse_config(values_of(path))
    assert config.data.size_px % 16 == 0 and config.distortion.steps > 0
    assert config.name == values_of(path)["name"] and config.data.sets == values_of(path)["data"]["sets"]


def with_value(key: str, value: Any) -> dict[str, Any]:
    values = values_of(ROOT / "experiments/pixel_perfect/smoke.yaml")
    *parents, last = key.split(".")
    part = values
    for parent in parents:
        part = part[parent]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return values


def test_a_judgement_is_refused_for_it_has_a_run_of_its_own(tiny: PretrainConfig, tmp_path: Path):
    architecture = replace(tiny.architecture, judgement=JudgementArchitecture())
    wanted = replace(tiny, architecture=architecture, out=str(tmp_path))
    with pytest.raises(UsageError, match="run with system: judgement"):
        pretrain(wanted)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("distortion.stepz", 3),
        ("distortion.steps", "many"),
        ("scoring.learning_rate", None),
        ("data.photos", None),
        ("data.sets", 1.5),
        ("name", None),
        ("architecture.depth", 2),
        ("colour", "red"),
        ("distortion.ema_decay", 1.0),
    ],
)
def test_wrong_or_missing_key_is_named(key: str, value: Any) -> None:
    with pytest.raises(UsageError, match=key.rsplit(".", 1)[-1]):
        parse_config(with_value(key, value))


# -- stages ------------------------------------------------------------------------------------------------------------


def gradient_sizes(loss: Tensor, module: nn.Module) -> dict[str, float]:
    """Largest gradient of every parameter that is to be trained; not finite is an error."""
    module.zero_grad()
    loss.backward()
    sizes = {name: 0.0 if p.grad is None else float(p.grad.abs().max()) for name, p in module.named_parameters()}
    assert all(value < float("inf") for value in sizes.values()), sizes
    return sizes


def test_distortion_loss_reaches_every_parameter(random_networks: Networks, tiny_sets: StoredSets) -> None:
    network = copy.deepcopy(random_networks).distortion.requires_grad_(True)
    stage = DistortionStage(network, tiny_sets, 6, seed=0)
    batch = stage.batches[0]
    stage.calibrate(batch)
    loss, parts = stage.loss(stage.model, batch, 0)
    assert all(size > 0 for size in gradient_sizes(loss, network).values())
    assert {"type", "magnitude", "sign", "map", "axis_right"} == parts.keys()
    same = batch._replace(b=batch.a, target=torch.zeros_like(batch.target))
    gradient_sizes(stage.loss(stage.model, same, 0)[0], network)


def test_scoring_loss_reaches_every_parameter_of_the_scorer_and_none_of_the_frozen_network(
    random_networks: Networks, tiny_sets: StoredSets
) -> None:
    networks = copy.deepcopy(random_networks).requires_grad_(True)
    stage = ScoringStage(networks.distortion, networks.scoring, tiny_sets, 12, seed=0)
    assert stage.items_per_batch == 12 and not any(p.requires_grad for p in networks.distortion.parameters())
    batch = stage.batches[0]
    stage.calibrate(batch)
    loss, _ = stage.loss(stage.model, batch, 0)
    sizes = gradient_sizes(loss, networks)
    assert not [name for name, size in sizes.items() if name.startswith("scoring.") and size == 0]
    assert not [name for name, size in sizes.items() if name.startswith("distortion.") and size > 0]
    images = batch.images[:, :1].expand_as(batch.images)
    equal = batch._replace(images=images, labels=torch.zeros_like(batch.labels), ranks=torch.zeros_like(batch.ranks))
    gradient_sizes(stage.loss(stage.model, equal, 0)[0], networks)


def test_panels_are_pictures(random_networks: Networks, tiny_sets: StoredSets) -> None:
    networks = copy.deepcopy(random_networks)
    stages = (
        DistortionStage(networks.distortion, tiny_sets, 6, seed=0),
        ScoringStage(networks.distortion, networks.scoring, tiny_sets, 12, seed=0),
    )
    for stage in stages:
        for picture in stage.panels(stage.batches[0]).values():
            assert picture.ndim == 3 and picture.shape[0] == 3 and picture.isfinite().all()
            assert picture.min() >= 0 and picture.max() <= 1


def test_judge_calls_the_worse_image_worse_and_the_reference_untouched(versions: list[Tensor]) -> None:
    assert provenance()["command"] != "none: hand-set ladders"
    reference = torch.stack([versions[0]] * 2)
    faint = versions[0] + 0.3 * (versions[1] - versions[0])
    severities = metric_judge(torch.stack([faint, versions[1]]), reference)
    assert severities.shape == (2, JUDGE_COLUMNS) and (severities[0] < severities[1]).all()
    assert metric_judge(reference, reference).max() < 0.01  # rounding inside HaarPSI leaves .006


# -- the sets ----------------------------------------------------------------------------------------------------------


def test_sets_are_what_the_config_asks_for_and_are_rendered_once(
    tiny: PretrainConfig, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rendered_again(*_: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(RankedSetDataset, "__getitem__", rendered_again)
    sets = training_sets(tiny.data)
    assert len(sets) == 6 and sets.images.shape == (6, 5, 3, 48, 48) and sets.fields.shape[-2:] == (12, 12)
    for index in range(6):
        assert not sets.fields[index][0].any() and sets.fields[index][1:].any()
    assert not sets.labels[:, 0].any() and sets.labels.max() > 0 and (sets.ranks[:, 0] == -1).all()
    with pytest.raises(AssertionError, match="rendered again"):
        training_sets(replace(tiny.data, seed=99, sets=2))


# -- the whole run -----------------------------------------------------------------------------------------------------


def test_run_writes_weights_that_compare_images_and_a_card(
    tiny: PretrainConfig, finished: Path, versions: list[Tensor]
) -> None:
    assert finished == Path(tiny.out) / "smoke.safetensors"
    result = relational_iqa.load(finished).compare(versions[1], versions[2], versions[0])
    assert result.margin != 0 and result.meta["weights"] == "smoke"
    card = json.loads(finished.with_suffix(".json").read_text())
    assert card["name"] == "smoke" and card["sha256"] == file_sha256(finished) == result.meta["weights_sha256"]
    assert [stage["stage"] for stage in card["stages"]] == ["distortion", "scoring"]
    assert [stage["steps"] for stage in card["stages"]] == [6, 4]
    assert all(stage["losses"]["loss"] > 0 for stage in card["stages"])
    assert parse_config(card["config"]) == tiny
    assert "3 photographs" in card["data"] and "no human score" in card["data"]


def fail_at(stage: type, step: int, monkeypatch: pytest.MonkeyPatch, fault: Callable[[], None]) -> None:
    loss = vars(stage)["loss"]

    def faulty(self: Any, model: nn.Module, batch: Any, number: int) -> Any:
        if number == step:
            fault()
        return loss(self, model, batch, number)

    monkeypatch.setattr(stage, "loss", faulty)


def crash() -> None:
    raise MemoryError("killed here")


def test_run_killed_in_both_stages_ends_with_the_same_bytes(
    tiny: PretrainConfig, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(tiny, out=str(tmp_path))
    faults: list[tuple[type, int, Callable[[], None], type[BaseException]]] = [
        (DistortionStage, 3, crash, MemoryError),  # nothing saved since the checkpoint of step 2
        (DistortionStage, 4, lambda: os.kill(os.getpid(), signal.SIGTERM), SystemExit),
        (ScoringStage, 1, crash, MemoryError),  # before its first checkpoint
        (ScoringStage, 3, crash, MemoryError),
    ]
    for stage, step, fault, error in faults:
        with monkeypatch.context() as patch:
            fail_at(stage, step, patch, fault)
            with pytest.raises(error):
                pretrain(config)
    path = pretrain(config)
    assert path.read_bytes() == finished.read_bytes()
    assert pretrain(config).read_bytes() == finished.read_bytes()  # a finished run is only written again


def test_a_run_from_python_is_the_only_one_in_its_folder_and_goes_on_with_its_own_options_alone(
    tiny: PretrainConfig, finished: Path
) -> None:
    before = finished.read_bytes()
    with pytest.raises(UsageError, match="holds a run of something else .*distortion.seed 1, now 5"):
        pretrain(replace(tiny, distortion=replace(tiny.distortion, seed=5)))
    with sole_writer(Path(tiny.out)), pytest.raises(UsageError, match="another run is writing here"):
        pretrain(tiny)
    assert finished.read_bytes() == before


def test_run_goes_on_from_given_weights_with_their_scales_and_sizes(
    tiny: PretrainConfig, finished: Path, tmp_path: Path
) -> None:
    still = {"steps": 1, "learning_rate": 1e-12, "warmup_steps": 0}
    config = replace(
        tiny,
        start_from=str(finished),
        out=str(tmp_path),
        architecture=pretrain_module.Architecture(),  # that of the weights counts
        distortion=replace(tiny.distortion, **still),
        scoring=replace(tiny.scoring, **still),
    )
    before, after = load_weights(finished)[0], load_weights(pretrain(config))[0]
    assert after.architecture == before.architecture
    for name, value in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], value, rtol=0, atol=1e-7, msg=name)


def test_outputs_of_algorithms_are_every_other_batch_of_the_distortion_stage(
    tiny: PretrainConfig, tmp_path: Path
) -> None:
    outputs = replace(tiny.data, sets=4, kinds={"restoration_outputs": 1.0}, cache_dir=str(tmp_path / "sets"))
    config = replace(tiny, more_data=[outputs], more_every=2, out=str(tmp_path / "run"))
    path = pretrain(config)
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["data"].count("ranked sets") == 2 and parse_config(card["config"]) == config
    with pytest.raises(UsageError, match="more_every is 1: expected 2 or more"):
        replace(config, more_every=1)
