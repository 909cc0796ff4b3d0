"""Damage that restoration algorithms are given: that of cameras, lenses, down-sampling and compression."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Generator, Tensor

from distortion_engine.distortions.color_conversion import from_linear, to_linear
from distortion_engine.distortions.filters import convolve, gaussian, gaussian_kernel
from distortion_engine.distortions.random_fields import unit_normal

Demosaicing = Literal["bilinear", "malvar"]
ShrinkKernel = Literal["aliased", "area", "bilinear", "bicubic", "lanczos", "gaussian"]

# Malvar, He and Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images", ICASSP
# 2004, figure 2; each over 8: green at red or blue; red at green with red to the left and right (the transpose: above
# and below); red at blue and blue at red.
_GREEN = np.array([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]) / 8
_BESIDE = np.array([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]) / 8
_ACROSS = (
    np.array([[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]) / 8
)
_TENT = np.array([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]])


@dataclass(frozen=True)
class Sensor:
    """A camera's sensor and what follows it on the way to a picture.

    Args:
        shot: variance of shot noise over the signal, in units of white; .01 is a bright phone picture at ISO 1600.
        read: standard deviation of read noise, in units of white.
        gains: white balance of red and blue; both channels are that much darker on the sensor.
        demosaicing: how the mosaic is filled.
        chroma_blotch: standard deviation, in sRGB, of chroma noise correlated over `blotch_px`.
        blotch_px: standard deviation of the Gaussian by which that noise is correlated.
        quality_jpeg: of the file that the camera writes; 0 for none.
    """

    shot: float
    read: float = 0.0
    gains: tuple[float, float] = (1.0, 1.0)
    demosaicing: Demosaicing = "malvar"
    chroma_blotch: float = 0.0
    blotch_px: float = 3.0
    quality_jpeg: int = 0


def camera(image: Float[Tensor, "3 h w"], sensor: Sensor, generator: Generator) -> Float[Tensor, "3 h w"]:
    """The photograph taken again with `sensor`: linear light, Bayer mosaic (RGGB), shot and read noise, demosaicing,
    white balance, sRGB (Foi et al., "Practical Poissonian-Gaussian noise modeling", TIP 2008)."""
    red, blue = sensor.gains
    gains = image.new_tensor([red, 1.0, blue])[:, None, None]
    raw = bayer_mosaic(to_linear(image) / gains)
    deviation = (sensor.shot * raw.clamp_min(0.0) + sensor.read**2).sqrt()
    noisy = (raw + deviation * unit_normal(raw.shape, generator, image)).clamp(max=1.0)
    light = DEMOSAICING[sensor.demosaicing](noisy) * gains
    picture = from_linear(light.clamp(0.0, 1.0))
    if sensor.chroma_blotch > 0.0:
        picture = correlated_chroma_noise(picture, sensor.chroma_blotch, sensor.blotch_px, generator)
    return jpeg(picture, sensor.quality_jpeg) if sensor.quality_jpeg else picture.clamp(0.0, 1.0)


def bayer_mosaic(light: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
    """The samples that an RGGB sensor takes of an image."""
    mosaic = light[1].clone()
    mosaic[0::2, 0::2] = light[0, 0::2, 0::2]
    mosaic[1::2, 1::2] = light[2, 1::2, 1::2]
    return mosaic


def demosaic_bilinear(mosaic: Float[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
    """Bilinear demosaicing of RGGB: missing samples are the mean of their nearest neighbours of the same colour."""
    kernel = torch.from_numpy(_TENT.astype(np.float32))
    sampled = _sampled(mosaic)
    filled = convolve(mosaic * sampled, kernel) / convolve(sampled, kernel)
    return torch.where(sampled > 0.5, mosaic, filled)


def demosaic_malvar(mosaic: Float[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
    """Demosaicing of RGGB by the gradient-corrected linear filters of Malvar, He and Cutler (2004)."""
    red, green, blue = _sampled(mosaic) > 0.5
    rows_of_red = torch.zeros_like(red)
    rows_of_red[0::2] = True
    at = {
        name: convolve(mosaic[None], torch.from_numpy(np.ascontiguousarray(kernel, dtype=np.float32)))[0]
        for name, kernel in (("green", _GREEN), ("beside", _BESIDE), ("above", _BESIDE.T), ("across", _ACROSS))
    }
    beside = torch.where(rows_of_red, at["beside"], at["above"])  # red at green
    above = torch.where(rows_of_red, at["above"], at["beside"])  # blue at green
    return torch.stack(
        [
            torch.where(red, mosaic, torch.where(green, beside, at["across"])),
            torch.where(green, mosaic, at["green"]),
            torch.where(blue, mosaic, torch.where(green, above, at["across"])),
        ]
    )


DEMOSAICING: dict[Demosaicing, Callable[[Tensor], Tensor]] = {
    "bilinear": demosaic_bilinear,
    "malvar": demosaic_malvar,
}


def _sampled(mosaic: Tensor) -> Tensor:
    """1 where the sensor samples red, green, blue: (3, H, W)."""
    sampled = torch.zeros(3, *mosaic.shape)
    sampled[0, 0::2, 0::2] = 1.0
    sampled[1, 0::2, 1::2] = 1.0
    sampled[1, 1::2, 0::2] = 1.0
    sampled[2, 1::2, 1::2] = 1.0
    return sampled


def white_noise(image: Float[Tensor, "3 h w"], deviation: float, generator: Generator) -> Float[Tensor, "3 h w"]:
    """Independent Gaussian noise in every value."""
    return (image + deviation * unit_normal(image.shape, generator, image)).clamp(0.0, 1.0)


def correlated_noise(
    image: Float[Tensor, "3 h w"], deviation: float, grain_px: float, generator: Generator
) -> Float[Tensor, "3 h w"]:
    """Gaussian noise of this standard deviation, correlated by a Gaussian of `grain_px`, as after resampling."""
    return (image + deviation * _correlated(image.shape, grain_px, generator, image)).clamp(0.0, 1.0)


def correlated_chroma_noise(
    image: Float[Tensor, "3 h w"], deviation: float, grain_px: float, generator: Generator
) -> Float[Tensor, "3 h w"]:
    """Blotches of colour: correlated noise without its mean over the channels, which is left to the eye as luma."""
    noise = _correlated(image.shape, grain_px, generator, image)
    chroma = (noise - noise.mean(0, keepdim=True)) * math.sqrt(1.5)  # three values less their mean keep 2/3 of variance
    return (image + deviation * chroma).clamp(0.0, 1.0)


def _correlated(shape: torch.Size, grain_px: float, generator: Generator, like: Tensor) -> Tensor:
    field = gaussian(unit_normal(shape, generator, like), grain_px)
    return field / float((gaussian_kernel(grain_px) ** 2).sum())


def shrink(
    image: Float[Tensor, "3 h w"], factor: int, kernel: ShrinkKernel, sigma_px: float = 0.0
) -> Float[Tensor, "3 h//{factor} w//{factor}"]:
    """The image at 1 / `factor` of its size. The centre of the picture stays where it is.

    Args:
        image: in [0, 1]. Where a side is no multiple of the factor, its last rows or columns are dropped.
        factor: of both sides.
        kernel: "aliased" takes the values at the centres of the new pixels without any filter; "area" block means;
            "bilinear", "bicubic" and "lanczos" are antialiased, as in Pillow; "gaussian" blurs by `sigma_px` and then
            does the same as "aliased" (the "BD" damage of the literature).
        sigma_px: standard deviation of the Gaussian; for "gaussian" alone.
    """
    height, width = (size // factor * factor for size in image.shape[-2:])
    image = image[:, :height, :width]
    size = (width // factor, height // factor)
    if kernel in ("aliased", "gaussian", "area"):
        source = gaussian(image, sigma_px) if kernel == "gaussian" else image
        how = cv2.INTER_AREA if kernel == "area" else cv2.INTER_LINEAR
        planes = [cv2.resize(plane, size, interpolation=how) for plane in source.contiguous().numpy()]
    else:
        resampling = {
            "bilinear": Image.Resampling.BILINEAR,
            "bicubic": Image.Resampling.BICUBIC,
            "lanczos": Image.Resampling.LANCZOS,
        }[kernel]
        planes = [np.asarray(Image.fromarray(plane).resize(size, resampling)) for plane in image.numpy()]
    return torch.from_numpy(np.stack(planes)).clamp(0.0, 1.0)


def jpeg(image: Float[Tensor, "3 h w"], quality_jpeg: int) -> Float[Tensor, "3 h w"]:
    """Coded at 8 bits by libjpeg and decoded again, chroma subsampled."""
    pixels = (image.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality_jpeg)
    decoded = np.array(Image.open(stream).convert("RGB"))
    return torch.from_numpy(decoded).permute(2, 0, 1).float() / 255.0
