"""What a fit of pMOS to people sees: features of a frozen encoder, batches of cells and crops, the two losses."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.reading.image_io import load_image, save_image
from relational_iqa.benchmarks.regression import fit_regressor
from relational_iqa.networks.pmos_head import MosMaps, PmosHead, image_mos, thumbnail
from relational_iqa.systems.pmos import PMOS, load
from relational_iqa.training.pmos.calibration import calibrate_doubt
from relational_iqa.training.pmos.fit_batches import CropBatch, HeadBatch
from relational_iqa.training.pmos.fit_mos_stage import CropStage, FitLossWeights, FitObjective, HeadStage
from relational_iqa.training.pmos.frozen_features import FrozenFeatures, frozen_features
from relational_iqa.training.pmos.solved_head import inner_split, solve_head
from tests.relational_iqa.small_pmos import random_pmos

LOSS = FitLossWeights()


@pytest.fixture(scope="module")
def model(pmos_weights: Path) -> PMOS:
    return load(pmos_weights)


@pytest.fixture(scope="module")
def folder(scene: Callable[[int, int, int], Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of two sizes."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(6):
        save_image(scene(48, 64 if number % 2 else 80, number), root / f"images_{number}.png")
    return root


# -- what the frozen encoder says --------------------------------------------------------------------------------------


def test_kept_cells_mean_and_score_are_those_of_the_image(model: PMOS, folder: Path) -> None:
    files = [folder / "images_1.png", folder / "images_2.png"]
    result = frozen_features(model, files, 200, seed=0)
    channels, network = model.network.encoder.channels, model.network
    assert result.cells.shape == (2, 200, channels) and result.embedding.shape == (2, network.scene.size)
    for number, file in enumerate(files):
        image = load_image(file)
        with torch.inference_mode():
            grid = network.encoder(image[None])
            roi = network.head(grid, network.embed(thumbnail(image[None]))).roi.flatten().double()
        features = grid[0].flatten(1).T
        apart = (result.cells[number].float()[:, None] - features).abs().amax(2).min(1).values
        assert apart.max() < 2e-3 * features.abs().max()
        assert len(result.cells[number].unique(dim=0)) > len(features) / 2
        np.testing.assert_allclose(result.mean[number], features.double().mean(0), atol=1e-5)
        weighted = (roi[:, None] * features).sum(0) / roi.sum()
        np.testing.assert_allclose(result.weighted[number], weighted, atol=1e-5)
        assert result.before[number] == pytest.approx(model.score(file).mos, abs=1e-6)
    np.testing.assert_array_equal(frozen_features(model, files, 200, seed=0).cells, result.cells)


def test_tiles_change_nothing_of_it(model: PMOS, scene: Callable[[int, int, int], Tensor], tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    save_image(scene(70, 530, 0), path)
    tiled = PMOS(model.network, model.meta, tile_px=64)
    assert len(list(tiled.feature_tiles(load_image(path)))) == 18
    whole, parts = (frozen_features(m, [path], 300, seed=1) for m in (model, tiled))
    np.testing.assert_allclose(parts.cells.float(), whole.cells.float(), rtol=2e-3, atol=5e-3)
    np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-4)
    np.testing.assert_allclose(parts.weighted, whole.weighted, atol=1e-4)
    np.testing.assert_allclose(parts.before, whole.before, atol=1e-5)


def test_several_heads_at_once_are_the_heads_one_by_one(model: PMOS, folder: Path) -> None:
    image = load_image(folder / "images_3.png")
    other = random_pmos([image, image.flip(-1)], seed=5).head
    together = model.mos_by_heads(image, [model.network.head, other])
    assert together[0] == pytest.approx(model.mos(image)) and together[0] != pytest.approx(together[1], abs=1e-4)


# -- losses and stages -------------------------------------------------------------------------------------------------


class FixedMaps(torch.nn.Module):
    """Says the same of every image: two places, MOS 2 and 4, weights 3 and 1."""

    def forward(self, first: Tensor, second: Tensor) -> Any:
        return MosMaps(torch.tensor([2.0, 4.0]).view(1, 1, 2, 1), torch.tensor([3.0, 1.0]).view(1, 1, 2, 1))


def test_loss_is_the_patents_every_place_and_the_weighted_mean() -> None:
    objective = FitObjective(FixedMaps(), FitLossWeights(dense=1, image=10, entropy=0))
    loss, parts = objective(torch.zeros(1), torch.zeros(1), torch.tensor([3.5]))
    assert parts["image"] == pytest.approx(1.0 - 0.125)  # weighted mean 2.5; Huber takes half its width off
    assert parts["dense"] == pytest.approx((1.5 + 0.5) / 2 - 0.125)
    assert loss == pytest.approx(10 * 0.875 + 0.875)


class GivenMaps(torch.nn.Module):
    """Its two inputs are the maps: MOS and weights (B, 1, h, w)."""

    def forward(self, first: Tensor, second: Tensor) -> MosMaps:
        return MosMaps(first, second)


def huber(error: float) -> float:
    return error**2 / 0.5 if abs(error) < 0.25 else abs(error) - 0.125


def test_the_fit_loss_equals_its_slow_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    mos, roi = 1 + 4 * torch.rand(3, 1, 4, 5, generator=generator), 0.1 + torch.rand(3, 1, 4, 5, generator=generator)
    target = torch.tensor([1.5, 3.0, 4.5])
    weights = FitLossWeights(dense=2, image=3, entropy=5)
    loss, parts = FitObjective(GivenMaps(), weights)(mos, roi, target)
    dense, image, entropy = 0.0, 0.0, 0.0
    for own, share, wanted in zip(mos.flatten(1).tolist(), roi.flatten(1).tolist(), target.tolist(), strict=True):
        total = sum(share)
        dense += sum(huber(value - wanted) for value in own) / len(own) / 3
        image += huber(sum(w * value for w, value in zip(share, own, strict=True)) / total - wanted) / 3
        entropy += (np.log(len(own)) + sum(w / total * np.log(w / total) for w in share)) / 3
    assert float(parts["dense"]) == pytest.approx(dense, rel=1e-4)
    assert float(parts["image"]) == pytest.approx(image, rel=1e-4)
    assert float(parts["entropy"]) == pytest.approx(entropy, rel=1e-4)
    assert float(loss) == pytest.approx(2 * dense + 3 * image + 5 * entropy, rel=1e-4)


@pytest.mark.parametrize("part", ["dense", "image"])
@pytest.mark.parametrize("target", [2.0, 4.0])
def test_the_fit_loss_pulls_every_place_towards_the_score_of_people(part: str, target: float) -> None:
    mos, roi = torch.full((1, 1, 2, 3), 3.0, requires_grad=True), torch.ones(1, 1, 2, 3)
    only = FitLossWeights(**{"dense": 0.0, "image": 0.0, "entropy": 0.0, part: 1.0})
    FitObjective(GivenMaps(), only)(mos, roi, torch.tensor([target]))[0].backward()
    assert mos.grad is not None and (mos.grad * (target - 3) < 0).all()


def test_head_stage_draws_cells_of_the_right_images_and_repeats_itself(model: PMOS, folder: Path) -> None:
    files = [folder / f"images_{number}.png" for number in range(6)]
    features = frozen_features(model, files, 64, seed=0)
    targets = np.arange(1, 7) * 0.7
    head = copy.deepcopy(model.network.head)
    stage = HeadStage(head, features, targets, LOSS, 4, seed=0, cells=16)
    batch: HeadBatch = stage.batches[5]
    assert batch.features.shape == (4, model.network.encoder.channels, 16, 1) and len(set(batch.target.tolist())) == 4
    for own, embedding, target in zip(batch.features[..., 0], batch.embedding, batch.target, strict=True):
        image = int(np.abs(targets - float(target)).argmin())
        assert torch.equal(embedding, features.embedding[image])
        assert (own.T[:, None] == features.cells[image].float()).all(-1).any(1).all()
    assert all(torch.equal(x, y) for x, y in zip(batch, stage.batches[5], strict=True))


@pytest.mark.parametrize(("bias", "kept"), [(-50.0, False), (50.0, True)])
def test_watched_images_are_not_learned_from_and_decide_which_state_is_kept(
    model: PMOS, folder: Path, bias: float, kept: bool
) -> None:
    features = frozen_features(model, [folder / f"images_{number}.png" for number in range(6)], 64, seed=0)
    targets = np.array([1.0, 2.0, 3.0, 4.0, 4.9, 5.0])
    head = copy.deepcopy(model.network.head)
    stage = HeadStage(head, features, targets, LOSS, 9, seed=0, learnt=np.array([0, 1, 2, 3]), watched=[4, 5])
    drawn = {float(target) for step in range(5) for target in stage.batches[step].target}
    assert drawn == {1.0, 2.0, 3.0, 4.0}
    stage.loss(stage.model, stage.batches[0], 0)  # the head is tried at step 0
    assert head.score.bias is not None
    first = head.score.bias.detach().clone()
    with torch.no_grad():
        head.score.bias.fill_(bias)  # MOS 1 or 5 everywhere
    stage.take_best()
    assert float(head.score.bias.detach()) == (bias if kept else float(first))
    assert stage.start_was_best is not kept


@pytest.mark.parametrize("share", [0.0, 0.15, 0.5])
def test_inner_split_keeps_scenes_together(share: float) -> None:
    scenes = [f"s{number // 2}" for number in range(20)]
    learnt, watched = inner_split(scenes, share, seed=3)
    assert sorted([*learnt, *watched]) == list(range(20))
    assert {scenes[i] for i in learnt}.isdisjoint(scenes[i] for i in watched)
    assert len(watched) == {0.0: 0, 0.15: 4, 0.5: 10}[share]
    assert np.array_equal(inner_split(scenes, share, seed=3)[1], watched)
    assert len(inner_split(["a", "b", "a"], share, seed=3)[1]) == 0  # two scenes: none can be spared


# -- the closed form ---------------------------------------------------------------------------------------------------


def flat_features(head: PmosHead, count: int, scene: int) -> FrozenFeatures:
    """Of images that look the same everywhere: the score of the mean is then that of the image."""
    generator = torch.Generator().manual_seed(1)
    cells = torch.randn(count, 1, head.local.in_channels, generator=generator).expand(-1, 4, -1)
    embedding = torch.randn(count, scene, generator=generator)
    mean = cells[:, 0].double().numpy()
    with torch.no_grad():
        before = image_mos(head(cells.transpose(1, 2)[..., None], embedding)).double().numpy()
    return FrozenFeatures(cells, embedding, mean, mean, before)


@pytest.mark.parametrize(("film", "roi"), [(True, True), (False, True), (True, False)])
def test_solved_head_gives_what_ridge_regression_of_the_logit_gives(film: bool, roi: bool) -> None:
    """Of a head whose linear parts are not zero: what they said before is kept, as the rest of what was learned is."""
    torch.manual_seed(0)
    head = PmosHead(inputs=5, hidden=6, scene=7, embedding=4, film=film, roi=roi).requires_grad_(False)
    for parameter in (head.film.weight, head.fitted.weight, head.fitted_scene.weight, head.fitted_scene.bias):
        parameter.add_(0.2 * torch.randn_like(parameter))
    features = flat_features(head, 40, 7)
    targets = 3 + 0.8 * np.tanh(features.mean[:, 0] + 0.5 * features.embedding[:, 1].numpy())
    logit = np.log((targets - 1) / (5 - targets))
    before = np.log((features.before - 1) / (5 - features.before))[:, None]
    inputs = [before, features.mean, *([features.embedding.numpy()] if film else [])]
    expected = fit_regressor(np.concatenate(inputs, 1), logit).predict(np.concatenate(inputs, 1))
    solve_head(head, features, targets)
    mos = image_mos(head(features.cells.transpose(1, 2)[..., None], features.embedding)).double().numpy()
    np.testing.assert_allclose(np.log((mos - 1) / (5 - mos)), expected, atol=2e-4)
    assert np.ptp(expected) > 0.1 and np.abs(expected - before[:, 0]).max() > 0.1


def test_too_few_images_leave_the_head_as_it_is() -> None:
    torch.manual_seed(0)
    head = PmosHead(inputs=5, hidden=6, scene=7, embedding=4).requires_grad_(False)
    before = copy.deepcopy(head.state_dict())
    solve_head(head, flat_features(head, 9, 7), np.linspace(1.5, 4.5, 9))
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_the_doubt_of_rated_images_covers_four_in_five_of_their_scores(model: PMOS, folder: Path) -> None:
    files = [folder / f"images_{number % 6}.png" for number in range(10)]
    features, network = frozen_features(model, files, 64, seed=0), copy.deepcopy(model.network)
    cells = features.cells.float().transpose(1, 2)[..., None]
    with torch.no_grad():
        places = network.head.places(cells, features.embedding)
        target = image_mos(places.maps) + torch.linspace(-1.5, 1.5, 10)  # no doubt is larger than 2 grades
        calibrate_doubt(network, cells, features.embedding, target)
        off = (image_mos(places.maps) - target).abs()
        within = (off <= network.doubt_of(places, features.embedding) + 1e-5).float().mean()
    assert 0.7 <= float(within) <= 0.9


# -- crops -------------------------------------------------------------------------------------------------------------


def test_crop_stage_shows_parts_of_the_image_and_the_thumbnail_of_all_of_it(model: PMOS, folder: Path) -> None:
    files = [folder / "images_0.png", folder / "images_1.png"]
    stage = CropStage(model.network, files, np.array([2.0, 4.0]), LOSS, 2, seed=0, crop_px=32)
    batch: CropBatch = stage.batches[3]
    for crop, small, target in zip(*batch, strict=True):
        image = load_image(files[0 if target == 2 else 1])
        assert torch.equal(small, thumbnail(image[None])[0])
        places = [image.unfold(1, 32, 1).unfold(2, 32, 1), image.flip(-1).unfold(1, 32, 1).unfold(2, 32, 1)]
        assert any(((place - crop[:, None, None]).abs().amax((0, 3, 4)) == 0).any() for place in places)
    large = CropStage(model.network, files, np.array([2.0, 4.0]), LOSS, 2, seed=0, crop_px=100).batches[0]
    assert large.crops.shape == (2, 3, 112, 112)  # beyond its border the image goes on as it ends there
    for picture in stage.panels(batch).values():
        assert picture.min() >= 0 and picture.max() <= 1
