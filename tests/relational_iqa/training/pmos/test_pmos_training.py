"""pMOS training: labels say what the engine did, the loss reaches every parameter, maps learn to follow masks."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

import relational_iqa.systems.pmos as pmos
from distortion_engine.catalog import AXES, AXIS_INDEX
from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.networks.pmos_head import thumbnail
from relational_iqa.networks.pmos_network import PmosArchitecture, PmosNetwork
from relational_iqa.storage.pixel_perfect_weights import save_weights
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pmos import pretrain as pmos_pretrain
from relational_iqa.training.pmos.mos_labels import MosBatches, mos_of, severity_of
from relational_iqa.training.pmos.pretrain import PmosConfig, parse_pmos_config, pretrain_pmos, take_encoder
from relational_iqa.training.pmos.stage import PmosStage

ROOT = Path(__file__).parents[4]
CONFIGS = [ROOT / f"experiments/pmos/{name}.yaml" for name in ("cpu", "smoke", "gpu")]
TINY = PmosArchitecture(width=8, encoder_channels=4, embedding=4)


# -- labels ------------------------------------------------------------------------------------------------------------


def test_untouched_is_five_and_full_severity_is_one() -> None:
    field = torch.zeros(len(AXES), 1, 4)
    field[AXIS_INDEX["noise"], 0] = torch.tensor([0.0, 0.5, 1.0, 0.6])
    field[AXIS_INDEX["brightness"], 0, 3] = -0.8  # two axes: sqrt(.36 + .64) = 1, whatever their signs
    assert mos_of(severity_of(field))[0, 0].tolist() == pytest.approx([5, 3, 1, 1], abs=1e-5)
    field[AXIS_INDEX["blocking"], 0, 3] = 0.9
    assert severity_of(field).max() == 1 and mos_of(torch.tensor([1.3])).item() == 1


def test_batches_carry_the_labels_of_the_cache_and_depend_on_seed_and_step_alone(tiny_sets: StoredSets) -> None:
    sets = replace(tiny_sets, fields=(tiny_sets.fields // 5).astype(np.int8))
    batches = MosBatches(sets, 3, 7)
    first, second = batches[0], batches[1]
    for x, y in zip(second, MosBatches(sets, 3, 7)[1], strict=True):
        assert torch.equal(x, y)
    assert not torch.equal(first.images, second.images)
    assert first.images.shape == (3, 5, 3, 32, 32) and first.mos.shape == first.valid.shape == (3, 5, 1, 8, 8)
    assert (first.mos[:, 0] == 5).all() and (first.image_mos[:, 0] == 5).all()
    assert 1 <= first.mos.min() < first.mos[:, 1:].max() < 5
    own = first.thumbnail_of == torch.arange(5)  # its own thumbnail or that of the reference
    assert (own | (first.thumbnail_of == 0)).all() and own[:, 1:].any() and not own[:, 1:].all()
    labels = 5 - 4 * tiny_sets.labels.mean(-1)
    for row in first.image_mos.numpy():
        assert np.abs(labels - row).max(1).min() < 1e-5


def test_maps_stay_on_their_images_when_a_batch_is_turned(tiny_sets: StoredSets) -> None:
    images = np.zeros_like(tiny_sets.images)
    fields = np.zeros_like(tiny_sets.fields)
    images[..., :8, 4:16] = 255
    fields[:, :, 0, :2, 1:4] = 127
    marked = replace(tiny_sets, images=images, fields=fields)
    turned = set()
    for batch in map(MosBatches(marked, 2, 0).__getitem__, range(12)):
        shrunk = torch.nn.functional.avg_pool2d(batch.images.flatten(0, 1)[:, :1], 4)
        assert torch.equal(shrunk, (5 - batch.mos.flatten(0, 1)) / 4)
        turned.add(bytes(shrunk[0].numpy()))
    assert len(turned) > 3


# -- losses ------------------------------------------------------------------------------------------------------------


def test_loss_reaches_every_parameter(tiny_sets: StoredSets) -> None:
    torch.manual_seed(0)
    network = PmosNetwork(TINY).thaw()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    stage = PmosStage(network, tiny_sets, 15, seed=0)
    assert stage.items_per_batch == 15
    batch = stage.batches[0]
    stage.calibrate(batch)
    loss, parts = stage.loss(stage.model, batch, 0)
    loss.backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not silent and all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
    assert {"dense", "image", "order", "entropy", "shape", "order_right", "map_correlation"} == parts.keys()
    for picture in stage.panels(batch).values():
        assert picture.shape[0] == 3 and picture.min() >= 0 and picture.max() <= 1


# -- learning ----------------------------------------------------------------------------------------------------------


def noisy_squares(versions: list[Tensor], size: int = 48) -> StoredSets:
    """Four sets of a smooth picture with a square of noise that grows in strength from member to member."""
    rng = np.random.default_rng(0)
    images = np.zeros((4, 3, 3, size, size), np.uint8)
    fields = np.zeros((4, 3, len(AXES), size // 4, size // 4), np.int8)
    for number in range(4):
        base = np.full((3, size, size), 60 + 40 * number, np.float64)
        top, left = rng.integers(0, size // 8, 2) * 4
        for member, severity in enumerate((0.0, 0.4, 0.9)):
            noise = np.zeros_like(base)
            noise[:, top : top + 24, left : left + 24] = rng.normal(0, 60 * severity, (3, 24, 24))
            images[number, member] = np.clip(base + noise, 0, 255)
            y, x = top // 4, left // 4
            fields[number, member, AXIS_INDEX["noise"], y : y + 6, x : x + 6] = round(127 * severity)
    labels = np.tile(np.array([0, 0.15, 0.4], np.float32)[None, :, None], (4, 1, 2))
    ones = np.full((4, 3, 1, size // 4, size // 4), 255, np.uint8)
    ranks = np.tile(np.arange(-1, 2), (4, 1))
    return StoredSets(images, fields, ones, ranks, labels, np.ones(4, np.float32), np.zeros(4, np.int64))


def test_maps_learn_to_fall_where_the_damage_is(versions: list[Tensor], tmp_path: Path) -> None:
    sets = noisy_squares(versions)
    torch.manual_seed(0)
    network = PmosNetwork(TINY).thaw()
    stage = PmosStage(network, sets, 6, seed=0)
    config = TrainConfig(
        steps=30, batch_size=6, learning_rate=1e-2, warmup_steps=5, ema_decay=0.8, log_every=30, panel_every=0,
        accelerator="cpu", data_workers=0,
    )  # fmt: skip
    train(stage, config, tmp_path)
    batch = stage.batches[1000]
    images = batch.images[:, 2]
    maps = network(images, thumbnail(images))
    inside = batch.mos[:, 2] < 3
    assert maps.mos[inside].mean() < maps.mos[~inside].mean() - 1
    kept = torch.corrcoef(torch.stack([maps.mos.flatten(), batch.mos[:, 2].flatten()]))[0, 1]
    assert kept > 0.8


# -- the run -----------------------------------------------------------------------------------------------------------


def values_of(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_is_understood(path: Path) -> None:
    config = parse_pmos_config(values_of(path))
    assert config.data.size_px % 16 == 0 and config.name == values_of(path)["name"] and config.pmos.steps > 0


def test_shipped_config_goes_on_from_the_cache_of_the_core_system() -> None:
    core, own = (values_of(path)["data"] for path in (ROOT / "experiments/pixel_perfect/cpu.yaml", CONFIGS[0]))
    assert own == core | {"sets": own["sets"]} and own["sets"] >= core["sets"]


@pytest.mark.parametrize(("key", "value"), [("colour", "red"), ("pmos", {"steps": 3}), ("name", None)])
def test_wrong_or_missing_key_is_named(key: str, value: Any) -> None:
    values = values_of(CONFIGS[1]) | {key: value}
    with pytest.raises(UsageError, match="batch_size|learning_rate" if key == "pmos" else key):
        parse_pmos_config(values)


@pytest.fixture
def tiny(tmp_path: Path, tiny_sets: StoredSets, monkeypatch: pytest.MonkeyPatch) -> PmosConfig:
    """The smoke config with invented sets and a few steps."""
    monkeypatch.setattr(pmos_pretrain, "training_sets", lambda *_: tiny_sets)
    values = values_of(CONFIGS[1]) | {"out": str(tmp_path / "run")}
    values["data"] |= {"photos": str(ROOT / "tests/images")}
    values["pmos"] |= {"steps": 3, "log_every": 3, "panel_every": 2, "batch_size": 5, "checkpoint_every": 1}
    return parse_pmos_config(values)


def test_run_writes_weights_that_score_and_a_card(tiny: PmosConfig, versions: list[Tensor]) -> None:
    path = pretrain_pmos(tiny)
    result = pmos.load(path).score(versions[0])
    assert result.opinions == "none" and result.meta["weights"] == "pmos-smoke"
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["sha256"] == file_sha256(path) and "no human score" in card["data"]
    assert card["stages"][0]["stage"] == "pmos" and card["stages"][0]["steps"] == 3
    assert parse_pmos_config(card["config"]) == tiny and card["config"]["system"] == "pmos"
    assert pretrain_pmos(tiny).read_bytes() == path.read_bytes()


def test_run_goes_on_from_given_weights_with_their_scales(tiny: PmosConfig, tmp_path: Path) -> None:
    path = pretrain_pmos(tiny)
    still = replace(tiny.pmos, steps=1, learning_rate=1e-12, warmup_steps=0)
    after = pretrain_pmos(replace(tiny, start_from=str(path), out=str(tmp_path / "more"), pmos=still))
    for name, value in pmos.load(path).network.state_dict().items():
        torch.testing.assert_close(pmos.load(after).network.state_dict()[name], value, rtol=0, atol=1e-6, msg=name)


def test_first_layers_come_from_the_core_system(random_networks: Networks, tmp_path: Path) -> None:
    core = tmp_path / "core.safetensors"
    save_weights(core, copy.deepcopy(random_networks))
    network = PmosNetwork(PmosArchitecture(16, 8, 8))
    take_encoder(network, str(core))
    assert torch.equal(network.encoder.learned.patch.weight, random_networks.distortion.encoder.patch.weight)
    with pytest.raises(UsageError, match="8 channels"):
        take_encoder(PmosNetwork(TINY), str(core))
