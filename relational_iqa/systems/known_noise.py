"""Noise that is measured in the pixels is told, also where the distortion network takes it for detail: noise of real
cameras and phones is of more kinds than it was trained on.

The measurement sets a lower bound: what the maps of noise, colour noise and specks say of the same picture and place is
accounted for. Severities add as squares, as variances do.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from distortion_engine.axes import AXIS_INDEX
from relational_iqa.tiling.enlargement import CELL_PX
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.plain_grain import Window, grain_beyond

LEAST = 0.12  # severity below which nothing is said, as of a finding
TAKEN_FOR_DETAIL = 0.1
"""Share of the picture in which the networks miss noise of the better image, from which their verdict is in doubt."""
_CLEAR = 1.0  # levels; a larger margin is more than what such noise is worth
_AT_MOST = 0.59  # below what is called sure enough (`results.words.confidence`)
_ALSO = ("chroma_noise", "impulse")  # axes of other noise
_LUMA = 0.669  # standard deviation of luma of white noise of standard deviation 1 in R, G and B
_SCALE = (
    (0.0, 0.0005, 0.00625, 0.01875, 0.0375, 0.05875, 0.085, 0.13, 0.2),
    (0.0, 0.00376, 0.05463, 0.20373, 0.42156, 0.61383, 0.76975, 0.92282, 1.0),
)
"""Standard deviations and severities of `white_noise`: as distortion_engine/severity.json has them, which is not read
here because the engine's distortions are slow to import. Noise with a grain is worse, so this is a lower bound."""


def noise_of(
    a: StoredImage, b: StoredImage, reference: StoredImage | None = None
) -> Float32[np.ndarray, "rows columns"] | None:
    """Severity of the noise of b less that of a on plain ground, on a coarse grid that covers the image; 0 where it is
    below LEAST, None where it is everywhere.

    Args:
        a: one image.
        b: the other one.
        reference: the pristine image, whose own noise is none; it may be a or b itself.
    """
    shape = a.shape[1], a.shape[2]
    if reference is None:
        found = grain_beyond(_window(a), _window(b), shape)
        grains = None if found is None else list(found)
    else:
        each = [grain_beyond(_window(image), _window(reference), shape) for image in (a, b)]
        grains = [one[0] for one in each if one is not None]
    if not grains:
        return None
    of_a, of_b = (np.interp(grain / _LUMA, *_SCALE).astype(np.float32) for grain in grains)
    told: np.ndarray = np.where(np.abs(of_b - of_a) >= LEAST, of_b - of_a, np.float32(0))
    return told if told.any() else None


def raise_noise(
    maps: Float32[np.ndarray, "c h w"], measured: Float32[np.ndarray, "rows columns"], shape: tuple[int, int]
) -> tuple[float, float]:
    """Brings the map of noise to at least what is measured, in place, and returns the shares of the picture in which
    the maps had missed noise of a, and of b.

    Args:
        maps: M(a, b), one channel an axis, on the grid of the networks.
        measured: severity of the noise of b less that of a, on any coarser grid.
        shape: (H, W) of the images.
    """
    noise, others = maps[AXIS_INDEX["noise"]], [maps[AXIS_INDEX[name]] for name in _ALSO]
    height, width = (-(-side // CELL_PX) for side in shape)
    enlarged = cv2.resize(measured, (width, height), interpolation=cv2.INTER_LINEAR)
    missed = [0, 0]
    for row in range(height):  # row by row: the maps may lie in a file
        for sign in (np.float32(1), np.float32(-1)):
            left = np.square(np.maximum(sign * enlarged[row], 0))
            for other in others:
                left -= np.square(np.maximum(sign * other[row, :width], 0))
            least = np.sqrt(np.maximum(left, 0))
            lower = (least > 0) & (sign * noise[row, :width] < least)
            noise[row, :width][lower] = sign * least[lower]
            missed[int(sign > 0)] += int((lower & (least >= LEAST)).sum())
    return missed[0] / (height * width), missed[1] / (height * width)


def doubted(confidence: float, margin: float, missed: tuple[float, float]) -> float:
    """The confidence in a verdict without a reference. Noise that the networks miss they take for detail; where that is
    so in much of the better image, they cannot tell.

    Args:
        confidence: probability that the sign of the margin is right.
        margin: in levels, > 0 where a is better.
        missed: shares of the picture in which noise of a, and of b, was missed.
    """
    of_better = missed[0] if margin > 0 else missed[1]
    if abs(margin) < _CLEAR and of_better >= TAKEN_FOR_DETAIL:
        return min(confidence, _AT_MOST)
    return confidence


def _window(image: StoredImage) -> Window:
    def window(top: int, bottom: int) -> np.ndarray:
        rows: np.ndarray = image.window(top, bottom).permute(1, 2, 0).cpu().numpy()
        image.give_back()
        return rows

    return window
