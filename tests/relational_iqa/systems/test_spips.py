"""SPIPS for users: an equal image has quality 0, tiles change nothing, the score of people stays on its scale."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.errors import ImageError
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.networks.spips import SpipsNetwork
from relational_iqa.networks.spips_quality import STREAMS
from relational_iqa.systems.spips import SPIPS
from tests.relational_iqa.networks.small_stages import small_stage_spips

RandomSpips = Callable[..., SpipsNetwork]


@pytest.fixture(scope="module")
def network(random_spips: RandomSpips, versions: list[Tensor]) -> SpipsNetwork:
    return random_spips()


@pytest.fixture(scope="module")
def model(network: SpipsNetwork) -> SPIPS:
    return SPIPS(network, {"name": "random", "sha256": "0" * 64, "opinions": "none"})


def test_an_image_equal_to_its_reference_has_quality_0_and_any_other_less(model: SPIPS, versions: list[Tensor]) -> None:
    photo = versions[0]
    assert model.quality(photo, photo) == 0
    assert all(model.quality(damaged, photo) < 0 for damaged in versions[1:])
    batch = torch.stack(versions)
    quality = model.quality_batch(batch, photo.expand_as(batch))
    assert quality[0] == 0 and (quality[1:] < 0).all()


def test_tiles_give_the_numbers_of_the_whole_image(
    network: SpipsNetwork, scene: Callable[[int, int, int], Tensor]
) -> None:
    photo = scene(48, 900, 3)
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(2))
    test = (photo + 0.1 * noise * (torch.arange(900) > 500)).clamp(0, 1)
    whole = SPIPS(network, {}, tile_px=1024).score(test, photo)
    tiled = SPIPS(network, {}, tile_px=128).score(test, photo)
    assert tiled.quality == pytest.approx(whole.quality, abs=1e-4) and whole.quality < 0
    for name in STREAMS:
        np.testing.assert_allclose(tiled.maps[name], whole.maps[name], atol=2e-4, err_msg=name)
        assert whole.maps[name].shape == (48, 900)


def test_tiles_give_the_numbers_of_the_whole_image_on_a_frozen_backbone(
    versions: list[Tensor], scene: Callable[[int, int, int], Tensor]
) -> None:
    network = small_stage_spips(versions)
    photo = scene(40, 1100, 3)
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(2))
    test = (photo + 0.1 * noise * (torch.arange(1100) > 500)).clamp(0, 1)
    whole, tiled = (SPIPS(network, {}, tile_px=tile_px) for tile_px in (2048, 128))
    first, second = whole.score(test, photo), tiled.score(test, photo)
    assert second.quality == pytest.approx(first.quality, abs=1e-4) and first.quality < 0
    assert tiled.quality(test, photo) == second.quality  # without the maps
    for name in STREAMS:
        np.testing.assert_allclose(second.maps[name], first.maps[name], atol=2e-4, err_msg=name)
        np.testing.assert_allclose(second.fusion[name], first.fusion[name], atol=2e-4, err_msg=name)
        assert first.maps[name].shape == (40, 1100)


def test_score_of_files_says_what_it_is(model: SPIPS, photo_paths: list[Path], photos: list[Tensor]) -> None:
    result = model.score(photos[0] * 0.7, photo_paths[0], name="darker.png")
    assert set(result.maps) == set(result.fusion) == set(STREAMS)
    fused = sum(result.maps[name] * result.fusion[name] for name in STREAMS)
    np.testing.assert_allclose(result.difference, fused, atol=1e-6)
    assert result.quality < 0 and result.mos is None
    assert result.summary().startswith("darker.png: quality -") and " levels" in result.summary()
    told = result.to_json()
    assert told["quality"] == result.quality and set(told["streams"]) == set(STREAMS) and told["weights"] == "random"
    assert "equals its reference" in model.score(photo_paths[0], photo_paths[0]).summary()


def test_the_score_of_people_stays_on_their_scale_and_the_quality_does_not(
    random_spips: RandomSpips, versions: list[Tensor]
) -> None:
    network = random_spips()
    network.mos_range.copy_(torch.tensor([10.0, 90.0]))
    with torch.no_grad():
        network.gain.mul_(1 / 50)
    model, photo = SPIPS(network, {}), versions[0]
    faint = model.score(versions[4], photo)
    assert -LEVELS_PER_SEVERITY < faint.quality < 0 and faint.mos == pytest.approx(
        90 + 80 * faint.quality / LEVELS_PER_SEVERITY
    )
    assert model.score(photo, photo).mos == 90
    with torch.no_grad():
        network.gain.mul_(1e4)
    result = model.score(versions[2], photo)
    assert result.quality < -LEVELS_PER_SEVERITY and result.mos == 10 and "(MOS 10.00)" in result.summary()


def test_wrong_input_is_told_apart_from_a_low_score(model: SPIPS, versions: list[Tensor]) -> None:
    with pytest.raises(ImageError, match="align"):
        model.score(versions[0], versions[0][:, :64])
    assert model.score(versions[1], versions[0][:, :64], align="crop").difference.shape == (64, 96)
    with pytest.raises(ImageError, match="at least 16"):
        model(versions[0][None, :, :8], versions[0][None, :, :8])


def test_a_metric_with_shares_from_the_reference_keeps_what_holds_by_construction(
    random_spips: RandomSpips, versions: list[Tensor]
) -> None:
    network = random_spips(shares_from="reference")
    photo = versions[0]
    whole, tiled = (SPIPS(network, {}, tile_px).score(versions[2], photo) for tile_px in (1024, 32))
    assert tiled.quality == pytest.approx(whole.quality, abs=1e-4) and whole.quality < 0
    assert SPIPS(network, {}).quality(photo, photo) == 0
    test = versions[2][None].clone().requires_grad_(True)
    SPIPS(network, {})(test, photo[None]).sum().backward()
    assert test.grad is not None and test.grad.isfinite().all() and test.grad.abs().max() > 0


def test_gradients_are_finite_everywhere_and_descending_them_repairs_the_image(
    model: SPIPS, versions: list[Tensor]
) -> None:
    photo = versions[0][None]
    same = photo.clone().requires_grad_(True)
    model(same, photo).sum().backward()
    assert same.grad is not None and same.grad.isfinite().all()
    test = versions[2][None].clone().requires_grad_(True)
    before = model(test, photo)
    before.sum().backward()
    assert test.grad is not None and test.grad.isfinite().all() and test.grad.abs().max() > 0
    step = test.detach() + 2e-3 * test.grad.sign()
    assert model(step, photo) > before
