"""Metrics that pool the spread of a gradient similarity map: GMSD, its multi-scale chromatic form, and MDSI."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from relational_iqa.conventional.common import (
    PREWITT_TAPS,
    RGB_TO_LMN,
    RGB_TO_YIQ,
    checked_pair,
    dissimilarity,
    gradient_magnitude,
    gradients,
    mix_channels,
    safe_power,
    safe_sqrt,
    shrink,
    viewing_factor,
)

GMSD_CONSTANT = 170 / 255**2  # Xue et al. 2014, c = 170 on [0, 255]

# Zhang, Sun, Xie 2017: weights of the scales, mask alpha, and how chroma error joins in.
MS_GMSD_WEIGHTS = (0.096, 0.596, 0.289, 0.019)
MS_GMSD_ALPHA = 0.5
MS_GMSD_CHROMA, MS_GMSD_MASK, MS_GMSD_SLOPE = 0.01, 0.32, 15.0

# Nafchi et al. 2016, section II, for values in [0, 255].
MDSI_C_EDGE, MDSI_C_MEAN, MDSI_C_CHROMA = 140.0, 55.0, 550.0
MDSI_ALPHA = 0.6
MDSI_AXES = ((0.2989, 0.5870, 0.1140), *RGB_TO_LMN[1:])
MDSI_POWER = 0.25


def gmsd(test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
    """Gradient magnitude similarity deviation (Xue et al. 2014). (B, 3, H, W) x 2 -> (B,), 0 for equal, worst
    about .35."""
    return safe_sqrt(_variance(_gradient_dissimilarity(test, reference)))


def gmsd_map(test: Tensor, reference: Tensor) -> Float[Tensor, "b 1 h w"]:
    """Gradient magnitude similarity of luma at half resolution, (B, 1, ceil(H/2), ceil(W/2)), 1 where equal."""
    return 1 - _gradient_dissimilarity(test, reference)


def _gradient_dissimilarity(test: Tensor, reference: Tensor) -> Tensor:
    def edges(image: Tensor) -> Tensor:
        return gradient_magnitude(shrink(mix_channels(image, RGB_TO_YIQ[:1]), 2, pad="end"), PREWITT_TAPS)

    x, y = (edges(image) for image in checked_pair(test, reference))
    return dissimilarity(x, y, GMSD_CONSTANT)


def ms_gmsd(test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
    """Multi-scale GMSD with chromatic error (Zhang, Sun, Xie 2017). (B, 3, H, W) x 2 -> (B,), 0 for equal, lower is
    better."""
    x, y = (mix_channels(image, RGB_TO_YIQ) * 255 for image in checked_pair(test, reference))
    total = x.new_zeros(x.shape[0])
    for scale, weight in enumerate(MS_GMSD_WEIGHTS):
        x, y = (shrink(planes, 2, pad="end") if scale else planes for planes in (x, y))
        edge_x, edge_y = (gradient_magnitude(planes[:, :1], PREWITT_TAPS) for planes in (x, y))
        total = total + weight * _variance(dissimilarity(edge_x, edge_y, 170.0, MS_GMSD_ALPHA))
    structure = safe_sqrt(total)
    # Chroma is compared at the coarsest scale; the share of chroma falls as structural damage grows.
    chroma = safe_sqrt((x[:, 1:] - y[:, 1:]).square().mean(dim=(2, 3)).sum(dim=1))
    share = 2 / (1 + MS_GMSD_MASK * torch.exp(-MS_GMSD_SLOPE * structure)) - 1
    return share * structure + (1 - share) * MS_GMSD_CHROMA * chroma


def mdsi(test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
    """Mean deviation similarity index (Nafchi et al. 2016), gradient plus chroma, sum form. (B, 3, H, W) x 2 -> (B,),
    0 for equal, lower is better, worst about .7. Not symmetric: edges of the mean image are held against the test's."""
    factor = viewing_factor(test)
    # Edges from luma, colour from the two opponent axes of the Gaussian colour model.
    x, y = (
        mix_channels(shrink(image, factor, pad="centre") * 255, MDSI_AXES) for image in checked_pair(test, reference)
    )
    (gx_test, gy_test), (gx_ref, gy_ref) = (gradients(planes[:, :1], PREWITT_TAPS) for planes in (x, y))
    # The gradient is linear, so the mean image's gradient is the mean of the gradients.
    gx_mean, gy_mean = (gx_test + gx_ref) / 2, (gy_test + gy_ref) / 2
    edge_test, edge_ref, edge_mean = (
        safe_sqrt(gx.square() + gy.square()) for gx, gy in ((gx_test, gy_test), (gx_ref, gy_ref), (gx_mean, gy_mean))
    )
    edges = (
        dissimilarity(edge_test, edge_ref, MDSI_C_EDGE)
        + dissimilarity(edge_test, edge_mean, MDSI_C_MEAN)
        - dissimilarity(edge_ref, edge_mean, MDSI_C_MEAN)
    )
    chroma_x, chroma_y = x[:, 1:], y[:, 1:]
    power = (chroma_x.square() + chroma_y.square()).sum(dim=1, keepdim=True)
    chroma = (chroma_x - chroma_y).square().sum(dim=1, keepdim=True) / (power + MDSI_C_CHROMA)
    combined = 1 - (MDSI_ALPHA * edges + (1 - MDSI_ALPHA) * chroma)
    # The fourth root of a negative value is complex (angle pi / 4), and so is the mean: real and imaginary part apart.
    # The deviation does not change when 1 is taken off, and is exactly 0 for equal images then.
    root = safe_power(combined.abs(), MDSI_POWER)
    angle = math.pi * MDSI_POWER
    real = torch.where(combined < 0, root * math.cos(angle), root) - 1
    imaginary = torch.where(combined < 0, root * math.sin(angle), torch.zeros_like(root))
    real = real - real.mean(dim=(1, 2, 3), keepdim=True)
    imaginary = imaginary - imaginary.mean(dim=(1, 2, 3), keepdim=True)
    deviation = safe_sqrt(real.square() + imaginary.square())
    return safe_power(deviation.mean(dim=(1, 2, 3)), MDSI_POWER)


def _variance(values: Tensor) -> Tensor:
    return (values - values.mean(dim=(1, 2, 3), keepdim=True)).square().mean(dim=(1, 2, 3))
