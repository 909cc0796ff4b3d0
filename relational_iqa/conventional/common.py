"""Pieces that several conventional metrics share: input checks, colour transforms, gradients, dissimilarity, pooling.

Equal images have to give exactly the best value on every processor. Two rules make that so. The same operations run on
`test` and on `reference`, each in a tensor of its own with the same layout, so that equal pixels become equal features
to the bit. Features are compared by their difference, (x - y)^2 / (...), which is exactly 0 there, and pooled before
anything is subtracted from 1: a mean of zeros is exact, a mean of ones need not be.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from distortion_engine.errors import ImageError
from distortion_engine.jobs.forks import one_thread_in_forks

MIN_SIDE_PX = 16
SLACK = 0.25  # how far outside [0, 1] a value may lie that is in the same unit
CHUNK_VALUES = 2**18  # float32 values of one temporary that fit a 1 MiB cache

# ITU / NTSC luma and the two opponent axes of it (Y, I, Q).
RGB_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
# Gaussian colour model of Geusebroek et al. 2001, as used by VSI and MDSI (L, M, N).
RGB_TO_LMN = ((0.06, 0.63, 0.27), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))

PREWITT_TAPS = (1 / 3, 1 / 3, 1 / 3)
SCHARR_TAPS = (3 / 16, 10 / 16, 3 / 16)


def check_pair(test: Tensor, reference: Tensor) -> None:
    """Raise ImageError unless both are floating (B, 3, H, W) of one shape with sides of at least MIN_SIDE_PX, and the
    reference lies in [0, 1], give or take `SLACK`. What is trained may stray from it, so `test` is not asked."""
    one_thread_in_forks()  # here, where every metric comes by, before it computes
    for name, image in (("test", test), ("reference", reference)):
        if image.dim() != 4 or image.shape[1] != 3:
            raise ImageError(f"{name} has shape {tuple(image.shape)}; expected (B, 3, H, W): add a batch dimension")
        if not image.is_floating_point():
            raise ImageError(f"{name} has type {image.dtype}; expected floats in [0, 1]: divide 8-bit values by 255")
        if min(image.shape[-2:]) < MIN_SIDE_PX:
            raise ImageError(
                f"{name} is {image.shape[-1]} x {image.shape[-2]} px; at least {MIN_SIDE_PX} px are needed"
            )
    if test.shape != reference.shape:
        raise ImageError(f"test {tuple(test.shape)} and reference {tuple(reference.shape)} differ: resize or crop one")
    if reference.numel() and not torch.jit.is_tracing():
        low, high = (float(value) for value in torch.aminmax(reference.detach().float()))
        if not (low >= -SLACK and high <= 1 + SLACK):  # also for NaN
            raise ImageError(f"reference: values from {low:g} to {high:g}, expected 0 to 1; rescale both images")


def checked_pair(test: Tensor, reference: Tensor) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"]]:
    """Both images after `check_pair`, in one type and one memory layout, so that equal pixels take the same path."""
    check_pair(test, reference)
    dtype = torch.promote_types(test.dtype, reference.dtype)
    return test.to(dtype).contiguous(), reference.to(dtype).contiguous()


def mix_channels(image: Float[Tensor, "b 3 h w"], matrix: Sequence[Sequence[float]]) -> Float[Tensor, "b n h w"]:
    """Linear colour transform by an n x 3 matrix.

    Sums of planes and not a matrix product, whose last bits may depend on where in memory an image begins.
    """
    red, green, blue = image.split(1, dim=1)
    mixed = [torch.add(torch.add(red * row[0], green, alpha=row[1]), blue, alpha=row[2]) for row in matrix]
    return torch.cat(mixed, dim=1)


def shrink(image: Float[Tensor, "b c _ _"], factor: int, pad: str = "none") -> Float[Tensor, "b c _ _"]:
    """Averages over `factor` x `factor` blocks, with the border handling of the published code of each metric.

    Incomplete blocks at the right and at the bottom are dropped after the padding.

    Args:
        image: (B, C, H, W).
        factor: side of a block in px; 1 returns the image as it is.
        pad: "none"; "end" appends a row and a column of zeros where a side is odd; "centre" pads with zeros, (factor -
            1) // 2 px before and factor // 2 px after; "replicate" repeats the border, factor // 2 px before and
            (factor - 1) // 2 px after.
    """
    if factor == 1:
        return image
    if pad == "end":
        odd = max(image.shape[-2] % 2, image.shape[-1] % 2)
        image = F.pad(image, (0, odd, 0, odd)) if odd else image
    elif pad == "centre":
        before, after = (factor - 1) // 2, factor // 2
        image = F.pad(image, (before, after, before, after))
    elif pad == "replicate":
        before, after = factor // 2, (factor - 1) // 2
        image = F.pad(image, (before, after, before, after), mode="replicate")
    return F.avg_pool2d(image, factor)


def viewing_factor(image: Tensor) -> int:
    """Block size that brings the shorter side near 256 px, the scale these metrics were designed for (at least 1)."""
    return max(1, round(min(image.shape[-2:]) / 256))


def gradients(
    image: Float[Tensor, "b c h w"], taps: Sequence[float]
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
    """Horizontal and vertical derivative: central difference across, 3-tap smoothing along, zeros outside.

    Shifted sums instead of a convolution: several times faster for one channel on a CPU.
    """
    padded = F.pad(image, (1, 1, 1, 1))
    outer, inner, _ = taps
    rows = outer * (padded[..., :-2, :] + padded[..., 2:, :]) + inner * padded[..., 1:-1, :]
    columns = outer * (padded[..., :, :-2] + padded[..., :, 2:]) + inner * padded[..., :, 1:-1]
    return rows[..., :, 2:] - rows[..., :, :-2], columns[..., 2:, :] - columns[..., :-2, :]


def safe_sqrt(value: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Square root with gradient 0 (not infinite) at 0, so that metrics stay usable as losses on equal pixels."""
    return safe_power(value, 0.5)


def safe_power(value: Float[Tensor, "*any"], exponent: float) -> Float[Tensor, "*any"]:
    """value ** exponent for value >= 0 and 0 < exponent < 1, exactly 0 with gradient 0 where value is 0."""
    if not value.requires_grad:
        return _power(value, exponent)
    positive = value > 0
    root = _power(torch.where(positive, value, torch.ones_like(value)), exponent)
    return torch.where(positive, root, torch.zeros_like(value))


def _power(value: Tensor, exponent: float) -> Tensor:
    # Square roots are several times faster than a general power.
    if exponent == 0.5:
        return value.sqrt()
    return value.sqrt().sqrt() if exponent == 0.25 else value.pow(exponent)


def in_chunks(function: Callable[[Tensor], Tensor], images: Tensor, values_per_pixel: int) -> Tensor:
    """`function` over a few images at a time, so that its temporaries (`values_per_pixel` each) stay in the cache and
    memory does not grow with the batch. The result is that of the whole batch."""
    count = max(1, CHUNK_VALUES // (images.shape[-2] * images.shape[-1] * values_per_pixel))
    return torch.cat([function(chunk) for chunk in images.split(count)])


def gradient_magnitude(image: Float[Tensor, "b c h w"], taps: Sequence[float]) -> Float[Tensor, "b c h w"]:
    """Length of the gradient of `gradients`."""
    horizontal, vertical = gradients(image, taps)
    return safe_sqrt(horizontal * horizontal + vertical * vertical)


def dissimilarity(
    x: Float[Tensor, "*any"], y: Float[Tensor, "*any"], constant: float, alpha: float = 0.0
) -> Float[Tensor, "*any"]:
    """1 minus the similarity ((2 - alpha) xy + c) / (x^2 + y^2 - alpha xy + c) that all these metrics share.

    Computed as (x - y)^2 / (x^2 + y^2 - alpha xy + c): exactly 0 where x and y are equal, at most 1 where both are
    positive, at most 2 otherwise.

    Args:
        x: a feature of the first image.
        y: the same feature of the second image.
        constant: c > 0, which makes values that are small against it count as similar.
        alpha: 0 for the usual form; MS-GMSD takes 0.5.
    """
    power = x * x + y * y
    return (x - y).square() / ((power - alpha * (x * y) if alpha else power) + constant)


def real_power(value: Float[Tensor, "*any"], exponent: float) -> Float[Tensor, "*any"]:
    """Real part of value ** exponent; a negative base turns by pi * exponent, as MATLAB's real(x .^ e) does."""
    magnitude = safe_power(value.abs(), exponent)
    return torch.where(value < 0, magnitude * math.cos(math.pi * exponent), magnitude)


def weighted_mean(values: Float[Tensor, "b c h w"], weights: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Mean of each image with weights >= 0; plain mean where all weights are 0, which a constant image gives to
    saliency or phase weights."""
    total = weights.sum(dim=(1, 2, 3))
    empty = total <= 0
    weighted = (values * weights).sum(dim=(1, 2, 3)) / torch.where(empty, torch.ones_like(total), total)
    return torch.where(empty, values.mean(dim=(1, 2, 3)), weighted)
