"""The networks: even and odd by construction, local, non-negative where they must be, trainable everywhere."""

import copy
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from relational_iqa.networks.blocks import Stem
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.even_odd_trunk import EvenOddTrunk
from relational_iqa.networks.local_analysis import STRIDE, Analysis, analysis_filters, opponent
from relational_iqa.networks.pair_statistics import GridStatistics, PairStatistics
from relational_iqa.networks.pixel_perfect import Architecture, Networks
from relational_iqa.networks.similarity_maps import SimilarityMaps
from relational_iqa.tiling.tile_geometry import HALO_PX

Scene = Callable[[int, int, int], Tensor]

# Where some statistics lie on the 1/8 grid; the combs (peak and peak over mean, by direction) are the last even ones.
EVEN = {"unchanged": 3, "displacement": 6, "contrast share": 15}
ODD = {"brightness": 0, "contrast": 6, "saturation": 7}
COMBS = 12
# Fine bands of luma in the order of `analysis_filters`: (0, 1) is the lowest horizontal one, the last the finest.
LUMA_BANDS = 15


@pytest.fixture
def pair(versions: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(a, b), each (2, 3, 80, 96)."""
    return torch.stack([versions[1], versions[2]]), torch.stack([versions[3], versions[0]])


def mean_of(channels: Tensor, index: int) -> float:
    """Mean of one channel away from the border."""
    return float(channels[:, index, 3:-3, 3:-3].mean())


# -- fixed statistics --------------------------------------------------------------------------------------------------


def test_statistics_are_even_or_odd_to_the_bit_and_odd_ones_vanish_for_equal_images(
    pair: tuple[Tensor, Tensor],
) -> None:
    a, b = pair
    statistics = PairStatistics()
    there, back, same = statistics(a, b), statistics(b, a), statistics(a, a.clone())
    for grid in (4, 8, 16):
        even, odd = getattr(there, f"even{grid}"), getattr(there, f"odd{grid}")
        assert torch.equal(even, getattr(back, f"even{grid}")) and torch.equal(odd, -getattr(back, f"odd{grid}"))
        assert even.shape[1:] == (statistics.channels[f"even{grid}"], 80 // grid, 96 // grid) and odd.any()
        assert not getattr(same, f"odd{grid}").any()
    assert torch.equal(there.energy_a, back.energy_b) and torch.equal(there.energy_d, back.energy_d)
    assert torch.equal(there.single_b, back.single_a) and not same.energy_d.any() and not same.mean_d.any()


def test_opponent_colours_are_luma_and_two_differences_to_the_same_bit_in_any_batch_place_and_number_of_threads() -> (
    None
):
    images = torch.rand(4, 3, 112, 84, generator=torch.Generator().manual_seed(0))
    found = opponent(images)
    red, green, blue = images.double().unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    exact = torch.stack([luma, (blue - (red + green) / 2) / 2, (red - green) / 2], 1)
    torch.testing.assert_close(found.double(), exact, atol=2e-7, rtol=0)
    assert torch.equal(opponent(images[1:2, :, 5:70, 3:]), found[1:2, :, 5:70, 3:])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(before, 2))
        assert torch.equal(opponent(images), found)
    finally:
        torch.set_num_threads(before)


def test_calibrated_entries_bring_every_channel_to_unit_spread(pair: tuple[Tensor, Tensor]) -> None:
    statistics = PairStatistics()(*pair)
    for name, bias in (("even8", True), ("odd8", False)):
        channels = getattr(statistics, name)
        entry = Stem(channels.shape[1], channels.shape[1], bias)
        with torch.no_grad():
            entry.mix.weight.copy_(torch.eye(channels.shape[1])[..., None, None])
            if entry.mix.bias is not None:
                entry.mix.bias.zero_()
        entry.calibrate(channels)
        scaled = entry(channels).detach()
        spread = scaled.std((0, 2, 3)) if bias else scaled.square().mean((0, 2, 3)).sqrt()
        assert spread.median() == pytest.approx(1, abs=1e-3) and spread.max() < 1.01
        assert not bias or scaled.mean((0, 2, 3)).abs().max() < 1e-3


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5, 0.75])
def test_bands_have_no_mean_and_see_their_own_frequency_at_every_phase(phase: float) -> None:
    assert analysis_filters().sum((2, 3)).abs().max() < 1e-5
    column = torch.arange(64, dtype=torch.float32)
    energies = []
    for order in (1, 3, 6.5):
        wave = 0.5 + 0.2 * torch.cos(torch.pi * (order * (column + 0.5) / 8 + phase))
        energies.append(Analysis()(wave.expand(1, 3, 64, 64)).fine[0, :LUMA_BANDS].square().mean((1, 2)))
    # Bands (0, 1), (0, 3), (0, 6.5): only the horizontal order differs from 0.
    for place, energy in enumerate(energies):
        assert int(energy.argmax()) == place


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_statistics_and_visibilities_of_flat_images_are_finite(value: float) -> None:
    flat, other = torch.full((1, 3, 32, 32), value), torch.rand(1, 3, 32, 32)
    for a, b in ((flat, flat), (flat, other), (flat, 1 - flat)):
        values = [*vars(PairStatistics()(a, b)).values(), *SimilarityMaps()(a, b)]
        assert all(x.isfinite().all() for x in values)


def test_block_grid_is_seen_alike_at_every_offset() -> None:
    blocks = 0.03 * torch.randn(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    blocks = blocks.repeat_interleave(8, -1).repeat_interleave(8, -2)
    grey, statistics = torch.full((1, 3, 128, 128), 0.5), PairStatistics()

    def combs_of(b: Tensor) -> list[float]:
        even = statistics(grey, b).even8[:, -COMBS:]
        return [mean_of(even, i) for i in (8, 9, 10, 11)]  # of the difference

    combs = []
    for top, left in ((0, 0), (1, 0), (3, 5), (4, 4), (0, 7), (7, 7)):
        combs.append(combs_of(grey + blocks[..., top : top + 128, left : left + 128]))
    for comb in combs:
        assert comb == pytest.approx(combs[0], rel=0.05)
    noise = grey + 0.03 * torch.randn(grey.shape, generator=torch.Generator().manual_seed(1))
    unblocked = combs_of(noise)
    assert unblocked[1] < 0.25 * combs[0][1] and unblocked[3] < 0.25 * combs[0][3]


def test_border_of_an_image_does_not_look_like_the_edge_of_a_block(scene: Scene) -> None:
    picture = scene(96, 96, 1)[None]
    even = PairStatistics()(picture, 0.8 * picture).even8
    relative = even[0, -COMBS:][[1, 3, 9, 11]]  # peaks of the combs of the images and of the difference, over the mean
    for strip in (relative[:, :, -3:], relative[:, -3:, :]):
        assert strip.mean() < 2 * relative[:, 3:-3, 3:-3].mean()


def test_bands_tell_fine_from_coarse_noise(scene: Scene) -> None:
    photo = scene(96, 96, 1)[None] * 0.5 + 0.25
    white = 0.05 * torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(2))
    coarse = torch.nn.functional.avg_pool2d(white, 5, 1, 2) * 5
    fine = white - torch.nn.functional.avg_pool2d(white, 3, 1, 1)
    share = {}
    for name, noise in (("coarse", coarse), ("white", white), ("fine", fine)):
        energy = PairStatistics()(photo, photo + noise).energy_d[:, :LUMA_BANDS].mean((0, 2, 3))
        share[name] = float(energy[-1] / (energy[0] + energy[-1]))  # finest against coarsest band
    assert share["coarse"] < 0.2 < share["white"] < 0.8 < share["fine"]


def test_statistics_detect_what_they_are_for(scene: Scene) -> None:
    photo = (scene(96, 112, 1) * 0.6 + 0.2)[None]
    a = photo[..., 8:104]
    smooth = torch.nn.functional.avg_pool2d(photo, 5, 1, 2)
    noise = a + 0.05 * torch.randn(a.shape, generator=torch.Generator().manual_seed(3))
    grey = a.mean(1, keepdim=True)
    changes = {
        "noise": noise,
        "shift": smooth[..., 9:105],
        "blur": smooth[..., 8:104],
        "brighter": a + 0.05,
        "harsher": a.mean() + 1.2 * (a - a.mean()),
        "paler": grey + 0.7 * (a - grey),
    }
    found = {name: PairStatistics()(smooth[..., 8:104] if name == "shift" else a, b) for name, b in changes.items()}
    even = {name: statistics.even8 for name, statistics in found.items()}
    odd = {name: statistics.odd8 for name, statistics in found.items()}
    assert mean_of(even["shift"], EVEN["displacement"]) > 0.5 > 0.3 > mean_of(even["noise"], EVEN["displacement"])
    assert mean_of(even["harsher"], EVEN["contrast share"]) > 2 * mean_of(even["noise"], EVEN["contrast share"])
    assert mean_of(odd["brighter"], ODD["brightness"]) == pytest.approx(8 * 0.05, rel=1e-3)
    assert mean_of(odd["harsher"], ODD["contrast"]) == pytest.approx(0.2, abs=0.05)
    assert mean_of(odd["paler"], ODD["saturation"]) == pytest.approx(-0.3, abs=0.05)
    gains = odd["blur"][:, 12 : 12 + LUMA_BANDS].mean((0, 2, 3))
    assert gains[-1] < -0.5 and gains[-1] < gains[0]
    half = torch.cat([a[..., :48], noise[..., 48:]], -1)
    unchanged = PairStatistics()(a, half).even8[0, EVEN["unchanged"]]
    assert unchanged[:, :5].min() > 0.999 and unchanged[:, -5:].mean() < 0.1


# -- trunk and distortion network --------------------------------------------------------------------------------------


def test_trunk_is_odd_in_its_odd_input_and_its_even_features_never_see_it(pair: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    statistics = PairStatistics()
    found = statistics(*pair)
    trunk = EvenOddTrunk(statistics.channels, even=4, odd=2, width=16, deep=24, odd_width=8)
    even, odd = torch.randn(2, 4, 10, 12), torch.randn(2, 2, 10, 12)

    def enter(trunk_input: GridStatistics, odd: Tensor) -> tuple[Tensor, Tensor]:
        features, signed = trunk(trunk_input, (even, odd), lambda even, odd: even, lambda even, odd: odd)
        return features, signed

    features, signed = enter(found, odd)
    turned = replace(found, odd8=-found.odd8, odd16=-found.odd16)
    features_back, signed_back = enter(turned, -odd)
    assert torch.equal(features, features_back) and torch.equal(signed, -signed_back) and signed.any()
    nothing = replace(found, odd8=0 * found.odd8, odd16=0 * found.odd16)
    assert not enter(nothing, 0 * odd)[1].any()


def test_relation_is_odd_where_it_has_a_sign_and_even_elsewhere(
    random_networks: Networks, pair: tuple[Tensor, Tensor]
) -> None:
    a, b = pair
    there, back = random_networks.distortion(a, b), random_networks.distortion(b, a)
    for name in ("maps", "direction", "odd"):
        assert torch.equal(getattr(there, name), -getattr(back, name)) and getattr(there, name).any(), name
    for name in ("types", "type_logits", "magnitude", "even"):
        assert torch.equal(getattr(there, name), getattr(back, name)), name
    assert there.maps.abs().max() <= 1 and there.magnitude.min() >= 0 and there.direction.abs().max() <= 1
    assert there.maps.shape == (2, random_networks.distortion.axes, 20, 24)
    same = random_networks.distortion(a, a.clone())
    assert not same.maps.any() and not same.odd.any()


def test_results_for_a_pair_do_not_depend_on_the_rest_of_its_batch(
    random_networks: Networks, pair: tuple[Tensor, Tensor]
) -> None:
    a, b = pair
    whole, alone = random_networks.distortion(a, b).maps[1:], random_networks.distortion(a[1:], b[1:]).maps
    torch.testing.assert_close(whole, alone, rtol=0, atol=1e-6)


def columns_that_differ(run: Callable[[Tensor, Tensor], Tensor], scene: Scene, keep_right: bool) -> Tensor:
    """Cells of a strip 1024 px wide whose result changes when one half of both images is replaced; px from the cut."""
    first, second = (torch.stack([scene(32, 1024, seed), scene(32, 1024, seed + 1)]) for seed in (1, 3))
    order = (second, first) if keep_right else (first, second)
    mixed = torch.cat([order[0][..., :512], order[1][..., 512:]], -1)
    with torch.inference_mode():
        changed = (run(first[:1], first[1:]) != run(mixed[:1], mixed[1:])).any(1)[0].any(0)
    cells = changed.nonzero().flatten() * STRIDE
    return cells + STRIDE - 512 if keep_right else 512 - cells


@pytest.mark.parametrize("keep_right", [True, False])
def test_receptive_fields_are_as_wide_as_stated_and_within_the_halo(
    random_networks: Networks, scene: Scene, keep_right: bool
) -> None:
    distortion, scoring = random_networks.distortion, random_networks.scoring

    def margin(a: Tensor, b: Tensor) -> Tensor:
        local = scoring.pair.local(distortion(a, b))
        return torch.cat([local.margin, local.weight, local.embedding], 1)

    def quality(a: Tensor, b: Tensor) -> Tensor:
        local = scoring.reference.local(a, b, distortion(b, a))
        return torch.cat([local.visibility, local.weight], 1)

    reach = columns_that_differ(lambda a, b: distortion(a, b).maps, scene, keep_right).max()
    assert 100 < reach <= DistortionNetwork.reach_px
    assert DistortionNetwork.reach_px < columns_that_differ(margin, scene, keep_right).max() <= HALO_PX
    assert columns_that_differ(quality, scene, keep_right).max() <= HALO_PX


# -- gradients ---------------------------------------------------------------------------------------------------------


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: torch.zeros(1) if p.grad is None else p.grad for name, p in module.named_parameters()}


def test_gradients_are_finite_also_for_identical_images(random_networks: Networks, pair: tuple[Tensor, Tensor]) -> None:
    networks, everywhere = copy.deepcopy(random_networks).requires_grad_(True), torch.ones(1, 1, 20, 24)
    flat = torch.full_like(pair[0], 0.5)
    for a, b in (pair, (pair[0], pair[0].clone()), (flat, flat.clone()), (0 * flat, pair[1])):
        networks.zero_grad()
        test, reference = a.clone().requires_grad_(True), b.clone().requires_grad_(True)
        relation, forward = networks.distortion(reference, test), networks.distortion(test, reference)
        quality = networks.scoring.reference.local(test, reference, relation)
        margin = networks.scoring.pair.local(forward)
        loss = (
            networks.scoring.reference.quality(quality.sums(everywhere)).sum()
            + networks.scoring.reference.local_quality(quality).mean()
            + networks.scoring.pair.margin(margin.sums(everywhere)).sum()
            + networks.scoring.pair.embedding(margin.sums(everywhere)).square().sum()
            + relation.maps.square().mean()
        )
        loss.backward()
        assert all(gradient.isfinite().all() for gradient in gradients(networks).values())
        assert test.grad is not None and test.grad.isfinite().all()
        assert reference.grad is not None and reference.grad.isfinite().all()


def test_state_dicts_with_the_former_names_of_submodules_load() -> None:
    torch.manual_seed(0)
    written, read = Networks(Architecture(16, 8)), Networks(Architecture(16, 8))
    former = {
        name.replace("odd_stem.", "odd_enter.").replace("stem_deep.", "enter_deep.").replace("stem.", "enter."): value
        for name, value in written.state_dict().items()
    }
    former = {re.sub(r"(distortion|trunk)\.project\.", r"\1.leave.", name): value for name, value in former.items()}
    changed = former.keys() - written.state_dict().keys()
    assert {"distortion.enter.mix.weight", "distortion.trunk.leave.pointwise.expand.bias"} < changed
    read.load_state_dict(former)
    assert all(torch.equal(read.state_dict()[name], value) for name, value in written.state_dict().items())
    with pytest.raises(RuntimeError, match="Missing"):
        read.load_state_dict({name.replace("enter", "entrance"): value for name, value in former.items()})
