"""FSIM with colour: similarity of phase congruency, gradient and chroma (Zhang et al. 2011; Kovesi 1999)."""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from relational_iqa.conventional.common import (
    RGB_TO_YIQ,
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

T_PHASE, T_GRADIENT, T_CHROMA, LAMBDA = 0.85, 160.0, 200.0, 0.03  # section IV of the paper, values in [0, 255]

# Kovesi's phase congruency with the settings of the FSIM authors.
SCALES, ORIENTATIONS = 4, 4
MIN_WAVELENGTH_PX, SCALE_STEP, SIGMA_F = 6.0, 2.0, 0.55
SIGMA_ANGLE = math.pi / ORIENTATIONS / 1.2
NOISE_SIGMAS, NOISE_RESCALE = 2.0, 1.7
LOW_PASS_CUTOFF, LOW_PASS_ORDER = 0.45, 15
EPSILON = 1e-4


def fsim(test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
    """Feature similarity index, chromatic form. (B, 3, H, W) x 2 -> (B,), in [0, 1], 1 for equal."""
    factor = viewing_factor(test)
    x, y = (mix_channels(shrink(image, factor) * 255, RGB_TO_YIQ) for image in checked_pair(test, reference))
    phase_x, phase_y = (in_chunks(phase_congruency, planes[:, :1], 2 * SCALES) for planes in (x, y))
    edge_x, edge_y = (gradient_magnitude(planes[:, :1], SCHARR_TAPS) for planes in (x, y))
    chroma = (1 - dissimilarity(x[:, 1:], y[:, 1:], T_CHROMA)).prod(dim=1, keepdim=True)
    local = (
        (1 - dissimilarity(phase_x, phase_y, T_PHASE))
        * (1 - dissimilarity(edge_x, edge_y, T_GRADIENT))
        * real_power(chroma, LAMBDA)
    )
    return 1 - weighted_mean(1 - local, torch.maximum(phase_x, phase_y))


def phase_congruency(luma: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Phase congruency in [0, 1] of luma in [0, 255]: features whatever their contrast."""
    height, width = luma.shape[-2:]
    filters, noise_gains = _bank(height, width, luma.dtype, luma.device)
    spectrum = torch.view_as_real(torch.fft.fft2(luma))
    energy_sum, amplitude_sum = torch.zeros_like(luma), torch.zeros_like(luma)
    for orientation in range(ORIENTATIONS):
        # (B, scales, H, W), even + i odd; a real filter times complex values as pairs, which saves the promotion
        response = torch.fft.ifft2(torch.view_as_complex(spectrum * filters[orientation].unsqueeze(-1)))
        even, odd = response.real.contiguous(), response.imag.contiguous()
        amplitude = safe_sqrt(even * even + odd * odd)
        mean_even, mean_odd = even.sum(dim=1, keepdim=True), odd.sum(dim=1, keepdim=True)
        length = safe_sqrt(mean_even.square() + mean_odd.square()) + EPSILON
        mean_even, mean_odd = mean_even / length, mean_odd / length
        aligned = even * mean_even + odd * mean_odd - (even * mean_odd - odd * mean_even).abs()
        # Noise: the finest scale is mostly noise, its median energy gives the power (Rayleigh statistics, Kovesi 1999).
        finest = amplitude[:, 0].square().flatten(1)
        power = finest.median(dim=1).values / math.log(2)
        tau = safe_sqrt(power * noise_gains[orientation])
        threshold = tau * (math.sqrt(math.pi / 2) + NOISE_SIGMAS * math.sqrt(2 - math.pi / 2)) / NOISE_RESCALE
        energy = aligned.sum(dim=1, keepdim=True)
        energy_sum = energy_sum + (energy - threshold.view(-1, 1, 1, 1)).clamp_min(0)
        amplitude_sum = amplitude_sum + amplitude.sum(dim=1, keepdim=True)
    return energy_sum / (amplitude_sum + EPSILON)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # a bank first built for inference must also serve a loss that needs gradients
def _bank(height: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Log-Gabor filters (orientations, scales, H, W) in frequency, and per orientation the factor that turns the noise
    power of the finest scale into half the expected noise energy of the scale sum. Float64 inside, cached by size."""
    vertical = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    horizontal = torch.fft.fftfreq(width, dtype=torch.float64)[None, :]
    radius = torch.sqrt(vertical**2 + horizontal**2)
    angle = torch.atan2(-vertical, horizontal)
    low_pass = 1 / (1 + (radius / LOW_PASS_CUTOFF) ** (2 * LOW_PASS_ORDER))
    radial = []
    for scale in range(SCALES):
        centre = 1 / (MIN_WAVELENGTH_PX * SCALE_STEP**scale)
        band = torch.exp(-torch.log(radius.clamp_min(1e-9) / centre).square() / (2 * math.log(SIGMA_F) ** 2))
        radial.append(torch.where(radius > 0, band * low_pass, torch.zeros_like(band)))
    bank, gains = [], []
    for orientation in range(ORIENTATIONS):
        offset = angle - orientation * math.pi / ORIENTATIONS
        distance = torch.atan2(torch.sin(offset), torch.cos(offset)).abs()
        spread = torch.exp(-distance.square() / (2 * SIGMA_ANGLE**2))
        filters = torch.stack(radial) * spread
        kernels = torch.fft.ifft2(filters).real * math.sqrt(height * width)
        squares = kernels.square().sum()
        products = (kernels.sum(dim=0).square().sum() - squares) / 2  # sum over pairs of different scales
        gains.append((squares + 2 * products) / filters[0].square().sum())
        bank.append(filters)
    return torch.stack(bank).to(device, dtype), torch.stack(gains).to(device, dtype)
