"""Real codecs at 8 bit, each on one thread so that equal input gives equal output: amounts rise as quality falls.

Where a codec only takes whole steps of quality, amounts between two steps give the nearer one.
"""

import functools
from collections.abc import Callable

import cv2
import imagecodecs
import numpy as np
import torch
from torch import Generator, Tensor

from distortion_engine.distortions.contract import Image, distortion
from distortion_engine.distortions.random_fields import unit_normal

# Scale of JPEG's quantisation tables over the standard deviation of the noise: a middling step of the luma table
# (16 to 60 of 255) is then about twice that deviation, the setting at which a coder removes noise best.
TABLE_SCALE_OF_NOISE = 20.0
# Where the search for the step of JPEG 2000 begins: a line through photographs.
J2K_PSNR_AT_STEP_1, J2K_DB_PER_DECADE = 12.4, 14.0

Codec = Callable[[np.ndarray, float], np.ndarray]


def _through(codec: Codec, image: Tensor, quality: float) -> Tensor:
    """Encode and decode `(3, H, W)` in [0, 1] as 8-bit RGB on the CPU."""
    planes = image.detach().cpu().numpy()
    pixels = cv2.merge([cv2.convertScaleAbs(plane, alpha=255.0) for plane in planes])
    decoded = cv2.split(codec(pixels, quality))[:3]
    return torch.from_numpy(np.stack([cv2.LUT(plane, _code_values()) for plane in decoded])).to(image.device)


@functools.cache
def _code_values() -> np.ndarray:
    return (np.arange(256, dtype=np.float32) / np.float32(255.0)).reshape(1, -1)


def _jpeg(pixels: np.ndarray, quality: float) -> np.ndarray:
    encoded = imagecodecs.jpeg8_encode(pixels, level=min(max(round(quality), 1), 100), subsampling="420")
    return imagecodecs.jpeg8_decode(encoded)


def _jpeg2000(pixels: np.ndarray, psnr_db: float) -> np.ndarray:
    """JPEG 2000 with the high-throughput block coder of Part 15: the picture is made by wavelet and quantiser, which
    are those of Part 1; the block coder is lossless. Two codings of part of the picture find the step for the PSNR."""
    strips, step = _strips(pixels), 10.0 ** ((J2K_PSNR_AT_STEP_1 - psnr_db) / J2K_DB_PER_DECADE)
    for _ in range(2):
        step *= 10.0 ** ((_psnr(strips, _coded_at_step(strips, step)) - psnr_db) / J2K_DB_PER_DECADE)
    return _coded_at_step(pixels, step)


def _coded_at_step(pixels: np.ndarray, step: float) -> np.ndarray:
    # OpenJPH takes a step of the quantiser as a share of the range.
    encoded = imagecodecs.htj2k_encode(pixels, level=min(max(step, 1e-5), 1.0), reversible=False)
    return imagecodecs.htj2k_decode(encoded)


def _strips(pixels: np.ndarray) -> np.ndarray:
    """A quarter of a large picture, one band of 32 rows in 128; a small or flat one as it is."""
    if pixels.size < 3 * 192**2 or len(pixels) < 80:
        return pixels
    return np.concatenate([pixels[top : top + 32] for top in range(48, len(pixels) - 31, 128)])


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return min(cv2.PSNR(a, b), 60.0)


def _webp(pixels: np.ndarray, quality: float) -> np.ndarray:
    encoded = imagecodecs.webp_encode(pixels, level=max(quality, 0.01), lossless=False, method=2, numthreads=1)
    return imagecodecs.webp_decode(encoded, hasalpha=False)


def _avif(pixels: np.ndarray, quality: float) -> np.ndarray:
    level = min(max(round(quality), 0), 99)  # 100 would switch to lossless
    encoded = imagecodecs.avif_encode(pixels, level=level, speed=10, pixelformat="420", numthreads=1)
    return imagecodecs.avif_decode(encoded, numthreads=1)


def _jpegxl(pixels: np.ndarray, distance: float) -> np.ndarray:
    encoded = imagecodecs.jpegxl_encode(pixels, distance=max(distance, 0.01), effort=3, lossless=False, numthreads=1)
    return imagecodecs.jpegxl_decode(encoded, numthreads=1)


@distortion
def jpeg(image: Image, amount: float, generator: Generator) -> Image:
    """Baseline JPEG, 4:2:0, libjpeg quality scale; amount = 100 - quality."""
    return _through(_jpeg, image, 100.0 - amount)


@distortion
def double_jpeg(image: Image, amount: float, generator: Generator, *, shift_px: float) -> Image:
    """JPEG twice with the block grid moved by `shift_px` in between, as after a crop; amount = 100 - second quality.

    The first pass is milder: 0.7 of the amount.
    """
    shift = round(shift_px)
    first = _through(_jpeg, torch.roll(image, (shift, shift), dims=(1, 2)), 100.0 - 0.7 * amount)
    return _through(_jpeg, torch.roll(first, (-shift, -shift), dims=(1, 2)), 100.0 - amount)


@distortion
def jpeg2000(image: Image, amount: float, generator: Generator) -> Image:
    """JPEG 2000, irreversible wavelet; amount = 60 dB - the PSNR asked of the encoder."""
    return _through(_jpeg2000, image, 60.0 - amount)


@distortion
def webp(image: Image, amount: float, generator: Generator) -> Image:
    """Lossy WebP (VP8); amount = 100 - quality."""
    return _through(_webp, image, 100.0 - amount)


@distortion
def avif(image: Image, amount: float, generator: Generator) -> Image:
    """AVIF (AV1), 4:2:0, fastest speed; amount = 100 - quality."""
    return _through(_avif, image, 100.0 - amount)


@distortion
def jpegxl(image: Image, amount: float, generator: Generator) -> Image:
    """Lossy JPEG XL (VarDCT); amount = Butteraugli distance asked of the encoder.

    At most 19.9: from 20 on libjxl halves the resolution first, and the damage drops.
    """
    return _through(_jpegxl, image, min(amount, 19.9))


@distortion
def noisy_compression(image: Image, amount: float, generator: Generator) -> Image:
    """A noisy picture coded so that most of the noise is quantised away, and detail with it: white noise, then JPEG
    with tables in proportion to it. amount = standard deviation of the noise."""
    scale = TABLE_SCALE_OF_NOISE * amount
    quality = 100.0 - 50.0 * scale if scale < 1.0 else 50.0 / scale  # libjpeg's rule, inverted
    noisy = torch.add(image, unit_normal(image.shape, generator, image), alpha=amount)
    return _through(_jpeg, noisy.clamp_(0.0, 1.0), quality)
