"""fit-reiqa: configs are understood, a run leaves encoders and a card and continues bit for bit, losses fall, and the
regressor is fitted to a CSV."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import save_image
from experiments.reiqa.evaluate import TYPES, neighbour_rows, neighbour_table, untrained
from experiments.reiqa.neighbours import make_items, nearest_allowed, share_and_chance
from relational_iqa.commands.fit_reiqa import FitReiqaOptions, fit_reiqa
from relational_iqa.networks.reiqa import EncoderSize
from relational_iqa.networks.resnet import ResNet
from relational_iqa.systems import reiqa
from relational_iqa.training.loop import trainer
from relational_iqa.training.loop.optimizers import make_optimizer
from relational_iqa.training.reiqa.data import photos_of_chunks, stored_chunks
from relational_iqa.training.reiqa.fit import ReIQAConfig, fit_encoders, momentum_contrast, new_encoders, parse_config
from relational_iqa.training.reiqa.moment_batches import ContentMoments, crops_of_photos
from relational_iqa.training.reiqa.moment_run import BackboneRun
from relational_iqa.training.reiqa.stage import QualityStage

ROOT = Path(__file__).parents[4]
CONFIGS = sorted((ROOT / "experiments/reiqa").glob("*.yaml"))


def values_of(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ReIQAConfig:
    """The smoke config with the smallest networks and fewer steps; its cache is shared by the tests of this file."""
    values = values_of(ROOT / "experiments/reiqa/smoke.yaml")
    folder = tmp_path_factory.mktemp("reiqa")
    values["out"] = str(folder / "run")
    values["data"] |= {"photos": str(ROOT / "tests/images"), "region_px": 72, "distorted": 2, "chunks": 4}
    values["data"] |= {"cache_dir": str(folder), "content_px": 48}
    for stage, steps in (("quality", 4), ("content", 3)):
        values[stage]["size"] = {"depth": 18, "width": 2}
        values[stage]["contrast"] |= {"patch_px": 16, "queue": 16}
        values[stage]["train"] |= {"steps": steps, "batch_size": 12, "log_every": 2, "panel_every": 2}
        values[stage]["train"] |= {"checkpoint_every": 2, "warmup_steps": 1}
    return parse_config(values)


@pytest.fixture(scope="module")
def finished(tiny: ReIQAConfig) -> Path:
    return fit_encoders(tiny)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_is_understood(path: Path) -> None:
    config = parse_config(values_of(path))
    data, patch = config.data, config.quality.contrast.patch_px
    stage = QualityStage(None, [], data, config.quality.train.batch_size, patch, 0)  # its crops fit its regions
    assert stage.items_per_batch == config.quality.train.batch_size
    with pytest.raises(UsageError, match="lerning_rate"):
        parse_config(values_of(path) | {"quality": {"train": {"lerning_rate": 1}}})


def test_the_paper_is_a_resnet_50_with_lars_and_the_cpu_pair_is_small() -> None:
    paper = parse_config(values_of(ROOT / "experiments/reiqa/paper.yaml")).quality
    assert paper.size == EncoderSize(50, 64) and paper.train.optimizer == "lars"
    assert (paper.contrast.queue, paper.contrast.temperature, paper.contrast.momentum) == (65536, 0.2, 0.999)
    small = parse_config(values_of(ROOT / "experiments/reiqa/cpu.yaml"))
    for run in (small.quality, small.content):
        assert sum(p.numel() for p in ResNet(run.size.depth, run.size.width).parameters()) <= 3_000_000


def test_a_run_leaves_encoders_and_a_card(finished: Path, tiny: ReIQAConfig) -> None:
    card = json.loads(finished.with_suffix(".json").read_text())
    model = reiqa.load(finished)
    assert card["sha256"] == model.meta["sha256"] and "no human score" in card["data"]
    assert [(stage["stage"], stage["steps"]) for stage in card["stages"]] == [("quality", 4), ("content", 3)]
    start = new_encoders(tiny).state_dict()
    moved = [name for name, value in model.encoders.state_dict().items() if not torch.equal(value, start[name])]
    assert len(moved) == len(start)  # both encoders were trained, in every tensor
    assert model.features(torch.rand(3, 40, 48)).shape == (4 * 16,)


def test_a_run_that_was_stopped_continues_bit_for_bit(finished: Path, tiny: ReIQAConfig, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    original = trainer.learning_rate
    calls = 0

    def stop(*arguments: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Stopped
        return original(*arguments)

    config = replace(tiny, out=str(tmp_path))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(trainer, "learning_rate", stop)
        fit_encoders(config)
    assert (tmp_path / "quality/last.pt").exists()
    assert fit_encoders(config).read_bytes() == finished.read_bytes()


def test_the_losses_fall_on_one_batch(tiny: ReIQAConfig, photo_paths: list[Path]) -> None:
    run = tiny.quality
    stage = QualityStage(momentum_contrast(new_encoders(tiny).quality, run), photo_paths, tiny.data, 12, 16, 0)
    batch = stage.batches[0]
    optimizer = make_optimizer(stage.model, run.train)
    losses, queue = [], stage.model.queue.clone()
    for step in range(30):
        stage.model.queue.copy_(queue)  # else the batch's own keys would soon be its negatives
        loss, _ = stage.loss(stage.model, batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.2


def test_a_start_of_another_size_is_refused(tiny: ReIQAConfig, tmp_path: Path) -> None:
    torch.save(ResNet(18, 3).state_dict(), tmp_path / "start.pth")
    config = replace(tiny, quality=replace(tiny.quality, start_from=str(tmp_path / "start.pth")))
    with pytest.raises(UsageError, match="width 3.*width 2"):
        new_encoders(config)


# -- experts on the stages of a backbone ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def on_stages(tiny: ReIQAConfig, tmp_path_factory: pytest.TempPathFactory) -> ReIQAConfig:
    """Heads on frozen random stages."""
    runs = {}
    for name, taps in (("quality", [-1, 0]), ("content", [0, 2])):
        run = getattr(tiny, name)
        runs[name] = replace(run, backbone=BackboneRun(weights="", taps=taps, hidden=8, draws=2))
    return replace(tiny, out=str(tmp_path_factory.mktemp("stages")), **runs)


@pytest.fixture(scope="module")
def fitted_on_stages(on_stages: ReIQAConfig) -> Path:
    """Weights of a run of `on_stages`; its moments are kept."""
    return fit_encoders(on_stages)


def test_heads_are_trained_and_a_frozen_backbone_is_not(on_stages: ReIQAConfig, fitted_on_stages: Path) -> None:
    start, weights = new_encoders(on_stages), fitted_on_stages
    assert start.one_backbone
    model = reiqa.load(weights)
    assert model.encoders.one_backbone
    before, after = start.state_dict(), model.encoders.state_dict()
    changed = {name for name in before if not torch.allclose(before[name], after[name], atol=2e-3)}
    assert changed and not any("backbone" in name for name in changed)
    for expert in ("quality", "content"):
        assert {f"{expert}.head.whitening", f"{expert}.head.offset"} <= changed
        assert any(name.startswith(f"{expert}.head.layers") for name in changed)
    content = weights.read_bytes()
    assert fit_encoders(replace(on_stages, out=on_stages.out + "/again")).read_bytes() == content  # from kept moments


def test_a_backbone_that_is_fine_tuned_changes_and_is_the_experts_own(on_stages: ReIQAConfig, tmp_path: Path) -> None:
    backbone = replace(on_stages.quality.backbone, fine_tune=True)  # type: ignore[type-var]
    config = replace(on_stages, quality=replace(on_stages.quality, backbone=backbone), out=str(tmp_path))
    start = new_encoders(config)
    encoders = reiqa.load(fit_encoders(config)).encoders
    assert not encoders.one_backbone
    stem = "quality.backbone.stem.weight"
    assert not torch.allclose(encoders.state_dict()[stem], start.state_dict()[stem].half().float(), atol=0)


def test_stored_chunks_know_their_photographs(on_stages: ReIQAConfig, photo_paths: list[Path]) -> None:
    stored_chunks(on_stages.data, photo_paths)
    (manifest,) = Path(on_stages.data.cache_dir).glob("*/manifest.jsonl")
    names = []
    for shard in sorted((manifest.parent / "shards").iterdir()):
        with tarfile.open(shard) as file:
            names += [json.load(file.extractfile(x))["photo"] for x in file.getnames() if x.endswith(".json")]
    assert [photo.name for photo in photos_of_chunks(on_stages.data, photo_paths)] == names


def test_looks_at_a_photograph_show_that_photograph() -> None:
    # The moments of photograph p are all p, in views and crops.
    paths = [Path(f"{number}.png") for number in range(5)]
    of_chunk = [paths[number] for number in (3, 1, 3)]
    crops = np.repeat([3, 1, 3], 4).astype(np.float16)[:, None] * np.ones((1, 2), np.float16)
    views = np.arange(5, dtype=np.float16)[:, None, None] * np.ones((1, 6, 2), np.float16)
    batches = ContentMoments(views, crops, crops_of_photos(paths, of_chunk, 4), np.array([1]), 0.5, 5, 3)
    for step in range(4):
        batch = batches[step]
        assert torch.equal(batch.queries, batch.keys) and sorted(batch.queries[:, 0].tolist()) == [0, 1, 2, 3, 4]


def test_a_damaged_block_of_moments_is_named(on_stages: ReIQAConfig, fitted_on_stages: Path) -> None:
    block = next(Path(on_stages.data.cache_dir).glob("views-*/*.npy"))
    content = block.read_bytes()
    block.write_bytes(content[:-10])
    with pytest.raises(UsageError, match=f"{block.name}: is no block of moments; remove it"):
        fit_encoders(replace(on_stages, out=on_stages.out + "/damaged"))
    block.write_bytes(content)


# -- rated images ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rated(photos: list[Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty crops as twenty scenes, rated by their brightness."""
    folder = tmp_path_factory.mktemp("rated")
    rows = ["image,reference,score,scene"]
    for i in range(20):
        image = photos[i % 3][:, 8 * (i % 5) : 8 * (i % 5) + 40, 5 * i : 5 * i + 48] * (0.4 + 0.03 * i)
        save_image(image, folder / f"{i}.png")
        rows.append(f"{i}.png,,{100 * float(image.mean()):.3f},scene{i}")
    (folder / "scores.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_the_regressor_is_fitted_to_a_csv_and_scores_images(
    finished: Path, rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "regressor.safetensors"
    fit_reiqa(FitReiqaOptions(rated=str(rated), weights=str(finished), out=str(out)))
    printed = capsys.readouterr().out
    assert "20 images of" in printed and "medians of 10 splits by scene" in printed
    model = reiqa.load(finished, out)
    bright, dark = (model.score(rated / f"{i}.png") for i in (19, 0))
    assert bright > dark
    with pytest.raises(UsageError, match="go together"):
        FitReiqaOptions(rated=str(rated))
    with pytest.raises(UsageError, match="needs --config C"):
        FitReiqaOptions()


# -- what evaluate measures --------------------------------------------------------------------------------------------


def test_nearest_neighbours_skip_their_own_group() -> None:
    features = np.array([[0.0], [0.1], [1.0], [1.2], [9.0]], dtype=np.float32)
    group = np.array([0, 0, 1, 1, 2])
    assert nearest_allowed(features, group).tolist() == [2, 2, 1, 1, 3]
    label = np.array([5, 6, 5, 6, 6])
    share, chance, error = share_and_chance(features, label, group, group)
    assert share == pytest.approx((1 + 0 + 0 + 1 + 1) / 5)
    # chances: item 0 may meet 2, 3, 4 (one of label 5), item 1 the same (two of 6), ...
    assert chance == pytest.approx(np.mean([1 / 3, 2 / 3, 1 / 3, 2 / 3, 2 / 4])) and error > 0


def test_untrained_encoders_are_measured_beside_trained_ones(finished: Path, photo_paths: list[Path]) -> None:
    model = reiqa.load(finished)
    items = make_items(photo_paths, TYPES[:3], 64, seed=0)
    assert items.images.shape == (3 * 2 * 3, 3, 64, 64) and items.region.tolist() == sorted(items.region.tolist())
    images = items.images.float() / 255
    rows = neighbour_rows([("untrained", untrained(model, images)), ("trained", model)], items)
    assert [(row["encoders"], row["space"]) for row in rows] == [
        ("untrained", "quality"), ("untrained", "content"), ("trained", "quality"), ("trained", "content")
    ]  # fmt: skip
    for row in rows:
        assert row["type"]["chance"] == pytest.approx(1 / 3) and 0 <= row["type"]["share"] <= 1
        assert row["photograph"]["chance"] == pytest.approx(3 / 15)
    assert neighbour_table(rows).count("\n") == 6
