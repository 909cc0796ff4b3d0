"""What single distortions promise of their draws, their support and their colours."""

import pytest
import torch

from distortion_engine.catalog import DISTORTIONS, Distortion
from tests.distortion_engine.distortions.runs import PHOTOS, generator, grey, params, run

WITH_SUPPORT = [spec for spec in DISTORTIONS.values() if spec.support is not None]


@pytest.mark.parametrize("name", ["saturate", "desaturate", "hue_rotate_warm", "hue_rotate_cool", "color_diffusion"])
def test_chroma_operations_leave_a_grey_image_alone(name: str) -> None:
    image = grey(40, 40)
    assert torch.allclose(run(DISTORTIONS[name], image, DISTORTIONS[name].ladder[4]), image, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["white_noise", "color_blocks", "dropped_blocks", "foreign_patches", "scratches", "dropped_lines", "jitter"]
)
def test_another_seed_gives_another_draw(name: str) -> None:
    spec = DISTORTIONS[name]
    assert not torch.equal(run(spec, PHOTOS, spec.ladder[4], seed=7), run(spec, PHOTOS, spec.ladder[4], seed=99))


def test_levels_of_a_ladder_share_their_noise() -> None:
    flat, spec = torch.full((1, 3, 32, 32), 0.5), DISTORTIONS["white_noise"]
    mild, strong = (run(spec, flat, amount) - flat for amount in (0.01, 0.02))
    assert torch.allclose(2.0 * mild, strong, atol=1e-5)


NESTED = [
    "impulse_noise", "dead_pixels", "displaced_patches", "color_blocks", "dropped_blocks", "foreign_patches",
    "scratches", "dropped_lines",
]  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_what_is_hit_at_a_low_amount_is_hit_at_a_higher_one(name: str) -> None:
    spec = DISTORTIONS[name]
    hit = [(run(spec, PHOTOS, amount) != PHOTOS).any(dim=1) for amount in spec.ladder]
    assert all(bool((low <= high).all()) for low, high in zip(hit, hit[1:], strict=False))


@pytest.mark.parametrize("name", ["white_noise", "high_frequency_noise", "film_grain"])
def test_noise_has_the_standard_deviation_it_was_asked_for(name: str) -> None:
    flat = torch.full((1, 3, 256, 256), 0.5)
    assert float((run(DISTORTIONS[name], flat, 0.05) - flat).std()) == pytest.approx(0.05, rel=0.03)


def test_masked_noise_spares_flat_regions_and_comfort_noise_keeps_the_energy_of_texture() -> None:
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert torch.equal(run(DISTORTIONS["masked_noise"], flat, 0.3), flat)
    texture = 0.5 + 0.05 * torch.randn((1, 3, 96, 96), generator=torch.Generator().manual_seed(1))
    replaced = run(DISTORTIONS["comfort_noise"], texture, 1.0)
    assert float(replaced.std()) == pytest.approx(float(texture.std()), rel=0.15)
    assert abs(float(torch.corrcoef(torch.stack([replaced.flatten(), texture.flatten()]))[0, 1])) < 0.5


def test_sparse_sampling_keeps_the_pixels_it_sampled() -> None:
    changed = (run(DISTORTIONS["sparse_sampling"], PHOTOS, 60.0) != PHOTOS).any(dim=1).float().mean()
    assert float(changed) == pytest.approx(0.6, abs=0.02)


def test_chroma_noise_keeps_luma() -> None:
    flat = torch.full((1, 3, 64, 64), 0.5)
    weights = torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]
    change = run(DISTORTIONS["chroma_noise"], flat, 0.03) - flat
    assert float(change.std()) > 0.01
    assert float((change * weights).sum(dim=1).abs().max()) < 1e-4


@pytest.mark.parametrize("spec", WITH_SUPPORT, ids=[spec.name for spec in WITH_SUPPORT])
@pytest.mark.parametrize("rung", range(5))
def test_support_covers_exactly_what_changed(spec: Distortion, rung: int) -> None:
    # Noise has no two equal pixels, so a pixel that was replaced has changed.
    image = torch.rand((3, 128, 160), generator=generator(0))
    amount, drawn = spec.ladder[rung], params(spec, 3)
    assert spec.support is not None
    support = spec.support(amount, generator(7), 128, 160, **drawn)
    changed = (spec.apply(image, amount, generator(7), **drawn) != image).any(dim=0)
    assert support.shape == (128, 160) and float(support.min()) >= 0.0 and float(support.max()) <= 1.0
    assert not bool((changed & (support == 0)).any())
    # A wrong motion vector that points outside the frame repeats the edge, which may be the pixel itself.
    assert float((changed == (support > 0)).float().mean()) > 0.98


def test_support_is_empty_at_amount_zero() -> None:
    for spec in WITH_SUPPORT:
        assert spec.support is not None
        assert float(spec.support(0.0, generator(7), 20, 30, **params(spec, 3)).abs().max()) == 0.0


def test_warm_is_redder_and_cool_is_bluer() -> None:
    image = torch.full((1, 3, 16, 16), 0.5)
    warm, cool = (run(DISTORTIONS[f"white_balance_{way}"], image, 1.0)[0, :, 0, 0] for way in ("warm", "cool"))
    assert warm[0] > warm[1] > warm[2] and cool[0] < cool[1] < cool[2]
    red = torch.tensor([0.7, 0.3, 0.3])[None, :, None, None].expand(1, 3, 16, 16)
    turned = run(DISTORTIONS["hue_rotate_warm"], red, 30.0)[0, :, 0, 0]
    assert turned[1] > turned[2] + 0.05  # towards yellow
