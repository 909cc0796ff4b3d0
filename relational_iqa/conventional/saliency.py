"""VSI: gradient and chroma similarity, pooled by visual saliency (Zhang, Shen, Li 2014; saliency: SDSP, 2013)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from relational_iqa.conventional.common import (
    RGB_TO_LMN,
    SCHARR_TAPS,
    checked_pair,
    dissimilarity,
    gradient_magnitude,
    in_chunks,
    mix_channels,
    real_power,
    safe_sqrt,
    shrink,
    viewing_factor,
    weighted_mean,
)

C_SALIENCY, C_GRADIENT, C_CHROMA = 1.27, 386.0, 130.0  # table I of the paper, values in [0, 255]
POWER_GRADIENT, POWER_CHROMA = 0.4, 0.02

SALIENCY_SIDE_PX = 256
OMEGA_0, SIGMA_F = 0.021, 1.34  # log-Gabor band, cycles a pixel
SIGMA_D_PX = 145.0  # centre prior
SIGMA_C = 0.001  # warm-colour prior
# CIE 15: sRGB to XYZ, and the D50 white that the published comparison values were made with.
RGB_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
WHITE = (0.9642, 1.0, 0.8251)
CHROMA_RANGE_MIN = 1e-2  # CIELAB units; below it an image is grey and a, b hold rounding noise only


def vsi(test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
    """Visual saliency-induced index. (B, 3, H, W) x 2 -> (B,), in [0, 1], 1 for equal."""
    pair = checked_pair(test, reference)
    factor = viewing_factor(test)
    salient_x, salient_y = (shrink(in_chunks(saliency, image, 3), factor, pad="replicate") for image in pair)
    x, y = (mix_channels(shrink(image * 255, factor, pad="replicate"), RGB_TO_LMN) for image in pair)
    return pooled_similarity(x, y, salient_x, salient_y)


def pooled_similarity(
    x: Float[Tensor, "b 3 h w"],
    y: Float[Tensor, "b 3 h w"],
    salient_x: Float[Tensor, "b 1 h w"],
    salient_y: Float[Tensor, "b 1 h w"],
) -> Float[Tensor, " b"]:
    """The index at viewing scale.

    Args:
        x: the test image in the colours of RGB_TO_LMN, values in [0, 255].
        y: the reference, likewise.
        salient_x: saliency of the test image, in [0, 1].
        salient_y: that of the reference.
    """
    edge_x, edge_y = (gradient_magnitude(planes[:, :1], SCHARR_TAPS) for planes in (x, y))
    chroma = (1 - dissimilarity(x[:, 1:], y[:, 1:], C_CHROMA)).prod(dim=1, keepdim=True)
    local = (
        (1 - dissimilarity(salient_x, salient_y, C_SALIENCY))
        * (1 - dissimilarity(edge_x, edge_y, C_GRADIENT)) ** POWER_GRADIENT
        * real_power(chroma, POWER_CHROMA)
    )
    return 1 - weighted_mean(1 - local, torch.maximum(salient_x, salient_y))


def saliency(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """SDSP saliency in [0, 1] of an image in [0, 1]: band-pass energy in CIELAB x centre prior x warm-colour prior,
    computed at 256 x 256. A grey image has no colour prior: the formula would amplify rounding."""
    small = F.interpolate(image, (SALIENCY_SIDE_PX, SALIENCY_SIDE_PX), mode="bilinear", align_corners=False)
    full = F.interpolate(small_saliency(small), image.shape[-2:], mode="bilinear", align_corners=True)
    low, high = full.amin(dim=(2, 3), keepdim=True), full.amax(dim=(2, 3), keepdim=True)
    return (full - low) / (high - low).clamp_min(torch.finfo(image.dtype).eps)


def small_saliency(image: Float[Tensor, "b 3 256 256"]) -> Float[Tensor, "b 1 256 256"]:
    """SDSP saliency, at least 0, not yet brought to [0, 1]."""
    lab = _cielab(image)
    spectrum = torch.fft.rfft2(lab) * _log_gabor(lab)
    energy = safe_sqrt(torch.fft.irfft2(spectrum, s=lab.shape[-2:]).square().sum(dim=1, keepdim=True))
    opponent = lab[:, 1:]
    low, high = opponent.amin(dim=(2, 3), keepdim=True), opponent.amax(dim=(2, 3), keepdim=True)
    grey = high - low < CHROMA_RANGE_MIN
    warm = torch.where(grey, torch.ones_like(opponent), (opponent - low) / (high - low).clamp_min(CHROMA_RANGE_MIN))
    # The floor of the exponent changes nothing but keeps exp out of slow subnormal results.
    colour = 1 - torch.exp((-warm.square().sum(dim=1, keepdim=True) / SIGMA_C**2).clamp_min(-80))
    position = torch.arange(SALIENCY_SIDE_PX, dtype=image.dtype, device=image.device) - SALIENCY_SIDE_PX // 2 + 1
    fall = torch.exp(-position.square() / SIGMA_D_PX**2)
    return energy * colour * fall[:, None] * fall[None, :]


def _log_gabor(like: Tensor) -> Tensor:
    """Radial log-Gabor response over the half plane of rfft2, (256, 129), zero at the mean and beyond Nyquist."""
    vertical = torch.fft.fftfreq(SALIENCY_SIDE_PX, dtype=like.dtype, device=like.device)[:, None]
    horizontal = torch.fft.rfftfreq(SALIENCY_SIDE_PX, dtype=like.dtype, device=like.device)[None, :]
    radius = torch.sqrt(vertical**2 + horizontal**2)
    inside = (radius > 0) & (radius <= 0.5)
    logarithm = torch.log(radius.clamp_min(1e-6) / OMEGA_0)
    return torch.exp(-logarithm.square() / (2 * SIGMA_F**2)) * inside


def _cielab(image: Tensor) -> Tensor:
    """sRGB (B, 3, H, W) in [0, 1] to CIELAB."""
    linear = torch.where(image <= 0.04045, image / 12.92, ((image.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)
    xyz = mix_channels(linear, RGB_TO_XYZ) / linear.new_tensor(WHITE).view(1, 3, 1, 1)
    threshold = (6 / 29) ** 3
    cube = torch.where(xyz > threshold, xyz.clamp_min(threshold) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = cube.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
