"""Edits of the whole image: blur, noise, codecs, resampling, smoothing, geometry; by Pillow, imagecodecs, OpenCV,
SciPy and NumPy."""

from __future__ import annotations

import io
from typing import Any

import cv2
import imagecodecs
import numpy as np
from PIL import Image
from scipy import ndimage

from experiments.words.manipulation import Manipulation, to_bytes, whole


def coded(pixels: np.ndarray, form: str, **options: Any) -> np.ndarray:
    """The pixels after saving and reading by Pillow; `options` are those of its writer."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    with Image.open(io.BytesIO(stream.getvalue())) as image:
        return np.array(image.convert("RGB"))


def motion_blurred(pixels: np.ndarray, length_px: int, rng: np.random.Generator) -> np.ndarray:
    """Blurred along a line of random direction."""
    kernel = np.zeros((length_px, length_px), np.float32)
    kernel[length_px // 2] = 1
    middle = (length_px - 1) / 2
    turned = cv2.warpAffine(
        kernel, cv2.getRotationMatrix2D((middle, middle), rng.uniform(0, 180), 1), (length_px, length_px)
    )
    return cv2.filter2D(pixels, -1, turned / turned.sum(), borderType=cv2.BORDER_REFLECT)


def defocused(pixels: np.ndarray, radius_px: float) -> np.ndarray:
    """Blurred by a disc."""
    side = np.arange(-int(np.ceil(radius_px)), int(np.ceil(radius_px)) + 1)
    disc = (side[:, None] ** 2 + side**2 <= radius_px**2).astype(np.float32)
    return cv2.filter2D(pixels, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)


def sharpened(pixels: np.ndarray, gain: float, sigma_px: float) -> np.ndarray:
    """Unsharp masking."""
    return cv2.addWeighted(pixels, 1 + gain, cv2.GaussianBlur(pixels, (0, 0), sigma_px), -gain, 0)


def noisy(pixels: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """White Gaussian noise, independent in every channel."""
    return to_bytes(pixels + rng.normal(0, sigma, pixels.shape))


def colour_noisy(pixels: np.ndarray, sigma: float, grain_px: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of Cr and Cb; grain_px: standard deviation of the blur that correlates it, 0 for none."""
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    noise = rng.normal(0, 1, (*pixels.shape[:2], 2))
    if grain_px:
        noise = ndimage.gaussian_filter(noise, (grain_px, grain_px, 0))
    planes[..., 1:] += sigma * noise / noise.std()
    return cv2.cvtColor(to_bytes(planes), cv2.COLOR_YCrCb2RGB)


def photon_noisy(pixels: np.ndarray, at_white: float, rng: np.random.Generator) -> np.ndarray:
    """Shot noise with `at_white` photons at code value 255."""
    return to_bytes(rng.poisson(pixels / 255 * at_white) / at_white * 255)


def sprinkled(pixels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Salt and pepper on a share of the pixels."""
    where = rng.random(pixels.shape[:2])
    edited = pixels.copy()
    edited[where < share / 2], edited[where > 1 - share / 2] = 0, 255
    return edited


def rescaled(pixels: np.ndarray, factor: float, enlarge: int, shrink: int = cv2.INTER_AREA) -> np.ndarray:
    """Shrunk and enlarged again by interpolations of OpenCV."""
    height, width = pixels.shape[:2]
    size = max(2, round(width / factor)), max(2, round(height / factor))
    return cv2.resize(cv2.resize(pixels, size, interpolation=shrink), (width, height), interpolation=enlarge)


def _line_noisy(pixels: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    lines = rng.normal(0, sigma, (pixels.shape[0], 1, 1)) + rng.normal(0, sigma / 2, (1, pixels.shape[1], 1))
    return to_bytes(pixels + lines)


def _barrel(pixels: np.ndarray, strength: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    u, v = 2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1
    factor = (1 + strength * (u**2 + v**2)) / (1 + strength * 2)  # the corners stay where they are
    return cv2.remap(
        pixels, ((u * factor + 1) * (width - 1) / 2).astype(np.float32),
        ((v * factor + 1) * (height - 1) / 2).astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip


def waves(pixels: np.ndarray, px: float, period_px: float, rng: np.random.Generator) -> np.ndarray:
    """Rows and columns moved to and fro."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, 2)
    moved_x = x + px * np.sin(y * (2 * np.pi / period_px) + phase[0])
    moved_y = y + px * np.sin(x * (2 * np.pi / period_px) + phase[1])
    return cv2.remap(
        pixels, moved_x.astype(np.float32), moved_y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def _rolled_rows(pixels: np.ndarray, px: int, rng: np.random.Generator) -> np.ndarray:
    shifts = rng.integers(-px, px + 1, -(-pixels.shape[0] // 4)).repeat(4)[: pixels.shape[0]]
    return np.stack([np.roll(row, shift, 0) for row, shift in zip(pixels, shifts, strict=True)])


def _combed(pixels: np.ndarray, px: int) -> np.ndarray:
    edited = pixels.copy()
    edited[1::2, px:] = pixels[1::2, :-px]
    return edited


def _bayer(pixels: np.ndarray) -> np.ndarray:
    raw = np.empty(pixels.shape[:2], np.uint8)
    raw[::2, ::2], raw[::2, 1::2] = pixels[::2, ::2, 0], pixels[::2, 1::2, 1]
    raw[1::2, ::2], raw[1::2, 1::2] = pixels[1::2, ::2, 1], pixels[1::2, 1::2, 2]
    return cv2.cvtColor(raw, cv2.COLOR_BayerRGGB2RGB)


def _palette(pixels: np.ndarray, colours: int, dither: Image.Dither) -> np.ndarray:
    return np.array(Image.fromarray(pixels).quantize(colours, dither=dither).convert("RGB"))


def _jpeg_2000(pixels: np.ndarray, ratio: float) -> np.ndarray:
    return coded(pixels, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)


def _jpeg_xl(pixels: np.ndarray, distance: float) -> np.ndarray:
    return np.asarray(imagecodecs.jpegxl_decode(imagecodecs.jpegxl_encode(pixels, distance=distance)))


def smoothed(pixels: np.ndarray, strength: float) -> np.ndarray:
    """Non-local means of OpenCV."""
    return cv2.fastNlMeansDenoisingColored(pixels, None, strength, strength, 5, 13)


_CODED = "smearing+ sharpness-"
_JPEG = "blocking+ smearing+"
_LOW_JPEG = f"{_JPEG} quantization+ chroma_defect+ sharpness-"
_SOFT = "sharpness- smearing+"

BLUR_AND_NOISE: tuple[Manipulation, ...] = (
    whole("Gaussian blur, sigma 1.2 px", "sharpness-", lambda p, r: cv2.GaussianBlur(p, (0, 0), 1.2)),
    whole("Gaussian blur, sigma 2.5 px", "sharpness-", lambda p, r: cv2.GaussianBlur(p, (0, 0), 2.5)),
    whole("box blur 5 px", "sharpness-", lambda p, r: cv2.blur(p, (5, 5))),
    whole("defocus, radius 3 px", "sharpness-", lambda p, r: defocused(p, 3)),
    whole("motion blur 11 px", "sharpness- smearing+", lambda p, r: motion_blurred(p, 11, r)),
    whole("unsharp mask, gain 2.5", "sharpness+ contrast+ noise+", lambda p, r: sharpened(p, 2.5, 1.5)),
    whole("wide unsharp mask, gain 1", "sharpness+ contrast+", lambda p, r: sharpened(p, 1, 8)),
    whole("white noise, sigma 8", "noise+ chroma_noise+", lambda p, r: noisy(p, 8, r)),
    whole("white noise, sigma 20", "noise+ chroma_noise+", lambda p, r: noisy(p, 20, r)),
    whole("grey noise, sigma 14", "noise+", lambda p, r: to_bytes(p + r.normal(0, 14, (*p.shape[:2], 1)))),
    whole("colour noise, sigma 20", "chroma_noise+ noise+", lambda p, r: colour_noisy(p, 20, 0, r)),
    whole("blotches of colour, 3 px", "chroma_noise+ noise+", lambda p, r: colour_noisy(p, 12, 3, r)),
    whole("shot noise, 80 photons", "noise+ chroma_noise+", lambda p, r: photon_noisy(p, 80, r)),
    whole("salt and pepper 2 %", "impulse+ noise+", lambda p, r: sprinkled(p, 0.02, r)),
    whole("lines of the sensor, sigma 8", "noise+ local_damage+", lambda p, r: _line_noisy(p, 8, r)),
)  # fmt: skip
CODECS: tuple[Manipulation, ...] = (
    whole("JPEG 8", _LOW_JPEG, lambda p, r: coded(p, "JPEG", quality=8)),
    whole("JPEG 25", _LOW_JPEG, lambda p, r: coded(p, "JPEG", quality=25)),
    whole("JPEG 50", _JPEG, lambda p, r: coded(p, "JPEG", quality=50)),
    whole("WebP 5", f"{_CODED} blocking+ chroma_defect+", lambda p, r: coded(p, "WEBP", quality=5)),
    whole("WebP 40", f"{_CODED} blocking+ chroma_defect+", lambda p, r: coded(p, "WEBP", quality=40)),
    whole("JPEG 2000 at 1:100", _CODED, lambda p, r: _jpeg_2000(p, 100)),
    whole("JPEG 2000 at 1:40", _CODED, lambda p, r: _jpeg_2000(p, 40)),
    whole("AVIF 15", f"{_CODED} chroma_defect+", lambda p, r: coded(p, "AVIF", quality=15)),
    whole("AVIF 35", f"{_CODED} chroma_defect+", lambda p, r: coded(p, "AVIF", quality=35)),
    whole("JPEG XL, distance 8", f"{_CODED} blocking+", lambda p, r: _jpeg_xl(p, 8)),
    whole("16 colours", "quantization+", lambda p, r: _palette(p, 16, Image.Dither.NONE)),
    whole("16 colours with dither", "quantization+ noise+ impulse+",
          lambda p, r: _palette(p, 16, Image.Dither.FLOYDSTEINBERG)),
)  # fmt: skip
RESAMPLING: tuple[Manipulation, ...] = (
    whole("nearest enlargement x3", "pixelation+ blocking+", lambda p, r: rescaled(p, 3, cv2.INTER_NEAREST)),
    whole("nearest enlargement x2", "pixelation+ blocking+", lambda p, r: rescaled(p, 2, cv2.INTER_NEAREST)),
    whole("bilinear enlargement x3", _SOFT, lambda p, r: rescaled(p, 3, cv2.INTER_LINEAR)),
    whole("bicubic enlargement x3", _SOFT, lambda p, r: rescaled(p, 3, cv2.INTER_CUBIC)),
    whole("Lanczos enlargement x2", _SOFT, lambda p, r: rescaled(p, 2, cv2.INTER_LANCZOS4)),
    whole("bicubic enlargement x3 of every third pixel", "pixelation+ sharpness-",
          lambda p, r: rescaled(p, 3, cv2.INTER_CUBIC, cv2.INTER_NEAREST)),
    whole("median 5 px", _SOFT, lambda p, r: cv2.medianBlur(p, 5)),
    whole("bilateral filter", _SOFT, lambda p, r: cv2.bilateralFilter(p, 9, 80, 80)),
    whole("non-local means", _SOFT, lambda p, r: smoothed(p, 14)),
    whole("bilinear demosaicing", "chroma_defect+ sharpness-", lambda p, r: _bayer(p)),
    whole("barrel of a lens", "geometric+", lambda p, r: _barrel(p, 0.06), "taste"),
    whole("waves of 2 px", "geometric+", lambda p, r: waves(p, 2, 28, r)),
    whole("rows rolled by up to 4 px", "geometric+ local_damage+", lambda p, r: _rolled_rows(p, 4, r)),
    whole("combed lines, 4 px", "geometric+ local_damage+ pixelation+", lambda p, r: _combed(p, 4)),
)  # fmt: skip
