"""The SPIPS network: monotone in its maps, shares that sum to 1, usable gradients, any choice of streams."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.networks.error_maps import CONVENTIONAL, conventional_maps
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.networks.spips_quality import DEEP, STREAMS
from relational_iqa.networks.stage_features import SmallBackbone
from relational_iqa.systems.spips import SPIPS

RandomSpips = Callable[..., SpipsNetwork]


@pytest.fixture(scope="module")
def network(random_spips: RandomSpips, versions: list[Tensor]) -> SpipsNetwork:
    return random_spips()


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


def test_one_reference_for_several_tests_gives_what_one_each_gives(
    network: SpipsNetwork, versions: list[Tensor]
) -> None:
    test = torch.stack([versions[1], versions[2], versions[3], versions[4]])
    references = torch.stack([versions[0], versions[0] * 0.9])
    torch.testing.assert_close(network(test, references), network(test, references.repeat_interleave(2, 0)))


def slopes(network: SpipsNetwork, test: Tensor, photo: Tensor) -> Tensor:
    """How the quality changes with every map at every place (B, S, h, w), the images being what they are."""
    local = network.local(test, photo)
    maps = local.maps.detach().requires_grad_(True)
    shares = network.fusion(test, photo, maps)
    quality = network.quality(replace(local, maps=maps, fusion=shares).sums(torch.ones_like(maps[:1, :1])))
    (found,) = torch.autograd.grad(quality.sum(), maps)
    return found


def test_shares_from_the_reference_know_nothing_of_the_test_image(
    random_spips: RandomSpips, versions: list[Tensor]
) -> None:
    test, photo = torch.stack(versions[1:]), versions[0].expand(4, -1, -1, -1)
    shares = random_spips(shares_from="reference").local(test, photo).fusion
    assert (shares == shares[:1]).all() and shares.std((2, 3)).min() > 1e-4  # from place to place they differ
    torch.testing.assert_close(shares.sum(1), torch.ones_like(shares[:, 0]))
    other = random_spips(shares_from="reference").local(test, photo.flip(-1)).fusion
    assert (other != shares).any()
    of_pair = random_spips().local(test, photo).fusion
    assert not any((of_pair[index] == of_pair[0]).all() for index in (1, 2, 3))


def test_with_shares_from_the_reference_quality_never_rises_when_any_map_grows(
    random_spips: RandomSpips, versions: list[Tensor]
) -> None:
    test, photo = torch.stack(versions[1:]), versions[0].expand(4, -1, -1, -1)
    network = random_spips(shares_from="reference")
    assert (slopes(network, test, photo) < 0).all()
    assert (slopes(random_spips(), test, photo) > 0).any()  # of a pair they may shift to another stream
    local = network.local(test, photo)
    inside = torch.ones_like(local.maps[:1, :1])
    before = network.quality(local.sums(inside))
    generator = torch.Generator().manual_seed(0)
    for stream in range(len(STREAMS)):
        grown = local.maps.clone()
        grown[:, stream] += (1 - grown[:, stream]) * torch.rand(grown[:, stream].shape, generator=generator)
        after = network.quality(replace(local, maps=grown).sums(inside))
        assert (after < before).all(), STREAMS[stream]


def test_an_unknown_source_of_the_shares_is_refused_with_the_right_ones() -> None:
    wrong: Any = "test"
    with pytest.raises(UsageError, match="shares_from 'test': expected 'pair' or 'reference'"):
        SpipsArchitecture(shares_from=wrong)


@pytest.mark.parametrize(
    "streams", [CONVENTIONAL, DEEP, ("psnr", "semantic"), ("ms_ssim", "perceptual", "psnr")], ids=lambda s: "+".join(s)
)
def test_any_choice_of_streams_is_a_metric_of_its_own(
    random_spips: RandomSpips, streams: tuple[str, ...], versions: list[Tensor]
) -> None:
    network = random_spips(streams=streams)
    model = SPIPS(network, {})
    result = model.score(versions[3], versions[0])
    assert tuple(result.maps) == streams and result.quality < 0 and model.quality(versions[0], versions[0]) == 0
    everything = random_spips()
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


def test_early_stages_make_the_perceptual_map_and_late_ones_the_semantic_map(
    random_spips: RandomSpips, versions: list[Tensor]
) -> None:
    network = random_spips()
    test, photo = versions[2][None], versions[0][None]
    before = network.local(test, photo).maps
    with torch.no_grad():
        assert isinstance(network.backbone, SmallBackbone)
        for parameter in network.backbone.refine[-1].parameters():
            parameter.mul_(3)
    after = network.local(test, photo).maps
    semantic = STREAMS.index("semantic")
    early = random_spips(STREAMS[:4])
    assert early.backbone is not None and early.backbone.channels == (6, 12)
    assert sum(p.numel() for p in early.parameters()) < sum(p.numel() for p in network.parameters()) / 2
    assert (after[:, :semantic] == before[:, :semantic]).all() and (after[:, semantic] != before[:, semantic]).any()
