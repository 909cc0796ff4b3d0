"""The regions as the template shows them: the whole box of each with a margin around it, cut from every image.

Small boxes are enlarged by whole factors with nearest-neighbour interpolation, so that pixels stay pixels; boxes that
are too large are reduced, and the card says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from relational_iqa.report.pictures import data_uri, encoded, fit
from relational_iqa.report.views import lead
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.regions import Region

SHOWN_PX = {2: (384, 288), 3: (288, 288)}  # room for a crop in CSS px, by the number of images
LEAST_SIDE_PX = 48  # of a crop, in the image: what lies around a small box says where it is
LEAST_MARGIN_PX, MARGIN_PART = 8, 0.15  # around the box, and as a part of its longer side
MOST_ENLARGED = 6
CROP_BYTES = 40_000  # of one crop; noise is the worst case


class Box(NamedTuple):
    """A rectangle of an image, in px.

    Attributes:
        left: first column.
        top: first row.
        width: number of columns.
        height: number of rows.
    """

    left: int
    top: int
    width: int
    height: int

    def part_of(self, outer: "Box") -> dict[str, float]:
        """ "left", "top", "width" and "height" in percent of another box."""
        return {
            "left": 100 * (self.left - outer.left) / outer.width,
            "top": 100 * (self.top - outer.top) / outer.height,
            "width": 100 * self.width / outer.width,
            "height": 100 * self.height / outer.height,
        }


@dataclass(frozen=True)
class RegionView:
    """One of the regions as the report lists it.

    Args:
        number: from 1, worst first.
        region: box and finding.
        winner: the image that is better in it, "a" or "b".
        title: who is better in it and by how much.
        why: what the other image is in it, for example "A blockier"; the region's own words where that has no name.
        strength: of the defect in words; "" where no axis explains the region.
        percent: the box in percent of the picture.
        crops: ("A", "B" or "reference", data URI) for each image.
        size: width and height at which the crops are shown, CSS px.
        inner: the box in percent of the crop.
        scale: the enlargement in words.
        pixelated: whether the crops are enlarged.
    """

    number: int
    region: Region
    winner: str
    title: str
    why: str
    strength: str
    percent: dict[str, float]
    crops: tuple[tuple[str, str], ...]
    size: tuple[int, int]
    inner: dict[str, float]
    scale: str
    pixelated: bool


def region_views(comparison: Comparison, images: Sequence[np.ndarray]) -> list[RegionView]:
    """The regions with crops of A, B and, where there is one, the reference."""
    return [_region_view(number, region, images) for number, region in enumerate(comparison.regions, start=1)]


def _region_view(number: int, region: Region, images: Sequence[np.ndarray]) -> RegionView:
    height, width = images[0].shape[:2]
    box = Box(region.left, region.top, region.width, region.height)
    around = box_around(box, (height, width))
    room = SHOWN_PX[len(images)]
    factor = min(MOST_ENLARGED, room[0] // around.width, room[1] // around.height)
    if factor >= 1:
        size, scale = (
            (factor * around.width, factor * around.height),
            "at 100 %" if factor == 1 else f"enlarged {factor} times",
        )
    else:
        shrink = min(room[0] / around.width, room[1] / around.height)
        size = (max(1, round(shrink * around.width)), max(1, round(shrink * around.height)))
        scale = f"reduced to {100 * shrink:.0f} %"
    return RegionView(
        number=number,
        region=region,
        winner="b" if region.side == "a" else "a",
        title=f"{lead(region.margin)} here",
        why=f"{region.side.upper()} {region.word}" if region.axis else region.word,
        strength=region.strength or "",
        percent=box.part_of(Box(0, 0, width, height)),
        crops=tuple(
            (name, crop_uri(image, around, max(size)))
            for name, image in zip(("A", "B", "reference"), images, strict=False)
        ),
        size=size,
        inner=box.part_of(around),
        scale=scale,
        pixelated=factor > 1,
    )


def box_around(box: Box, shape: tuple[int, int]) -> Box:
    """The box with a margin, at least LEAST_SIDE_PX wide and high, inside an image (height, width)."""
    margin = max(LEAST_MARGIN_PX, round(MARGIN_PART * max(box.width, box.height)))
    left, width = _widened(box.left, box.width, margin, shape[1])
    top, height = _widened(box.top, box.height, margin, shape[0])
    return Box(left, top, width, height)


def _widened(start: int, size: int, margin: int, length: int) -> tuple[int, int]:
    """Start and size of an interval with the margin on both sides, where there is room for it within [0, length)."""
    first, last = max(0, start - margin), min(length, start + size + margin)
    widened = max(last - first, min(LEAST_SIDE_PX, length))
    first -= (widened - (last - first)) // 2
    return max(0, min(first, length - widened)), widened


def crop_uri(pixels: np.ndarray, box: Box, side_px: int) -> str:
    """A box of (H, W, 3) uint8, reduced where its longer side exceeds `side_px`, in CROP_BYTES."""
    part = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
    picture = fit(Image.fromarray(part), side_px)
    content = encoded(picture, "WEBP", lossless=True, method=4)
    if len(content) <= CROP_BYTES:
        return data_uri(content, "webp")
    for quality in (95, 90, 85, 75, 60):
        content = encoded(picture, "JPEG", quality=quality, subsampling=0)
        if len(content) <= CROP_BYTES:
            break
    return data_uri(content, "jpeg")
