"""Both paths of a distortion draw the same picture, and gradients reach the image."""

import pytest
import torch
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS, Distortion
from tests.distortion_engine.distortions.runs import PHOTOS, run

PATH_TOLERANCE = 5e-4  # of OpenCV against PyTorch: an eighth of a code value, where gains multiply FILTER_TOLERANCE


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
def test_both_paths_draw_the_same_picture(name: str) -> None:
    spec = DISTORTIONS[name]
    for amount in (spec.ladder[0], spec.ladder[4]):
        slow, _ = with_gradients(spec, PHOTOS[:1], amount)
        assert float((slow - run(spec, PHOTOS[:1], amount)).abs().max()) < PATH_TOLERANCE


HAVE_GRADIENTS = (
    "gaussian_blur lens_blur motion_blur sharpen halo_sharpen pixelate resize_bilinear resize_bicubic resize_lanczos "
    "white_noise multiplicative_noise raw_noise developed_noise film_grain chroma_noise impulse_noise dead_pixels "
    "guided_smooth brighten gamma_up mean_shift_up overexpose darken mean_shift_down low_light vignetting contrast_up "
    "contrast_curve contrast_down saturate desaturate hue_rotate_warm hue_rotate_cool white_balance_warm "
    "white_balance_cool tint_green tint_magenta ghosting foreign_patches scratches dropped_lines color_diffusion "
    "chroma_shift radial_fringing demosaic_errors jitter wobble displaced_patches color_blocks checkerboard haze "
    "veiling_glare denoise masked_noise comfort_noise"
).split()


@pytest.mark.parametrize("name", HAVE_GRADIENTS)
def test_gradients_reach_the_image_and_are_finite(name: str) -> None:
    image = PHOTOS[1:2, :, 20:60, 30:80].clamp(0.02, 0.98)
    _, gradient = with_gradients(DISTORTIONS[name], image, DISTORTIONS[name].ladder[1])
    assert bool(torch.isfinite(gradient).all()) and float((gradient != 0).float().mean()) > 0.2
