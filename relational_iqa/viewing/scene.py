"""Whether two images show the same scene, however much one of them is damaged.

Both are made very small, so that noise, blocks and blur are averaged away, and freed of slow gradients, which many
scenes share (bright above, dark below). What is left correlates where the scene is the same.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

SAME_SCENE = 0.5
"""Least correlation of one scene; `experiments.before_verdict.scenes` measures what other scenes reach."""

_SIDES_PX = (16, 32, 64)  # longest sides of the small images
_FLAT = 1e-6
_LEAST_DETAIL = 0.5 / 255
_SLOW = 1 / 6  # of the longest side: standard deviation of what counts as a slow gradient


def scene_correlation(first: Float32[np.ndarray, "_ _"], second: Float32[np.ndarray, "_ _"]) -> float | None:
    """The largest correlation of two luma images over several sizes, 0 to 1; None where one of them is flat.

    Its sign does not matter, so a negative is of the same scene. Images of different sizes are both brought to the
    proportions of the first.
    """
    found = [correlation_at(first, second, side) for side in _SIDES_PX]
    return max((abs(value) for value in found if value is not None), default=None)


def correlation_at(first: Float32[np.ndarray, "_ _"], second: Float32[np.ndarray, "_ _"], side_px: int) -> float | None:
    """The correlation of two luma images whose longest side is made `side_px`, -1 to 1; None where one is flat."""
    height, width = (max(4, round(length * side_px / max(first.shape))) for length in first.shape)
    small = [
        _without_slow(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)) for image in (first, second)
    ]
    norm = float(np.linalg.norm(small[0]) * np.linalg.norm(small[1]))
    return float((small[0] * small[1]).sum()) / norm if norm > _FLAT else None


def _without_slow(image: np.ndarray) -> np.ndarray:
    """Minus its slow gradients, with the contrast of its parts made alike."""
    sigma = _SLOW * max(image.shape)
    detail = image - cv2.GaussianBlur(image, (0, 0), sigma)
    if float(np.abs(detail).max()) < _LEAST_DETAIL:
        return np.zeros_like(image)
    contrast = cv2.GaussianBlur(detail**2, (0, 0), sigma)
    detail = detail / np.sqrt(contrast + 0.1 * float(contrast.mean()) + 1e-12)
    even: np.ndarray = detail - detail.mean()
    return even
