"""Boxes in an image: where an edit lies, and whether a region that is named lies there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

LEAST_OVERLAP = 0.5
"""Of the area of the smaller box, for a region to be called at the place of an edit."""
LARGEST_REGION = 0.5
"""Share of the image above which a region names no place, unless the edit itself is that large."""
LEAST_SIDE_PX = 16
"""A thinner edit counts as a box of this side around it, for no region is smaller: that is what a person can find."""
_DRAWS = 5


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels.

    Args:
        left: distance from the left edge, px.
        top: distance from the top edge, px.
        width: px.
        height: px.
    """

    left: int
    top: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def inside(self) -> tuple[slice, slice]:
        """Indices of its pixels in an array (H, W, ...)."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def at_least(self, side_px: int) -> Box:
        """The box with thin sides widened about its centre; it may reach beyond the image."""
        width, height = max(self.width, side_px), max(self.height, side_px)
        return Box(self.left - (width - self.width) // 2, self.top - (height - self.height) // 2, width, height)

    def intersection(self, other: Box) -> int:
        """Number of pixels in both boxes."""
        width = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        height = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        return max(0, width) * max(0, height)

    def holds_centre_of(self, other: Box) -> bool:
        """Whether the centre of `other` lies in this box."""
        x, y = other.left + other.width / 2, other.top + other.height / 2
        return self.left <= x <= self.left + self.width and self.top <= y <= self.top + self.height

    def __str__(self) -> str:
        return f"{self.width} x {self.height} px at ({self.left}, {self.top})"


def found(region: Box, true: Box, image_pixels: int) -> str:
    """How a region finds an edit: "overlap", "centre", or "" where it does not.

    "overlap" means that the intersection has at least LEAST_OVERLAP of the area of the smaller box, "centre" that the
    centre of either box lies in the other one. An edit has at least LEAST_SIDE_PX on each side. A region of more than
    LARGEST_REGION of the image contains everything and therefore finds nothing, unless the edit is as large.

    Args:
        region: the box that is named.
        true: the box of the edit.
        image_pixels: width times height of the image.
    """
    true = true.at_least(LEAST_SIDE_PX)
    if region.area > max(LARGEST_REGION * image_pixels, true.area):
        return ""
    if region.intersection(true) >= LEAST_OVERLAP * min(region.area, true.area):
        return "overlap"
    return "centre" if region.holds_centre_of(true) or true.holds_centre_of(region) else ""


def drawn_box(pixels: np.ndarray, size: tuple[float, float], rng: np.random.Generator, at_top: bool = False) -> Box:
    """A box in an image; of several that are drawn, the one with the most detail, so that an edit of it shows.

    Args:
        pixels: (H, W, 3) uint8.
        size: height and width; up to 1 as a share of that side of the image, above 1 in px.
        rng: decides where it lies.
        at_top: puts it at the upper edge.
    """
    rows, columns = pixels.shape[:2]
    height, width = (_length(part, side) for part, side in zip(size, (rows, columns), strict=True))
    drawn = [
        Box(
            int(rng.integers(columns - width + 1)), 0 if at_top else int(rng.integers(rows - height + 1)), width, height
        )
        for _ in range(_DRAWS)
    ]
    detail = np.abs(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    return max(drawn, key=lambda box: float(detail[box.inside].mean()))


def _length(part: float, side: int) -> int:
    return max(1, min(side, round(part * side) if part <= 1 else round(part)))
