"""Classical deblurring: what is done against a blur that is assumed to be a Gaussian of `sigma_px`."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.distortions.filters import convolve, gaussian, pad_symmetric

EPSILON = 1e-4  # below it a quotient of Richardson-Lucy is taken for rounding


def richardson_lucy(image: Float[Tensor, "3 h w"], sigma_px: float, iterations: int) -> Float[Tensor, "3 h w"]:
    """Maximum likelihood under Poisson noise (Richardson 1972, Lucy 1974): detail first, then noise and ringing."""
    estimate = image.clamp_min(EPSILON)
    for _ in range(iterations):
        quotient = image / gaussian(estimate, sigma_px).clamp_min(EPSILON)
        estimate = estimate * gaussian(quotient, sigma_px)  # the Gaussian is its own mirror image
    return estimate.clamp(0.0, 1.0)


def wiener_deconvolution(
    image: Float[Tensor, "3 h w"], sigma_px: float, noise_to_signal: float
) -> Float[Tensor, "3 h w"]:
    """Division by the transfer function, held back where it is small: H / (H^2 + noise_to_signal) in the Fourier domain
    of the mirrored image (Wiener 1949). Small values ring and lift noise."""
    margin = int(4 * sigma_px) + 1
    padded = pad_symmetric(image, margin, margin)
    height, width = padded.shape[-2:]
    transfer = _transfer(sigma_px, height)[:, None] * _transfer(sigma_px, width)[None, : width // 2 + 1]
    spectrum = torch.fft.rfft2(padded) * (transfer / (transfer**2 + noise_to_signal))
    sharp: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return sharp[:, margin : height - margin, margin : width - margin].clamp(0.0, 1.0)


def _transfer(sigma_px: float, size: int) -> Tensor:
    """Of a Gaussian, at the frequencies of a discrete Fourier transform of `size`."""
    frequency: Tensor = torch.pi * sigma_px * torch.fft.fftfreq(size)
    transfer: Tensor = torch.exp(-2.0 * frequency**2)
    return transfer


def unsharp_mask(image: Float[Tensor, "3 h w"], sigma_px: float, gain: float) -> Float[Tensor, "3 h w"]:
    """The image plus `gain` times its difference from a Gaussian blur."""
    return (image + gain * (image - gaussian(image, sigma_px))).clamp(0.0, 1.0)


def blurred(
    image: Float[Tensor, "3 h w"], sigma_px: float, angle_deg: float = 0.0, ratio: float = 1.0
) -> Float[Tensor, "3 h w"]:
    """The damage that these undo: a Gaussian, `ratio` times as long along `angle_deg` as across."""
    if ratio == 1.0:
        return gaussian(image, sigma_px).clamp(0.0, 1.0)
    reach = int(4 * sigma_px * ratio) + 1
    y, x = torch.meshgrid(*[torch.arange(-reach, reach + 1, dtype=torch.float32)] * 2, indexing="ij")
    angle = torch.deg2rad(torch.tensor(angle_deg))
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    kernel = torch.exp(-0.5 * ((along / (sigma_px * ratio)) ** 2 + (across / sigma_px) ** 2))
    return convolve(image, kernel / kernel.sum()).clamp(0.0, 1.0)
