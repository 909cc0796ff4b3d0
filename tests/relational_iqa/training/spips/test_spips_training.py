"""SPIPS trained: without labels, on triplets and on opinion scores; what each learns shows on what it has not seen."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256
from distortion_engine.reading.image_io import save_image
from relational_iqa.benchmarks.forced_choice import two_afc
from relational_iqa.commands import fit_spips as command
from relational_iqa.networks.resnet import ResNet
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.storage.opinions import joined_opinions
from relational_iqa.storage.spips_weights import save_spips_weights
from relational_iqa.systems import spips
from relational_iqa.training.data.set_cache import CachedSets
from relational_iqa.training.spips import fit as spips_fit
from relational_iqa.training.spips.data import rated_batches, triplet_batches
from relational_iqa.training.spips.fit import fit, new_network, parse_config
from relational_iqa.training.spips.stage import (
    RankedObjective,
    SpipsLossWeights,
    TripletObjective,
    ranked_stage,
    triplet_stage,
)

ROOT = Path(__file__).parents[4]
CONFIGS = sorted((ROOT / "experiments/spips").glob("*.yaml"))


def values_of(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def tiny(out: Path, **changes: Any) -> dict[str, Any]:
    values = values_of(ROOT / "experiments/spips/smoke.yaml")
    values["out"] = str(out)
    values["architecture"] = {"width": 4, "hidden": 8}
    values["train"] |= {"steps": 4, "batch_size": 8, "log_every": 2, "panel_every": 3, "warmup_steps": 0}
    return values | changes


# -- config ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_of_the_experiment_is_understood(path: Path) -> None:
    config = parse_config(values_of(path))
    assert config.name == values_of(path)["name"]
    assert (config.data is None) == (config.mode != "ranked") and (config.people is None) == (config.mode == "ranked")


def test_the_shipped_weights_share_their_cache_with_pmos_which_grows_that_of_the_core() -> None:
    names = ("spips", "pmos", "pixel_perfect")
    ours, pmos, core = (values_of(ROOT / f"experiments/{name}/cpu.yaml")["data"] for name in names)
    assert ours == pmos and ours["sets"] >= core["sets"] and ours | {"sets": core["sets"]} == core


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mode": "people"}, "mode"),
        ({"colour": "red"}, "colour"),
        ({"architecture": {"streams": ["psnr", "vgg"]}}, "streams"),
        ({"architecture": {"shares_from": "test"}}, "shares_from"),
        ({"mode": "mos"}, "people"),
        ({"data": None}, "data"),
        ({"mode": "mos", "people": {"root": "x", "crop_px": 40}}, "crop_px"),
        ({"start_from": "a", "backbone_from": "b"}, "backbone_from"),
    ],
)
def test_wrong_or_missing_key_is_named(changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=named):
        parse_config(tiny(tmp_path, **changes))


# -- without labels ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sets(photos: list[Tensor]) -> CachedSets:
    """Twelve sets of crops of the photographs with rising noise, blur or darkness; labels rise alike."""
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    images = []
    for index in range(12):
        photo = photos[index % 3]
        top, left = int(rng.integers(0, 128 - 48)), int(rng.integers(0, 160 - 48))
        crop = photo[:, top : top + 48, left : left + 48]
        blurred = torch.nn.functional.avg_pool2d(crop[None], 5, 1, 2)[0]
        noise = torch.randn(crop.shape, generator=generator)
        damaged = ((crop + 0.15 * noise).clamp(0, 1), blurred, 0.5 * crop)[index % 3]
        images.append(torch.stack([torch.lerp(crop, damaged, share) for share in (0, 0.25, 0.5, 0.75, 1.0)]))
    labels = np.tile(np.arange(5, dtype=np.float32)[None, :, None] / 5, (12, 1, 3))
    return CachedSets(
        images=(torch.stack(images) * 255).round().byte().numpy(),
        fields=np.zeros((12, 5, 1, 12, 12), dtype=np.int8),
        validity=np.zeros((12, 5, 1, 12, 12), dtype=np.uint8),
        ranks=np.tile(np.arange(-1, 4), (12, 1)),
        labels=labels,
        certainty=np.ones(12, dtype=np.float32),
        kinds=np.zeros(12, dtype=np.int64),
    )


@pytest.mark.parametrize("shares_from", ["pair", "reference"])
def test_ranked_loss_reaches_every_parameter_and_is_finite_for_equal_images(
    sets: CachedSets, shares_from: Literal["pair", "reference"]
) -> None:
    torch.manual_seed(0)
    network = SpipsNetwork(SpipsArchitecture(width=4, hidden=8, shares_from=shares_from))
    stage = ranked_stage(network, sets, 16, 0, SpipsLossWeights())
    assert stage.items_per_batch == 16
    batch = next(stage.batches(0))
    stage.calibrate(batch)
    with torch.no_grad():
        network.fusion.last.weight.normal_(0, 0.1)  # at 0, as training starts, nothing below it has a gradient
    loss, parts = stage.loss(stage.model, batch, 0)
    loss.backward()
    without = [name for name, p in stage.model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not without and {"order", "agreed", "consensus", "content", "order_right"} == parts.keys()
    stage.model.zero_grad()
    equal = batch._replace(images=batch.images[:, :1].expand_as(batch.images), labels=torch.zeros_like(batch.labels))
    stage.loss(stage.model, equal, 0)[0].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in stage.model.parameters())


def test_ranked_training_learns_the_scale_and_keeps_the_order(sets: CachedSets) -> None:
    torch.manual_seed(0)
    network = SpipsNetwork(SpipsArchitecture(width=4, hidden=8))
    stage = ranked_stage(network, sets, 24, 0, SpipsLossWeights())
    batches = stage.batches(0)
    stage.calibrate(next(batches))
    optimizer = torch.optim.AdamW(stage.model.parameters(), 5e-3)
    seen: list[dict[str, float]] = []
    for step in range(20):
        loss, parts = stage.loss(stage.model, next(batches), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append({name: value.item() for name, value in parts.items()})
    first, last = ({name: np.mean([row[name] for row in rows]) for name in seen[0]} for rows in (seen[:5], seen[-5:]))
    assert last["consensus"] < 0.6 * first["consensus"] and last["order_right"] > 0.97
    # The last stage still tells photographs apart: a collapse to a constant gives the logarithm of their number.
    assert last["content"] < 0.85 * math.log(24 // (sets.images.shape[1] - 1))


def test_content_is_learned_only_by_a_backbone_that_is_trained_for_the_semantic_stream() -> None:
    weights = SpipsLossWeights()
    assert RankedObjective(SpipsNetwork(SpipsArchitecture(width=4)), weights).content is not None
    frozen = SpipsNetwork(SpipsArchitecture(width=4))
    assert frozen.backbone is not None
    frozen.backbone.requires_grad_(False)
    assert RankedObjective(frozen, weights).content is None
    assert RankedObjective(SpipsNetwork(SpipsArchitecture(("psnr", "perceptual"), 4)), weights).content is None
    assert RankedObjective(SpipsNetwork(SpipsArchitecture(("psnr", "ssim"))), weights).content is None


def test_panels_are_pictures(sets: CachedSets) -> None:
    stage = ranked_stage(SpipsNetwork(SpipsArchitecture(width=4, hidden=8)), sets, 8, 0, SpipsLossWeights())
    picture = stage.panels(next(stage.batches(0)))["difference"]
    assert picture.shape == (3, 96, 192) and picture.min() >= 0 and picture.max() <= 1


def test_a_run_writes_weights_with_a_card_and_resumes_to_the_same_bytes(
    tmp_path: Path, sets: CachedSets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spips_fit, "cached_sets", lambda *_: sets)
    values = tiny(tmp_path / "run")
    values["data"]["photos"] = str(ROOT / "tests/images")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    command.fit_spips(str(tmp_path / "c.yaml"), ["name=mine", "train.seed=3"])
    path = tmp_path / "run/mine.safetensors"
    assert capsys.readouterr().out.strip().splitlines()[-1] == f"weights: {path.resolve()}"
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == file_sha256(path) and card["opinions"] == "none" and "no human score" in card["data"]
    assert card["stages"][0]["steps"] == 4 and spips.load(path).meta["opinions"] == "none"
    config = parse_config(card["config"])
    before = path.read_bytes()
    short = replace(config, out=str(tmp_path / "killed"), train=replace(config.train, checkpoint_every=2))

    def killed(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        loss = spips_fit.SpipsStage.loss
        patch.setattr(
            spips_fit.SpipsStage, "loss", lambda self, m, b, step: killed() if step == 3 else loss(self, m, b, step)
        )
        with pytest.raises(MemoryError):
            fit(short)
    assert fit(short).read_bytes() == before


def test_a_resnet_by_path_becomes_the_backbone_with_its_own_size(tmp_path: Path) -> None:
    torch.manual_seed(5)
    resnet = ResNet(18, 6)
    torch.save(resnet.state_dict(), tmp_path / "r.pth")
    config = parse_config(tiny(tmp_path, backbone_from=str(tmp_path / "r.pth"), freeze_backbone=True))
    network, opinions = new_network(config)
    assert opinions == "none" and (network.architecture.resnet_depth, network.architecture.width) == (18, 6)
    assert network.backbone is not None and not any(p.requires_grad for p in network.backbone.parameters())
    assert any(p.requires_grad for p in network.parameters())
    theirs, ours = resnet.state_dict(), network.backbone.state_dict()
    assert (ours["network.layer3.0.conv1.weight"] == theirs["layer3.0.conv1.weight"]).all()
    without = replace(config, architecture=SpipsArchitecture(("psnr", "ssim")))
    with pytest.raises(UsageError, match="none of the streams"):
        new_network(without)


# -- people (invented ones) --------------------------------------------------------------------------------------------


@pytest.fixture
def triplets(tmp_path: Path, photos: list[Tensor]) -> Path:
    """A miniature BAPPS of 24 triplets whose judges dislike darkening far more than noise."""
    folder = tmp_path / "2afc/train/traditional"
    for part in ("ref", "p0", "p1", "judge"):
        (folder / part).mkdir(parents=True)
    rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
    for index in range(24):
        photo = photos[index % 3]
        top, left = int(rng.integers(0, 64)), int(rng.integers(0, 96))
        crop = photo[:, top : top + 64, left : left + 64]
        noisy = (crop + 0.12 * torch.randn(crop.shape, generator=generator)).clamp(0, 1)
        dark_first = bool(rng.random() < 0.5)
        pair = (0.85 * crop, noisy) if dark_first else (noisy, 0.85 * crop)
        for part, image in zip(("ref", "p0", "p1"), (crop, *pair), strict=True):
            save_image(image, folder / part / f"{index:06d}.png")
        np.save(folder / "judge" / f"{index:06d}.npy", np.array([1.0 if dark_first else 0.0], dtype=np.float32))
    return tmp_path / "2afc/train"


def test_triplets_swap_with_their_judgment_and_batches_depend_on_seed_and_number_alone(triplets: Path) -> None:
    pairs = spips_fit.read_benchmark("bapps", triplets, True).pairs
    first, second = (next(triplet_batches(pairs, 16, 64, 0, start)) for start in (5, 5))
    assert all((x == y).all() for x, y in zip(first, second, strict=True))
    assert first.reference.shape == (16, 3, 64, 64) and 0 < first.share.mean() < 1
    darker_first = first.p0.mean((1, 2, 3)) < first.p1.mean((1, 2, 3)) - 0.01
    assert (first.share[darker_first] == 1).all() and darker_first.any()


def test_swapping_the_two_versions_of_a_triplet_leaves_its_loss(triplets: Path) -> None:
    torch.manual_seed(0)
    network = SpipsNetwork(SpipsArchitecture(width=4, hidden=8))
    pairs = spips_fit.read_benchmark("bapps", triplets, True).pairs
    stage = triplet_stage(network, lambda start: triplet_batches(pairs, 8, 64, 0, start), 8, False)
    batch = next(stage.batches(0))
    stage.calibrate(batch)
    loss, parts = stage.loss(stage.model, batch, 0)
    swapped, _ = stage.loss(stage.model, batch._replace(p0=batch.p1, p1=batch.p0, share=1 - batch.share), 0)
    assert loss.item() == pytest.approx(swapped.item(), rel=1e-5)
    quality = network(torch.cat([batch.p0, batch.p1]), torch.cat([batch.reference] * 2)).detach().view(2, -1).numpy()
    assert float(parts["agreement"]) == pytest.approx(two_afc(quality[0] - quality[1], batch.share.numpy()))
    same, _ = TripletObjective(network)(batch.reference, batch.p0, batch.p0, batch.share)
    assert same.item() == pytest.approx(np.log(2), rel=1e-5)


def test_what_judges_prefer_is_learned_from_triplets(triplets: Path, tmp_path: Path) -> None:
    values = tiny(tmp_path / "run", mode="triplets", data=None, people={"root": str(triplets), "dataset": "bapps"})
    values["people"] |= {"partial": True, "crop_px": 48}
    values["train"] |= {"steps": 20, "batch_size": 8, "learning_rate": 0.02, "panel_every": 0}
    path = fit(parse_config(values))
    model = spips.load(path)
    agreed = []
    for pair in spips_fit.read_benchmark("bapps", triplets, True).pairs:
        first, second = (model.score(image, pair.reference).quality for image in (pair.first, pair.second))
        agreed.append((second > first) == (pair.prefer_second > 0.5))
    assert np.mean(agreed) > 0.9
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["opinions"] == "24 judged pairs of bapps, train" and "no human" not in card["data"]
    assert "judgments" in card["licence"] and card["stages"][0]["losses"]["agreement"] > 0.8


@pytest.fixture
def rated(tmp_path: Path, photos: list[Tensor]) -> Path:
    """Six references of 64 px with six versions each; scores from 0 to 100 fall with the darkening."""
    folder = tmp_path / "rated"
    folder.mkdir()
    lines = ["image,reference,score,scene"]
    for scene in range(6):
        photo = photos[scene % 3]
        crop = photo[:, 20 * (scene // 3) : 20 * (scene // 3) + 64, :80]
        save_image(crop, folder / f"r{scene}.png")
        for level in range(6):
            save_image(crop * (1 - 0.12 * level), folder / f"{scene}_{level}.png")
            lines.append(f"{scene}_{level}.png,r{scene}.png,{100 - 20 * level},")
    (folder / "scores.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_windows_of_rated_images_lie_at_the_same_place_in_both(rated: Path) -> None:
    images = spips_fit.read_benchmark("csv", rated).images
    batch = next(rated_batches(images, 12, 48, 0, 0))
    assert batch.test.shape == batch.reference.shape == (12, 3, 48, 48)
    for test, reference, score in zip(batch.test, batch.reference, batch.score, strict=True):
        torch.testing.assert_close(test, reference * (1 - 0.12 * (100 - score) / 20), rtol=0, atol=3 / 255)
    padded = next(rated_batches(images, 2, 96, 0, 0))
    assert padded.test.shape == (2, 3, 96, 96)


def test_opinion_scores_are_learned_and_measured_on_other_references(
    rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_on: list[set[str]] = []
    original = spips_fit.rated_batches

    def watched(images: Any, *options: Any) -> Any:
        trained_on.append({str(row.reference) for row in images})
        return original(images, *options)

    monkeypatch.setattr(spips_fit, "rated_batches", watched)
    values = tiny(tmp_path / "run", mode="mos", data=None, people={"root": str(rated), "crop_px": 64, "splits": 2})
    values["train"] |= {"steps": 12, "batch_size": 8, "learning_rate": 0.02, "panel_every": 0}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    command.fit_spips(str(tmp_path / "c.yaml"), [])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("fitted: SRCC ") and "2 splits by reference" in said[0]
    assert sorted(len(references) for references in trained_on) == [5, 5, 6]
    path = tmp_path / "run/spips-smoke.safetensors"
    results = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["results"]["splits"]
    assert results["fitted"]["srcc"] > 0.9 and results["fitted"]["splits"] == 2
    model = spips.load(path)
    worst, best = (model.score(rated / f"0_{level}.png", rated / "r0.png") for level in (5, 0))
    assert best.mos == pytest.approx(100) and worst.mos is not None and 0 <= worst.mos < 35
    assert model.meta["opinions"] == "36 rated images of csv, rated" and "MOS" in worst.summary()


@pytest.mark.parametrize(
    ("fits", "told"),
    [
        (["none", "none"], "none"),
        (["none", "A"], "A"),
        (["A", "B"], "A; B"),
        (["B; A", "A"], "B; A"),
        (["A; B", "none", "C; B"], "A; B; C"),
    ],
)
def test_opinions_of_several_fits_are_named_in_their_order_each_once(fits: list[str], told: str) -> None:
    assert joined_opinions(*fits) == told


def test_weights_fitted_to_one_group_of_people_after_another_name_them_all(
    rated: Path, triplets: Path, sets: CachedSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spips_fit, "cached_sets", lambda *_: sets)
    start = tmp_path / "start.safetensors"
    save_spips_weights(start, SpipsNetwork(SpipsArchitecture(width=4, hidden=8)))
    scores, pairs = "36 rated images of csv, rated", "24 judged pairs of bapps, train"
    people: dict[str, dict[str, Any]] = {
        "mos": {"root": str(rated), "crop_px": 48, "splits": 0},
        "triplets": {"root": str(triplets), "dataset": "bapps", "partial": True, "crop_px": 48},
    }
    data = values_of(ROOT / "experiments/spips/smoke.yaml")["data"] | {"photos": str(ROOT / "tests/images")}
    runs = (
        ("ranked", "none"),
        ("triplets", pairs),
        ("mos", f"{pairs}; {scores}"),
        ("mos", f"{pairs}; {scores}"),
        ("ranked", f"{pairs}; {scores}"),
    )
    for number, (mode, told) in enumerate(runs):
        values = tiny(tmp_path / str(number), mode=mode, start_from=str(start), people=people.get(mode))
        values["data"] = data if mode == "ranked" else None
        values["train"] |= {"steps": 1, "panel_every": 0}
        start = fit(parse_config(values))
        card = json.loads(start.with_suffix(".json").read_text(encoding="utf-8"))
        assert spips.load(start).meta["opinions"] == card["opinions"] == told
        assert ("no human score" in card["data"]) == (told == "none") != ("judgments" in card["licence"])


def test_data_of_the_wrong_kind_is_refused_with_the_right_mode(rated: Path, triplets: Path, tmp_path: Path) -> None:
    runs: list[tuple[str, Path, str, str]] = [
        ("triplets", rated, "csv", "mode=mos"),
        ("mos", triplets, "bapps", "mode=triplets"),
    ]
    for mode, root, dataset, remedy in runs:
        people = {"root": str(root), "dataset": dataset, "partial": True}
        with pytest.raises(UsageError, match=remedy):
            fit(parse_config(tiny(tmp_path / "run", mode=mode, data=None, people=people)))
    table = rated / "scores.csv"
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole.replace("0_0.png,r0.png", "0_0.png,"), encoding="utf-8")
    people = {"root": str(rated), "splits": 0}
    with pytest.raises(UsageError, match="without a reference"):
        fit(parse_config(tiny(tmp_path / "run", mode="mos", data=None, people=people)))
    table.write_text("image,reference,score\n0_0.png,r0.png,3\n0_1.png,r0.png,3\n", encoding="utf-8")
    with pytest.raises(UsageError, match="nothing to fit"):
        fit(parse_config(tiny(tmp_path / "run", mode="mos", data=None, people=people)))


def test_a_card_holds_the_config_that_made_it(tmp_path: Path) -> None:
    config = parse_config(tiny(tmp_path))
    assert parse_config(json.loads(json.dumps(asdict(config)))) == config
