"""Every distortion is a pure, deterministic, monotone function of its amount that works on any image."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS, Distortion
from distortion_engine.errors import UsageError

IMAGES = Path(__file__).parents[2] / "images"
EACH = pytest.mark.parametrize("spec", DISTORTIONS.values(), ids=DISTORTIONS.keys())
PATH_TOLERANCE = 5e-4  # of OpenCV against PyTorch: an eighth of a code value, where gains multiply FILTER_TOLERANCE
WITH_SUPPORT = [spec for spec in DISTORTIONS.values() if spec.support is not None]


def photo(number: int) -> Tensor:
    pixels = np.array(Image.open(IMAGES / f"photo_{number}.png"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0


PHOTOS = torch.cat([photo(1), photo(2), photo(3)])


def grey(height: int, width: int) -> Tensor:
    """A textured grey image cut from a photograph."""
    return PHOTOS[:1, 1:2, 40 : 40 + height, 60 : 60 + width].repeat(1, 3, 1, 1)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def params(spec: Distortion, seed: int) -> dict[str, float]:
    return spec.sample_params(np.random.default_rng(seed))


def run(spec: Distortion, images: Tensor, amount: float, seed: int = 7) -> Tensor:
    """`images` (B, 3, H, W), each with parameters and a seed of its own."""
    own = [(image, generator(seed + i), params(spec, 3 + i)) for i, image in enumerate(images)]
    return torch.stack([spec.apply(image, amount, drawn, **values) for image, drawn, values in own])


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b) ** 2).mean(dim=(1, 2, 3))


@EACH
def test_amount_zero_returns_equal_values_in_a_new_tensor(spec: Distortion):
    result = run(spec, PHOTOS, 0.0)
    assert torch.equal(result, PHOTOS)
    assert result.data_ptr() != PHOTOS.data_ptr()


@EACH
def test_the_input_is_never_written(spec: Distortion):
    before = PHOTOS.clone()
    run(spec, PHOTOS, spec.ladder[3])
    assert torch.equal(PHOTOS, before)


@EACH
def test_damage_rises_along_the_ladder_on_every_photograph(spec: Distortion):
    errors = torch.stack([squared_error(run(spec, PHOTOS, amount), PHOTOS) for amount in (0.0, *spec.ladder)])
    assert (errors[1:] > errors[:-1]).all(), errors.tolist()


@EACH
def test_between_rungs_damage_stays_between_theirs(spec: Distortion):
    amounts = [0.5 * (low + high) for low, high in zip(spec.ladder, spec.ladder[1:], strict=False)]
    errors = torch.stack([squared_error(run(spec, PHOTOS, amount), PHOTOS) for amount in spec.ladder]).mean(dim=1)
    middle = torch.stack([squared_error(run(spec, PHOTOS, amount), PHOTOS) for amount in amounts]).mean(dim=1)
    assert (middle >= errors[:-1]).all() and (middle <= errors[1:]).all(), (errors.tolist(), middle.tolist())


@EACH
def test_the_lowest_rung_can_be_measured_and_the_top_one_is_severe(spec: Distortion):
    low, high = (squared_error(run(spec, PHOTOS, amount), PHOTOS).mean() for amount in (spec.ladder[0], spec.ladder[4]))
    assert 10 * torch.log10(1 / low) < 46.0
    assert 10 * torch.log10(1 / high) < 29.0


@EACH
def test_equal_arguments_give_equal_bits(spec: Distortion):
    torch.manual_seed(1)
    once = run(spec, PHOTOS[:1], spec.ladder[2])
    torch.manual_seed(2)  # hidden draws from the global generator would differ
    assert torch.equal(run(spec, PHOTOS[:1], spec.ladder[2]), once)


@EACH
def test_the_number_of_threads_does_not_change_a_bit(spec: Distortion):
    before = torch.get_num_threads(), cv2.getNumThreads()
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            cv2.setNumThreads(threads)
            results.append(run(spec, PHOTOS[:1, :, :127, :159], spec.ladder[3]))
            assert torch.get_num_threads() == threads and cv2.getNumThreads() == threads  # as they were
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
    assert torch.equal(*results)


@EACH
def test_the_result_keeps_shape_and_type_and_stays_in_range(spec: Distortion):
    result = run(spec, PHOTOS, spec.ladder[4])
    assert result.shape == PHOTOS.shape and result.dtype == torch.float32 and result.is_contiguous()
    assert float(result.min()) >= 0.0 and float(result.max()) <= 1.0
    half = run(spec, PHOTOS[:1].half(), spec.ladder[2])
    assert half.dtype == torch.float16 and bool(torch.isfinite(half).all())


@EACH
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (97, 16)])
def test_small_odd_and_grey_images_work_at_every_rung(spec: Distortion, size: tuple[int, int]):
    image = grey(16, 16) if size == (16, 16) else PHOTOS[:1, :, : size[0], : size[1]]
    for amount in (1e-3 * spec.ladder[0], *spec.ladder):
        result = run(spec, image, amount)
        assert result.shape == image.shape
        assert bool(torch.isfinite(result).all())


@EACH
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_stay_finite_and_in_range(spec: Distortion, level: float):
    result = run(spec, torch.full((1, 3, 24, 24), level), spec.ladder[4])
    assert bool(torch.isfinite(result).all()) and float(result.min()) >= 0.0 and float(result.max()) <= 1.0


@pytest.mark.parametrize("name", ["saturate", "desaturate", "hue_rotate_warm", "hue_rotate_cool", "color_diffusion"])
def test_chroma_operations_leave_a_grey_image_alone(name: str):
    image = grey(40, 40)
    assert torch.allclose(run(DISTORTIONS[name], image, DISTORTIONS[name].ladder[4]), image, atol=1e-5)


CODECS = [name for name, spec in DISTORTIONS.items() if spec.codec]


@pytest.mark.parametrize("name", [name for name in DISTORTIONS if name not in CODECS])
def test_a_vanishing_amount_does_almost_nothing(name: str):
    result = run(DISTORTIONS[name], PHOTOS, 1e-4 * DISTORTIONS[name].ladder[0])
    assert float(squared_error(result, PHOTOS).mean()) < 1e-5


@pytest.mark.parametrize("name", CODECS)
def test_codecs_act_in_eight_bits_over_their_whole_range(name: str):
    result = run(DISTORTIONS[name], PHOTOS, 0.01 * DISTORTIONS[name].ladder[0])
    assert torch.allclose(result * 255.0, (result * 255.0).round(), atol=1e-4)
    assert float(squared_error(result, PHOTOS).mean()) < 1e-3


@pytest.mark.parametrize("name", ["white_noise", "color_blocks", "dropped_blocks", "jitter", "film_grain"])
def test_another_seed_gives_another_draw(name: str):
    spec = DISTORTIONS[name]
    assert not torch.equal(run(spec, PHOTOS, spec.ladder[4], seed=7), run(spec, PHOTOS, spec.ladder[4], seed=99))


def test_levels_of_a_ladder_share_their_noise():
    flat, spec = torch.full((1, 3, 32, 32), 0.5), DISTORTIONS["white_noise"]
    mild, strong = (run(spec, flat, amount) - flat for amount in (0.01, 0.02))
    assert torch.allclose(2.0 * mild, strong, atol=1e-5)


NESTED = ["impulse_noise", "dead_pixels", "displaced_patches", "color_blocks", "dropped_blocks"]


@pytest.mark.parametrize("name", NESTED)
def test_what_is_hit_at_a_low_amount_is_hit_at_a_higher_one(name: str):
    spec = DISTORTIONS[name]
    hit = [(run(spec, PHOTOS, amount) != PHOTOS).any(dim=1) for amount in spec.ladder]
    assert all(bool((low <= high).all()) for low, high in zip(hit, hit[1:], strict=False))


@pytest.mark.parametrize("name", ["white_noise", "high_frequency_noise", "film_grain"])
def test_noise_has_the_standard_deviation_it_was_asked_for(name: str):
    flat = torch.full((1, 3, 256, 256), 0.5)
    assert float((run(DISTORTIONS[name], flat, 0.05) - flat).std()) == pytest.approx(0.05, rel=0.03)


def test_masked_noise_spares_flat_regions_and_comfort_noise_keeps_the_energy_of_texture():
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert torch.equal(run(DISTORTIONS["masked_noise"], flat, 0.3), flat)
    texture = 0.5 + 0.05 * torch.randn((1, 3, 96, 96), generator=torch.Generator().manual_seed(1))
    replaced = run(DISTORTIONS["comfort_noise"], texture, 1.0)
    assert float(replaced.std()) == pytest.approx(float(texture.std()), rel=0.15)
    assert abs(float(torch.corrcoef(torch.stack([replaced.flatten(), texture.flatten()]))[0, 1])) < 0.5


def test_sparse_sampling_keeps_the_pixels_it_sampled():
    changed = (run(DISTORTIONS["sparse_sampling"], PHOTOS, 60.0) != PHOTOS).any(dim=1).float().mean()
    assert float(changed) == pytest.approx(0.6, abs=0.02)


def test_chroma_noise_keeps_luma():
    flat = torch.full((1, 3, 64, 64), 0.5)
    weights = torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]
    change = run(DISTORTIONS["chroma_noise"], flat, 0.03) - flat
    assert float(change.std()) > 0.01
    assert float((change * weights).sum(dim=1).abs().max()) < 1e-4


@pytest.mark.parametrize("spec", WITH_SUPPORT, ids=[spec.name for spec in WITH_SUPPORT])
@pytest.mark.parametrize("rung", range(5))
def test_support_covers_exactly_what_changed(spec: Distortion, rung: int):
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


def test_support_is_empty_at_amount_zero():
    for spec in WITH_SUPPORT:
        assert spec.support is not None
        assert float(spec.support(0.0, generator(7), 20, 30, **params(spec, 3)).abs().max()) == 0.0


def test_warm_is_redder_and_cool_is_bluer():
    image = torch.full((1, 3, 16, 16), 0.5)
    warm, cool = (run(DISTORTIONS[f"white_balance_{way}"], image, 1.0)[0, :, 0, 0] for way in ("warm", "cool"))
    assert warm[0] > warm[1] > warm[2] and cool[0] < cool[1] < cool[2]
    red = torch.tensor([0.7, 0.3, 0.3])[None, :, None, None].expand(1, 3, 16, 16)
    turned = run(DISTORTIONS["hue_rotate_warm"], red, 30.0)[0, :, 0, 0]
    assert turned[1] > turned[2] + 0.05  # towards yellow


def with_gradients(spec: Distortion, image: Tensor, amount: float) -> tuple[Tensor, Tensor]:
    """The result of the PyTorch path, and the gradient of its sum of squares at `image`."""
    leaf = image.clone().requires_grad_(True)
    result = run(spec, leaf, amount)
    if not result.requires_grad:
        return result, torch.zeros_like(image)
    (result**2).sum().backward()
    assert leaf.grad is not None
    return result.detach(), leaf.grad


# Those whose results depend on the image through a decision (rounding to a level, a threshold) may decide otherwise.
DECIDES = ["quantize", "quantize_dither", "banding", "sr_painted", "denoise_residual", "sparse_sampling"]


@pytest.mark.parametrize("name", [name for name in DISTORTIONS if name not in DECIDES])
def test_both_paths_draw_the_same_picture(name: str):
    spec = DISTORTIONS[name]
    for amount in (spec.ladder[0], spec.ladder[4]):
        slow, _ = with_gradients(spec, PHOTOS[:1], amount)
        assert float((slow - run(spec, PHOTOS[:1], amount)).abs().max()) < PATH_TOLERANCE


HAVE_GRADIENTS = (
    "gaussian_blur lens_blur motion_blur sharpen halo_sharpen pixelate resize_bilinear resize_bicubic resize_lanczos "
    "white_noise multiplicative_noise raw_noise film_grain chroma_noise impulse_noise dead_pixels guided_smooth "
    "brighten gamma_up mean_shift_up overexpose darken mean_shift_down low_light vignetting contrast_up contrast_curve "
    "contrast_down saturate desaturate hue_rotate_warm hue_rotate_cool white_balance_warm white_balance_cool "
    "color_diffusion chroma_shift radial_fringing demosaic_errors jitter wobble displaced_patches color_blocks "
    "checkerboard haze veiling_glare denoise masked_noise comfort_noise"
).split()


@pytest.mark.parametrize("name", HAVE_GRADIENTS)
def test_gradients_reach_the_image_and_are_finite(name: str):
    image = PHOTOS[1:2, :, 20:60, 30:80].clamp(0.02, 0.98)
    _, gradient = with_gradients(DISTORTIONS[name], image, DISTORTIONS[name].ladder[1])
    assert bool(torch.isfinite(gradient).all()) and float((gradient != 0).float().mean()) > 0.2


def test_threads_that_distort_at_the_same_time_leave_the_number_of_threads_as_it_was():
    spec, before = DISTORTIONS["gaussian_blur"], (torch.get_num_threads(), cv2.getNumThreads())
    try:
        torch.set_num_threads(2)
        cv2.setNumThreads(2)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda image: spec.apply(image, 2.0, torch.Generator()), PHOTOS.repeat(8, 1, 1, 1)))
        assert torch.get_num_threads() == 2 and cv2.getNumThreads() == 2
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
    assert torch.equal(torch.stack(results), run(spec, PHOTOS, 2.0).repeat(8, 1, 1, 1))


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_an_unusable_amount_is_refused(amount: float):
    with pytest.raises(UsageError, match="expected a finite number"):
        run(DISTORTIONS["gaussian_blur"], PHOTOS, amount)


def test_shapes_that_do_not_fit_are_refused():
    for shape in ((1, 32, 32), (1, 3, 32, 32), (3, 15, 32), (3, 32, 15)):
        with pytest.raises(UsageError, match=r"expected \(3, H, W\) with sides of at least 16 px"):
            DISTORTIONS["white_noise"].apply(torch.zeros(shape), 1.0, generator(0))
