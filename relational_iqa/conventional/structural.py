"""PSNR and the SSIM family: scores, and the pixel maps they are means of."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from relational_iqa.conventional.common import checked_pair, shrink, viewing_factor

WINDOW_PX, WINDOW_SIGMA_PX = 11, 1.5
C1, C2 = 0.01**2, 0.03**2  # (K1 L)^2, (K2 L)^2 of Wang et al. 2004 with dynamic range L = 1
# Exponents of the five scales, Wang, Simoncelli and Bovik 2003, section 3.2.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
IDENTICAL_DB = 80.0  # what equal images give instead of infinity
MSE_FLOOR = 10 ** (-IDENTICAL_DB / 10)


def psnr(test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio in dB over all three channels, peak 1. (B, 3, H, W) x 2 -> (B,), at most 80."""
    test, reference = checked_pair(test, reference)
    return _decibels((test - reference).square().mean(dim=(1, 2, 3)))


def psnr_map(test: Tensor, reference: Tensor) -> Float[Tensor, "b 1 h w"]:
    """PSNR of every pixel on its own, in dB, (B, 1, H, W); equal pixels 80."""
    test, reference = checked_pair(test, reference)
    return _decibels((test - reference).square().mean(dim=1, keepdim=True))


def _decibels(mse: Tensor) -> Tensor:
    """-10 log10(mse + MSE_FLOOR), as the distance from the value of equal images, which is exact at 0."""
    return (IDENTICAL_DB - 10 / math.log(10) * torch.log1p(mse / MSE_FLOOR)).clamp_min(0)


def ssim(test: Tensor, reference: Tensor, *, downsample: bool = True) -> Float[Tensor, " b"]:
    """Structural similarity, mean of the three channels (Wang et al. 2004). (B, 3, H, W) x 2 -> (B,), in (-1, 1].

    `downsample`: average blocks first so that the shorter side is near 256 px, the authors' rule for viewing distance.
    """
    damage = joint_dissimilarity(*ssim_dissimilarities(*_at_viewing_scale(test, reference, downsample)))
    return 1 - damage.mean(dim=(1, 2, 3))


def ssim_map(test: Tensor, reference: Tensor, *, downsample: bool = False) -> Float[Tensor, "b 1 h w"]:
    """SSIM of the window around every pixel, (B, 1, H, W) at the input's size, in (-1, 1]; borders repeat the last
    complete window."""
    damage = joint_dissimilarity(*ssim_dissimilarities(*_at_viewing_scale(test, reference, downsample)))
    inner = 1 - damage.mean(dim=1, keepdim=True)
    margin = WINDOW_PX // 2
    framed = F.pad(inner, (margin, margin, margin, margin), mode="replicate")
    return framed if framed.shape[-2:] == test.shape[-2:] else F.interpolate(framed, test.shape[-2:], mode="bilinear")


def ms_ssim(test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
    """Multi-scale SSIM (Wang, Simoncelli, Bovik 2003), mean of the three channels. (B, 3, H, W) x 2 -> (B,), in [0, 1].

    Images below 176 px have no room for five scales of an 11-px window: the finest scales that fit are used, with
    their exponents scaled to the same sum.
    """
    test, reference = checked_pair(test, reference)
    weights = _ms_ssim_weights(min(test.shape[-2:]))
    total = torch.ones_like(test[:, :, 0, 0])
    for scale, weight in enumerate(weights):
        if scale:
            test, reference = shrink(test, 2, pad="end"), shrink(reference, 2, pad="end")
        structure, luminance = ssim_dissimilarities(test, reference)
        last = scale == len(weights) - 1
        mean = 1 - (joint_dissimilarity(structure, luminance) if last else structure).mean(dim=(2, 3))
        # Negative structure means inverted contrast: as bad as none. The floor keeps the gradient of the power finite.
        total = total * mean.clamp_min(1e-6) ** weight
    return 1 - (1 - total).mean(dim=1)


def _ms_ssim_weights(side_px: int) -> tuple[float, ...]:
    scales = 0
    while scales < len(MS_SSIM_WEIGHTS) and side_px >= WINDOW_PX:
        scales, side_px = scales + 1, (side_px + 1) // 2
    used = MS_SSIM_WEIGHTS[:scales]
    return tuple(weight * sum(MS_SSIM_WEIGHTS) / sum(used) for weight in used)


def _at_viewing_scale(test: Tensor, reference: Tensor, downsample: bool) -> tuple[Tensor, Tensor]:
    test, reference = checked_pair(test, reference)
    factor = viewing_factor(test) if downsample else 1
    return shrink(test, factor), shrink(reference, factor)


def ssim_dissimilarities(
    x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"]
) -> tuple[Float[Tensor, "b c h-10 w-10"], Float[Tensor, "b c h-10 w-10"]]:
    """1 minus the contrast-structure term of SSIM, in [0, 2), and 1 minus its luminance term, in [0, 1], of every
    complete window of `WINDOW_PX`. Images in [0, 1]; every channel by itself.

    Both are computed from the difference of the images: they are exactly 0 where the images are equal, and their
    gradients are finite there.
    """
    difference = x - y
    moments = torch.cat([x, y, difference, x * x + y * y, difference.square()], dim=1)
    mean_x, mean_y, mean_difference, power, square_difference = _blur(moments).chunk(5, dim=1)
    mean_power = mean_x.square() + mean_y.square()
    # var(x) + var(y) - 2 cov(x, y) = var(x - y); rounding may bring variances just below 0.
    variance = (square_difference - mean_difference.square()).clamp_min(0)
    variances = torch.maximum((power - mean_power).clamp_min(0), variance / 2)  # var(x - y) <= 2 (var x + var y)
    return variance / (variances + C2), mean_difference.square() / (mean_power + C1)


def joint_dissimilarity(first: Float[Tensor, "*any"], second: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """1 - (1 - first) (1 - second): that of a product of two similarities, exactly 0 where both are 0."""
    return first + second - first * second


def _blur(planes: Tensor) -> Tensor:
    """Gaussian window over every plane of (B, C, H, W), complete windows only, one axis at a time."""
    offset = torch.arange(WINDOW_PX, dtype=planes.dtype, device=planes.device) - WINDOW_PX // 2
    taps = torch.exp(-offset.square() / (2 * WINDOW_SIGMA_PX**2))
    channels = planes.shape[1]
    taps = (taps / taps.sum()).view(1, 1, 1, -1).repeat(channels, 1, 1, 1)
    return F.conv2d(F.conv2d(planes, taps, groups=channels), taps.transpose(2, 3), groups=channels)
