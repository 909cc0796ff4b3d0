"""Training of restoration networks: every loss runs, snapshots are kept, a run goes on, batches are reproducible."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.restoration.neural import read_networks
from experiments.restoration import train

IMAGES = Path(__file__).parents[2] / "images"
SMOKE = Path(train.__file__).with_name("smoke.yaml")


@pytest.fixture(scope="module")
def photos():
    return [to_uint8(load_image(path)) for path in sorted(IMAGES.glob("photo_*.png"))]


def test_the_command_trains_every_task_and_loss_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run, out = tmp_path / "run", tmp_path / "networks.safetensors"
    arguments = ["--photos", str(IMAGES), "--split", "all", "--config", str(SMOKE)]
    arguments += ["--run", str(run), "--out", str(out)]
    assert train.main(arguments) == 0
    first = out.read_bytes()
    names = {"denoise-l1-2", "denoise-l1-6", "upscale2-adversarial-3", "upscale3-perceptual-3"}
    assert set(read_networks(out)) == names
    card = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert "no human score" in card["data"] and set(card["networks"]) == set(read_networks(out))
    (run / "upscale2-adversarial.safetensors").unlink()
    capsys.readouterr()
    assert train.main(arguments) == 0 and out.read_bytes() == first
    assert "denoise" not in capsys.readouterr().err  # only what was missing is trained again


def test_a_denoiser_gets_better_at_what_it_is_trained_on(photos):
    plan = train.read_plan(SMOKE)
    plan = replace(plan, learning_rate=5e-3, batch_size=4)
    network = train.NetworkPlan("d", "denoise", "l1", 12, 2, (40,))
    kept = train.train_network(photos, plan, network, lambda line: None)
    stream = train.batches(photos, replace(plan, seed=9), network)
    before = after = 0.0
    for _ in range(6):
        damaged, clean = next(stream)
        with torch.no_grad():
            after += float((kept[40](damaged) - clean).abs().mean())
        before += float((damaged - clean).abs().mean())
    assert after < before


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_batch_is_a_function_of_seed_name_and_number(photos, number: int):
    plan = train.read_plan(SMOKE)
    network = plan.networks[number]
    first, again = (next(train.batches(photos, plan, network)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    damaged, clean = first
    assert clean.shape == (2, 3, 24, 24) and damaged.shape == (2, 3, 24 // network.factor, 24 // network.factor)
    other = next(train.batches(photos, replace(plan, seed=6), network))
    assert not torch.equal(other[1], clean)


def test_the_perceptual_distance_is_zero_for_equal_images_and_grows_with_blur():
    backbone = train._early_stages()
    image = load_image(IMAGES / "photo_1.png")[None, :, :96, :96]
    blurred = [torch.nn.functional.avg_pool2d(image, side, 1, side // 2) for side in (3, 7)]
    distances = [float(train.perceptual_distance(backbone, other, image)) for other in (image, *blurred)]
    assert distances[0] == 0 < distances[1] < distances[2]


@pytest.mark.parametrize("change", [{"task": "deblur"}, {"loss": "l2"}, {"task": "upscale"}, {"factor": 2}])
def test_a_network_that_does_not_fit_is_refused(change):
    fine = {"name": "n", "task": "denoise", "loss": "l1", "width": 8, "depth": 1, "snapshots": (1,)}
    with pytest.raises(UsageError, match="do not fit"):
        train.NetworkPlan(**{**fine, **change})


def test_the_shipped_config_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert len(train.read_plan(train.CONFIG).networks) == 9
    broken = tmp_path / "broken.yaml"
    broken.write_text("networks: 3\n", encoding="utf-8")
    assert train.main(["--photos", str(IMAGES), "--config", str(broken)]) == 2
    assert capsys.readouterr().err.startswith(f"train: {broken}: no config")
