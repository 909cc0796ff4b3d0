"""Edits of a known box: what a retoucher, a scratch, a lost packet or a dirty sensor leaves behind."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from experiments.words.manipulation import Manipulation, inside, to_bytes, within
from experiments.words.places import Box
from experiments.words.tone_and_colour import moved_channel, posterised, saturated, tinted
from experiments.words.whole_image import (
    coded,
    colour_noisy,
    motion_blurred,
    noisy,
    rescaled,
    sharpened,
    smoothed,
    sprinkled,
)

_FACE = (0.28, 0.28)
_PART = (0.35, 0.35)
_SKY = (0.25, 1.0)
_MAGENTA, _GREY, _BLACK = (255, 0, 255), (128, 128, 128), (0, 0, 0)


def _filled(patch: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.full_like(patch, colour)


def _scratched(patch: np.ndarray, value: int, width_px: int, rng: np.random.Generator) -> np.ndarray:
    """A crooked line from one corner to the opposite one."""
    height, width = patch.shape[:2]
    steps = np.linspace(0, 1, 7)
    bend = rng.normal(0, 0.05, 7) * np.array([0, 1, 1, 1, 1, 1, 0])
    x = np.clip(steps + bend, 0, 1) * (width - 1)
    points = np.stack([x, steps * (height - 1)], 1).round().astype(np.int32)
    return cv2.polylines(patch.copy(), [points[:, None]], False, (value,) * 3, width_px, cv2.LINE_AA)


def _wrong_patch(pixels: np.ndarray, box: Box, rng: np.random.Generator) -> np.ndarray:
    """Pixels of another place of the photograph: of several, the one that differs most."""
    rows, columns = pixels.shape[:2]
    there = [
        Box(int(rng.integers(columns - box.width + 1)), int(rng.integers(rows - box.height + 1)), box.width, box.height)
        for _ in range(8)
    ]
    here = pixels[box.inside].astype(np.float32)
    source = max(there, key=lambda other: float(np.abs(pixels[other.inside] - here).mean()))
    edited = pixels.copy()
    edited[box.inside] = pixels[source.inside]
    return edited


def _copied_row(pixels: np.ndarray, box: Box, rng: np.random.Generator) -> np.ndarray:
    """Lost rows that repeat the last one before them."""
    edited = pixels.copy()
    edited[box.inside] = pixels[max(0, box.top - 1)][None, box.inside[1]]
    return edited


def _slipped(pixels: np.ndarray, box: Box, rng: np.random.Generator) -> np.ndarray:
    """A block that shows what lies a few pixels beside it, as of a wrong motion vector."""
    way = int(rng.choice([-7, 7]))
    left = int(np.clip(box.left + way, 0, pixels.shape[1] - box.width))
    left = left if left != box.left else box.left - way
    edited = pixels.copy()
    edited[box.inside] = pixels[box.inside[0], left : left + box.width]
    return edited


def _swirled(patch: np.ndarray, turn: float) -> np.ndarray:
    height, width = patch.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    dy, dx = y - (height - 1) / 2, x - (width - 1) / 2
    near = np.clip(1 - np.hypot(dy, dx) / (min(height, width) / 2), 0, 1)
    sine, cosine = np.sin(turn * near**2), np.cos(turn * near**2)
    from_x, from_y = x + (cosine - 1) * dx - sine * dy, y + sine * dx + (cosine - 1) * dy
    return cv2.remap(
        patch, from_x.astype(np.float32), from_y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def _doubled(patch: np.ndarray, px: int) -> np.ndarray:
    """A ghost: the mean of the patch and itself moved."""
    moved = np.concatenate([patch[:, :px], patch[:, :-px]], 1)
    return to_bytes((patch.astype(np.float32) + moved) / 2)


def _disc(patch: np.ndarray, edge: float = 0.5) -> np.ndarray:
    """1 in the middle, 0 at the border (H, W, 1), with a soft edge."""
    y, x = (np.linspace(-1, 1, side) for side in patch.shape[:2])
    return np.clip((1 - np.hypot(y[:, None], x)) / edge, 0, 1)[..., None]


def _dead_pixels(patch: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    edited = patch.copy()
    where = rng.choice(patch.shape[0] * patch.shape[1], count, replace=False)
    edited.reshape(-1, 3)[where] = rng.choice([0, 255], (count, 3))
    return edited


def _lettered(patch: np.ndarray) -> np.ndarray:
    """Half transparent white letters with a black shadow."""
    image = Image.fromarray(patch)
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    pen, font = ImageDraw.Draw(layer), ImageFont.load_default(max(8, round(image.height * 0.55)))
    for offset, colour in ((1, (0, 0, 0, 130)), (0, (255, 255, 255, 150))):
        pen.text((2 + offset, image.height * 0.12 + offset), "© SAMPLE", fill=colour, font=font)
    return np.array(Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB"))


PHOTOGRAPHED: tuple[Manipulation, ...] = (
    inside("patch blurred, sigma 2.5 px", "sharpness-", _FACE, lambda p, r: cv2.GaussianBlur(p, (0, 0), 2.5)),
    inside("patch with motion blur", "sharpness- smearing+", _FACE, lambda p, r: motion_blurred(p, 13, r)),
    inside("patch with median 7 px", "smearing+ sharpness-", _PART, lambda p, r: cv2.medianBlur(p, 7)),
    inside("patch with non-local means", "smearing+ sharpness-", _PART, lambda p, r: smoothed(p, 18)),
    inside("patch oversharpened", "sharpness+ contrast+ noise+", _PART, lambda p, r: sharpened(p, 3.5, 1.5)),
    inside("noise in the sky", "noise+ chroma_noise+", _SKY, lambda p, r: noisy(p, 15, r), at_top=True),
    inside("patch with colour noise", "chroma_noise+ noise+", _PART, lambda p, r: colour_noisy(p, 22, 0, r)),
    inside("patch with salt and pepper", "impulse+ noise+", _PART, lambda p, r: sprinkled(p, 0.03, r)),
    inside("JPEG 8 of a part", "blocking+ smearing+ quantization+ chroma_defect+ sharpness-", (96, 96),
           lambda p, r: coded(p, "JPEG", quality=8)),
    inside("mosaic of 8 px", "pixelation+ blocking+ local_damage+", _FACE,
           lambda p, r: rescaled(p, 8, cv2.INTER_NEAREST)),
    inside("patch in steps of 48", "quantization+", _PART, lambda p, r: posterised(p, 48)),
    inside("patch with red moved by 4 px", "chroma_defect+", _PART, lambda p, r: moved_channel(p, 0, 4, r)),
    inside("patch brighter by 45", "brightness+ local_damage+", _FACE, lambda p, r: to_bytes(p + 45.0)),
    inside("patch darker by 45", "brightness- local_damage+", _FACE, lambda p, r: to_bytes(p - 45.0)),
    inside("patch grey", "saturation- local_damage+", _PART, lambda p, r: saturated(p, 0)),
    inside("patch warmer", "color_cast+ local_damage+", _PART, lambda p, r: tinted(p, 1.25, 1, 0.7)),
    inside("patch greener", "tint+ local_damage+", _PART, lambda p, r: tinted(p, 0.8, 1.2, 0.8)),
    inside("flare", "haze+ brightness+ contrast-", (0.4, 0.4), lambda p, r: to_bytes(p + (245.0 - p) * 0.6 * _disc(p))),
)  # fmt: skip
DAMAGED: tuple[Manipulation, ...] = (
    inside("bright scratch", "local_damage+", (0.4, 0.1), lambda p, r: _scratched(p, 245, 2, r)),
    inside("dark scratch", "local_damage+", (0.4, 0.1), lambda p, r: _scratched(p, 10, 2, r)),
    within("wrong patch", "local_damage+ geometric+", (0.22, 0.22), _wrong_patch),
    inside("mirrored patch", "local_damage+ geometric+", _FACE, lambda p, r: p[:, ::-1]),
    within("lost rows that repeat the one above", "local_damage+ geometric+ smearing+", (12, 1.0), _copied_row),
    inside("black rows", "local_damage+", (3, 1.0), lambda p, r: _filled(p, _BLACK)),
    inside("grey block of 16 px", "local_damage+", (16, 16), lambda p, r: _filled(p, _GREY)),
    inside("magenta block of 16 px", "local_damage+ tint-", (16, 16), lambda p, r: _filled(p, _MAGENTA)),
    inside("magenta block of 24 px", "local_damage+ tint-", (24, 24), lambda p, r: _filled(p, _MAGENTA)),
    inside("black block of 32 px", "local_damage+", (32, 32), lambda p, r: _filled(p, _BLACK)),
    inside("grey block of 48 px", "local_damage+", (48, 48), lambda p, r: _filled(p, _GREY)),
    inside("magenta block of 64 px", "local_damage+ tint-", (64, 64), lambda p, r: _filled(p, _MAGENTA)),
    within("slipped block of 32 px", "local_damage+ geometric+", (32, 32), _slipped),
    inside("cluster of dead pixels", "impulse+ local_damage+ noise+", (22, 22), lambda p, r: _dead_pixels(p, 45, r)),
    inside("letters as of a watermark", "local_damage+", (24, 110), lambda p, r: _lettered(p)),
    inside("swirl", "geometric+ local_damage+", _FACE, lambda p, r: _swirled(p, 1.8)),
    inside("ghost", "geometric+ local_damage+ sharpness- smearing+", _FACE, lambda p, r: _doubled(p, 7)),
    inside("spot of dust", "local_damage+ brightness-", (26, 26), lambda p, r: to_bytes(p * (1 - 0.65 * _disc(p)))),
)  # fmt: skip
