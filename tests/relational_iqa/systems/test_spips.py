"""SPIPS: its maps mean what they say, an equal image has quality 0, gradients are usable, tiles change nothing."""

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.conventional import ms_ssim, ssim, ssim_map
from relational_iqa.networks.error_maps import CONVENTIONAL, PSNR_FLOOR, conventional_maps
from relational_iqa.networks.resnet import ResNet
from relational_iqa.networks.scoring_network import LEVELS_PER_SEVERITY
from relational_iqa.networks.spips import DEEP, STREAMS, SpipsArchitecture, SpipsNetwork
from relational_iqa.networks.stage_features import ResNetBackbone, SmallBackbone
from relational_iqa.storage.spips_weights import FORMAT, load_spips_weights, save_spips_weights
from relational_iqa.storage.tensor_file import write_tensors
from relational_iqa.systems import spips
from relational_iqa.systems.spips import SPIPS


def random_network(
    versions: list[Tensor],
    streams: tuple[str, ...] = STREAMS,
    width: int = 6,
    resnet_depth: int = 0,
    shares_from: Literal["pair", "reference"] = "pair",
) -> SpipsNetwork:
    """Untrained and calibrated, with fusion weights that differ from place to place."""
    torch.manual_seed(0)
    network = SpipsNetwork(SpipsArchitecture(streams, width, resnet_depth, hidden=8, shares_from=shares_from))
    with torch.no_grad():
        for parameter in network.fusion.last.parameters():
            parameter.copy_(0.8 * torch.randn_like(parameter))
    test = torch.stack(versions[1:])
    network.calibrate(test, versions[0].expand_as(test))
    return network.eval()


@pytest.fixture(scope="module")
def network(versions: list[Tensor]) -> SpipsNetwork:
    return random_network(versions)


@pytest.fixture(scope="module")
def model(network: SpipsNetwork) -> SPIPS:
    return SPIPS(network, {"name": "random", "sha256": "0" * 64, "opinions": "none"})


# -- maps --------------------------------------------------------------------------------------------------------------


def test_every_map_is_0_where_nothing_differs_and_rises_with_damage(versions: list[Tensor]) -> None:
    photo = versions[0][None]
    assert (conventional_maps(photo, photo) == 0).all()
    for damaged in versions[1:]:
        means = [
            conventional_maps(photo + strength * (damaged[None] - photo), photo).mean((0, 2, 3))
            for strength in (0.25, 0.5, 1.0)
        ]
        assert (means[0] > 0).all() and (means[1] > means[0]).all() and (means[2] > means[1]).all()


def test_psnr_map_is_the_inverted_psnr_with_its_floor_put_on_0_to_1(versions: list[Tensor]) -> None:
    photo = versions[0][None]
    for step in (1 / 255, 10 / 255, 0.3):
        test = torch.full_like(photo, 0.5) + step
        found = conventional_maps(test, torch.full_like(photo, 0.5))[:, 0]
        best, here, worst = (-10 * math.log10(error + PSNR_FLOOR) for error in (0.0, step**2, 1.0))
        torch.testing.assert_close(found, torch.full_like(found, (best - here) / (best - worst)), rtol=1e-4, atol=1e-6)


def test_ssim_map_agrees_with_the_published_one_inside_the_image(versions: list[Tensor]) -> None:
    photo, inside = versions[0][None], (..., slice(5, -5), slice(5, -5))
    for damaged in versions[1:]:
        expected = (1 - ssim_map(damaged[None], photo)) / 2
        found = conventional_maps(damaged[None], photo)[:, 1:2]
        torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=1e-4)
        torch.testing.assert_close(
            found[inside].mean(), (1 - ssim(damaged[None], photo, downsample=False)).mean() / 2, rtol=0.01, atol=1e-4
        )


def test_ms_ssim_map_follows_ms_ssim(scene: Callable[[int, int, int], Tensor]) -> None:
    photo = scene(192, 192, 0)[None]
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(1))
    for amount in (0.02, 0.08, 0.2):
        test = (photo + amount * noise).clamp(0, 1)
        found, expected = float(conventional_maps(test, photo)[:, 2].mean()), 1 - float(ms_ssim(test, photo))
        # The index multiplies means over the image, the map multiplies at every pixel: alike, never equal.
        assert found == pytest.approx(expected, rel=0.35)


def test_a_local_damage_shows_where_it_is_in_every_map(network: SpipsNetwork, photos: list[Tensor]) -> None:
    photo = photos[1][None, :, :128, :160]
    test = photo.clone()
    test[..., 48:80, 64:96] = photo[..., 48:80, 64:96].flip(-1) * 0.5
    local = network.local(test, photo)
    where = torch.zeros(1, 1, *local.maps.shape[-2:])
    where[..., 12:20, 16:24] = 1
    for index, name in enumerate(STREAMS):
        values = local.maps[:, index : index + 1]
        inside, outside = (values * where).sum() / where.sum(), (values * (1 - where)).sum() / (1 - where).sum()
        assert inside > 3 * outside > 0 or (inside > 0 and outside == 0), name
    assert (local.conventional[:, 0, :32] == 0).all() and (local.maps >= 0).all() and (local.maps <= 1).all()


def test_maps_of_odd_and_smallest_sizes_exist(versions: list[Tensor]) -> None:
    for height, width in ((16, 16), (17, 35), (37, 18)):
        photo, test = (versions[index][None, :, :height, :width] for index in (0, 2))
        maps = conventional_maps(test, photo)
        assert maps.shape == (1, 3, height, width) and maps.isfinite().all() and (maps >= 0).all() and (maps <= 1).all()


# -- the score ---------------------------------------------------------------------------------------------------------


def test_an_image_equal_to_its_reference_has_quality_0_and_any_other_less(model: SPIPS, versions: list[Tensor]) -> None:
    photo = versions[0]
    assert model.quality(photo, photo) == 0
    assert all(model.quality(damaged, photo) < 0 for damaged in versions[1:])
    batch = torch.stack(versions)
    quality = model.quality_batch(batch, photo.expand_as(batch))
    assert quality[0] == 0 and (quality[1:] < 0).all()


def test_more_of_every_difference_never_means_better(network: SpipsNetwork, versions: list[Tensor]) -> None:
    local = network.local(versions[2][None], versions[0][None])
    sums = local.sums(torch.ones_like(local.maps[:1, :1]))
    more = type(sums)(sums.weight, sums.value * 1.5, sums.square * 2.25)
    assert network.quality(more) < network.quality(sums) < 0


def test_shares_are_positive_sum_to_1_and_start_equal(network: SpipsNetwork, versions: list[Tensor]) -> None:
    test, photo = torch.stack(versions[1:]), versions[0].expand(4, -1, -1, -1)
    fusion = network.local(test, photo).fusion
    assert (fusion > 0).all() and fusion.std() > 0.01
    torch.testing.assert_close(fusion.sum(1), torch.ones_like(fusion[:, 0]))
    fresh = SpipsNetwork(SpipsArchitecture(width=6, hidden=8)).local(test, photo).fusion
    assert (fresh == 0.2).all()


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


def test_one_reference_for_several_tests_gives_what_one_each_gives(
    network: SpipsNetwork, versions: list[Tensor]
) -> None:
    test = torch.stack([versions[1], versions[2], versions[3], versions[4]])
    references = torch.stack([versions[0], versions[0] * 0.9])
    torch.testing.assert_close(network(test, references), network(test, references.repeat_interleave(2, 0)))


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


def test_the_score_of_people_stays_on_their_scale_and_the_quality_does_not(versions: list[Tensor]) -> None:
    network = random_network(versions)
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


# -- where the shares come from ----------------------------------------------------------------------------------------


def slopes(network: SpipsNetwork, test: Tensor, photo: Tensor) -> Tensor:
    """How the quality changes with every map at every place (B, S, h, w), the images being what they are."""
    local = network.local(test, photo)
    maps = local.maps.detach().requires_grad_(True)
    shares = network.fusion(test, photo, maps)
    quality = network.quality(replace(local, maps=maps, fusion=shares).sums(torch.ones_like(maps[:1, :1])))
    (found,) = torch.autograd.grad(quality.sum(), maps)
    return found


def test_shares_from_the_reference_know_nothing_of_the_test_image(versions: list[Tensor]) -> None:
    test, photo = torch.stack(versions[1:]), versions[0].expand(4, -1, -1, -1)
    shares = random_network(versions, shares_from="reference").local(test, photo).fusion
    assert (shares == shares[:1]).all() and shares.std((2, 3)).min() > 1e-4  # from place to place they differ
    torch.testing.assert_close(shares.sum(1), torch.ones_like(shares[:, 0]))
    other = random_network(versions, shares_from="reference").local(test, photo.flip(-1)).fusion
    assert (other != shares).any()
    of_pair = random_network(versions).local(test, photo).fusion
    assert not any((of_pair[index] == of_pair[0]).all() for index in (1, 2, 3))


def test_with_shares_from_the_reference_quality_never_rises_when_any_map_grows(versions: list[Tensor]) -> None:
    test, photo = torch.stack(versions[1:]), versions[0].expand(4, -1, -1, -1)
    network = random_network(versions, shares_from="reference")
    assert (slopes(network, test, photo) < 0).all()
    assert (slopes(random_network(versions), test, photo) > 0).any()  # of a pair they may shift to another stream
    local = network.local(test, photo)
    inside = torch.ones_like(local.maps[:1, :1])
    before = network.quality(local.sums(inside))
    generator = torch.Generator().manual_seed(0)
    for stream in range(len(STREAMS)):
        grown = local.maps.clone()
        grown[:, stream] += (1 - grown[:, stream]) * torch.rand(grown[:, stream].shape, generator=generator)
        after = network.quality(replace(local, maps=grown).sums(inside))
        assert (after < before).all(), STREAMS[stream]


def test_a_metric_with_shares_from_the_reference_keeps_what_holds_by_construction(versions: list[Tensor]) -> None:
    network = random_network(versions, shares_from="reference")
    photo = versions[0]
    whole, tiled = (SPIPS(network, {}, tile_px).score(versions[2], photo) for tile_px in (1024, 32))
    assert tiled.quality == pytest.approx(whole.quality, abs=1e-4) and whole.quality < 0
    assert SPIPS(network, {}).quality(photo, photo) == 0
    test = versions[2][None].clone().requires_grad_(True)
    SPIPS(network, {})(test, photo[None]).sum().backward()
    assert test.grad is not None and test.grad.isfinite().all() and test.grad.abs().max() > 0


def test_an_unknown_source_of_the_shares_is_refused_with_the_right_ones() -> None:
    wrong: Any = "test"
    with pytest.raises(UsageError, match="shares_from 'test': expected 'pair' or 'reference'"):
        SpipsArchitecture(shares_from=wrong)


# -- streams and backbones ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "streams", [CONVENTIONAL, DEEP, ("psnr", "semantic"), ("ms_ssim", "perceptual", "psnr")], ids=lambda s: "+".join(s)
)
def test_any_choice_of_streams_is_a_metric_of_its_own(streams: tuple[str, ...], versions: list[Tensor]) -> None:
    network = random_network(versions, streams=streams)
    model = SPIPS(network, {})
    result = model.score(versions[3], versions[0])
    assert tuple(result.maps) == streams and result.quality < 0 and model.quality(versions[0], versions[0]) == 0
    everything = random_network(versions)
    local, whole = (net.local(versions[3][None], versions[0][None]) for net in (network, everything))
    for name in set(streams) & set(CONVENTIONAL):
        torch.testing.assert_close(local.maps[:, streams.index(name)], whole.maps[:, STREAMS.index(name)])
        np.testing.assert_allclose(
            result.maps[name], conventional_maps(versions[3][None], versions[0][None])[0, CONVENTIONAL.index(name)]
        )


@pytest.mark.parametrize("streams", [(), ("psnr", "psnr"), ("vgg",)])
def test_wrong_streams_are_refused_with_the_right_ones(streams: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="psnr, ssim, ms_ssim, perceptual, semantic"):
        SpipsArchitecture(streams=streams)


def test_early_stages_make_the_perceptual_map_and_late_ones_the_semantic_map(versions: list[Tensor]) -> None:
    network = random_network(versions)
    test, photo = versions[2][None], versions[0][None]
    before = network.local(test, photo).maps
    with torch.no_grad():
        assert isinstance(network.backbone, SmallBackbone)
        for parameter in network.backbone.refine[-1].parameters():
            parameter.mul_(3)
    after = network.local(test, photo).maps
    semantic = STREAMS.index("semantic")
    early = random_network(versions, STREAMS[:4])
    assert early.backbone is not None and early.backbone.channels == (6, 12)
    assert sum(p.numel() for p in early.parameters()) < sum(p.numel() for p in network.parameters()) / 2
    assert (after[:, :semantic] == before[:, :semantic]).all() and (after[:, semantic] != before[:, semantic]).any()


def test_a_resnet_can_be_the_backbone_and_its_batch_statistics_stay(versions: list[Tensor]) -> None:
    network = random_network(versions, resnet_depth=18, width=8)
    assert isinstance(network.backbone, ResNetBackbone)
    assert [tuple(x.shape[1:]) for x in network.backbone.features(versions[0][None])] == [
        (8, 20, 24), (16, 10, 12), (32, 5, 6), (64, 3, 3)
    ]  # fmt: skip
    state = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    network.train()
    assert network(versions[1][None], versions[0][None]) < 0 and network(versions[0][None], versions[0][None]) == 0
    assert all((value == state[name]).all() for name, value in network.backbone.state_dict().items())
    assert SPIPS(network, {}, tile_px=16).quality(versions[2], versions[0]) == pytest.approx(
        network.eval()(versions[2][None], versions[0][None]).item(), abs=1e-4
    )


def test_imagenet_input_is_normalised_only_where_the_resnet_expects_it(versions: list[Tensor]) -> None:
    torch.manual_seed(0)
    resnet = ResNet(18, 8).eval()
    with torch.no_grad():
        plain = ResNetBackbone(resnet, imagenet_input=False).features(versions[0][None])
        torch.testing.assert_close(plain, list(resnet.pyramid(versions[0][None])))
        normalised = ResNetBackbone(resnet).features(versions[0][None])
    assert (normalised[0] != plain[0]).any()


# -- weights -----------------------------------------------------------------------------------------------------------


def test_weights_come_back_as_they_were_written(network: SpipsNetwork, versions: list[Tensor], tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    digest = save_spips_weights(path, network, "12 rated images")
    back, meta = load_spips_weights(path)
    assert meta == {"name": "mine", "path": str(path), "sha256": digest, "opinions": "12 rated images"}
    assert back.architecture == network.architecture and not any(p.requires_grad for p in back.parameters())
    pair = versions[1][None], versions[0][None]
    assert (back(*pair) == network(*pair)).all()
    assert spips.load(path).quality(versions[1], versions[0]) == pytest.approx(network(*pair).item(), abs=1e-6)


def test_weights_say_where_their_shares_come_from_and_those_that_do_not_take_the_pair(
    versions: list[Tensor], tmp_path: Path
) -> None:
    pair = versions[1][None], versions[0][None]
    for source in ("pair", "reference"):
        network = random_network(versions, shares_from=source)
        save_spips_weights(tmp_path / f"{source}.safetensors", network)
        back, _ = load_spips_weights(tmp_path / f"{source}.safetensors")
        assert back.architecture.shares_from == source and (back(*pair) == network(*pair)).all()
    network = random_network(versions)
    older = {name: value for name, value in asdict(network.architecture).items() if name != "shares_from"}
    write_tensors(tmp_path / "older.safetensors", FORMAT.name, network.state_dict(), {"architecture": older})
    back, meta = load_spips_weights(tmp_path / "older.safetensors")
    assert back.architecture == network.architecture and (back(*pair) == network(*pair)).all()
    assert meta["opinions"] == "none"
    unknown = older | {"shares_from": "test"}
    write_tensors(tmp_path / "newer.safetensors", FORMAT.name, network.state_dict(), {"architecture": unknown})
    with pytest.raises(UsageError, match="newer.safetensors.*shares_from 'test'"):
        load_spips_weights(tmp_path / "newer.safetensors")


def test_foreign_or_missing_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(UsageError, match="broken"):
        spips.load(path)
    with pytest.raises(UsageError, match="riqa-small.*format|no weights"):
        spips.load("riqa-small")
    with pytest.raises(UsageError, match="absent"):
        spips.load("absent")
