"""Camera and scene: haze, veiling glare, vignetting, demosaicing errors, and in-camera noise reduction that smears."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from distortion_engine.distortions.color_conversion import from_linear, to_linear
from distortion_engine.distortions.contract import Image, distortion
from distortion_engine.distortions.filters import convolve, gaussian, pad_symmetric, pixel_grid, self_guided
from distortion_engine.distortions.frame import frame_coordinates, profile_coordinates, with_mean_one
from distortion_engine.distortions.random_fields import unit_normal

BILATERAL_RADIUS_PX = 3
BILATERAL_SIGMA_PX = 2.0
HAZE_SLOPE = 0.8  # of the optical depth from one edge of the frame to the other, over that at the centre
NOISE_SHARE = 0.4  # of the range sigma: noise of this standard deviation is what the denoiser was set up to remove


def _haze_depth(y: Tensor, x: Tensor, angle_deg: float) -> Tensor:
    """Optical depth (H, W) over that at the centre: rises linearly towards `angle_deg` (0 right, 90 bottom)."""
    angle = math.radians(angle_deg)
    return 1.0 + HAZE_SLOPE * (y * math.sin(angle) + x * math.cos(angle))


@distortion
def haze(image: Image, amount: float, generator: Generator, *, angle_deg: float, airlight: float) -> Image:
    """Atmospheric scattering (Koschmieder), denser towards `angle_deg`; amount = optical depth at the centre."""
    transmission = torch.exp(-amount * _haze_depth(*frame_coordinates(image), angle_deg))
    return airlight + (image - airlight) * transmission


def haze_profile(amount: float, params: Mapping[str, float], height: int, width: int) -> Float[Tensor, "h w"]:
    """Share of the light at each pixel that is airlight, over its mean."""
    depth = _haze_depth(*profile_coordinates(height, width), params["angle_deg"])
    return with_mean_one(-torch.expm1(-amount * depth))


@distortion
def veiling_glare(image: Image, amount: float, generator: Generator, *, glare_px: float) -> Image:
    """Light scattered in the lens, screened over the picture; amount = its share, at most 1."""
    veil = gaussian(image, glare_px)
    return 1.0 - (1.0 - image) * (1.0 - min(amount, 1.0) * veil)


def _corner_distance_squared(y: Tensor, x: Tensor) -> Tensor:
    """Squared distance (H, W) from the centre: 1 in the corners."""
    return 2.0 * (y * y + x * x)


@distortion
def vignetting(image: Image, amount: float, generator: Generator) -> Image:
    """Light fall-off towards the corners, 1 / (1 + amount r^2)^2 of linear light with r = 1 at the corner."""
    distance = _corner_distance_squared(*frame_coordinates(image))
    weakening = 1.0 + amount * distance
    return from_linear(to_linear(image) / (weakening * weakening))


def vignetting_profile(amount: float, params: Mapping[str, float], height: int, width: int) -> Float[Tensor, "h w"]:
    """Stops of light lost at each pixel, over their mean."""
    return with_mean_one(torch.log1p(amount * _corner_distance_squared(*profile_coordinates(height, width))))


@distortion
def demosaic_errors(image: Image, amount: float, generator: Generator, *, phase: float) -> Image:
    """Zipper and false colour of bilinear demosaicing of a Bayer mosaic; amount = gain on the error, 1 = as it is."""
    row, column = pixel_grid(image)
    corner = int(phase) % 4
    odd_row, odd_column = (row + corner // 2) % 2, (column + corner % 2) % 2
    red, blue = (1.0 - odd_row) * (1.0 - odd_column), odd_row * odd_column
    sampled = torch.stack([red, 1.0 - red - blue, blue])
    tent = torch.tensor([0.5, 1.0, 0.5])
    kernel = tent[:, None] * tent[None, :]
    filled = convolve(image * sampled, kernel) / convolve(sampled, kernel)
    rebuilt = torch.where(sampled > 0.5, image, filled)
    return image + amount * (rebuilt - image)


@distortion
def denoise(image: Image, amount: float, generator: Generator) -> Image:
    """Sensor noise taken out by a bilateral filter, and texture with it; amount = range sigma of the filter."""
    noisy = (image + NOISE_SHARE * amount * unit_normal(image.shape, generator, image)).clamp(0.0, 1.0)
    radius, (height, width) = BILATERAL_RADIUS_PX, image.shape[1:]
    padded = pad_symmetric(noisy, radius, radius)
    total, weights = torch.zeros_like(image), torch.zeros_like(image[:1])
    for down in range(2 * radius + 1):
        for right in range(2 * radius + 1):
            neighbour = padded[:, down : down + height, right : right + width]
            difference = ((neighbour - noisy) ** 2).sum(dim=0, keepdim=True).div_(3.0 * amount**2)
            distance = ((down - radius) ** 2 + (right - radius) ** 2) / BILATERAL_SIGMA_PX**2
            weight = difference.add_(distance).mul_(-0.5).exp_()
            total = weight * neighbour + total
            weights = weight + weights
    return torch.div(total, weights)


@distortion
def guided_smooth(image: Image, amount: float, generator: Generator, *, radius_px: float) -> Image:
    """Edge-keeping smoothing that wipes out texture; amount = sqrt(eps) of the self-guided filter (He et al. 2010)."""
    return self_guided(image, max(1, round(radius_px)), amount)
