"""Original pixels inside a page: lossless tiles of a grid over the images, those around the regions or all of them.

The tiles of all images lie at the same places, so that none is seen more sharply than another.
"""

import base64
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from PIL import Image

from relational_iqa.report.crops import Box, box_around
from relational_iqa.report.pictures import encoded
from relational_iqa.results.regions import Region

TILE_PX, WHOLE_TILE_PX = 128, 512  # side of a tile: around regions, and where all are embedded
TILE_BYTES = 4_500_000  # of all tiles around regions; 4/3 of it in the file

Tiles = dict[str, Any]
"""What the script reads: "side" of a tile in px, 0 where there are none, and "pictures": for each image the tiles as
base64 by their number, row by row from the upper left."""

NO_TILES: Tiles = {"side": 0, "pictures": []}


def region_tiles(images: Sequence[np.ndarray], regions: Sequence[Region]) -> Tiles:
    """The tiles around the regions, TILE_BYTES or less.

    Each region gets its tiles from the centre outwards, one at a time in turn, so that every region has its centre
    where not all of them fit.

    Args:
        images: equally large (H, W, 3) uint8.
        regions: boxes inside them.
    """
    size = (images[0].shape[1], images[0].shape[0])
    queues = [_tiles_of(region, size) for region in regions]
    in_turn = dict.fromkeys(number for round_ in zip_longest(*queues) for number in round_ if number is not None)
    taken: list[dict[int, str]] = [{} for _ in images]
    left = TILE_BYTES
    for number in in_turn:
        contents = [_tile(image, number, TILE_PX) for image in images]
        left -= sum(map(len, contents))
        if left < 0:
            break
        for own, content in zip(taken, contents, strict=True):
            own[number] = base64.b64encode(content).decode("ascii")
    return {"side": TILE_PX, "pictures": taken} if taken[0] else NO_TILES


def all_tiles(images: Sequence[np.ndarray]) -> Tiles:
    """Every pixel of equally large (H, W, 3) uint8 images."""
    columns, rows = _grid((images[0].shape[1], images[0].shape[0]), WHOLE_TILE_PX)
    return {
        "side": WHOLE_TILE_PX,
        "pictures": [
            {n: base64.b64encode(_tile(image, n, WHOLE_TILE_PX)).decode("ascii") for n in range(columns * rows)}
            for image in images
        ],
    }


def _tiles_of(region: Region, size: tuple[int, int]) -> list[int]:
    """Numbers of the tiles that a region with its margin touches, from its centre outwards."""
    width, height = size
    box = box_around(Box(region.left, region.top, region.width, region.height), (height, width))
    columns, _ = _grid(size, TILE_PX)
    centre = (box.left + box.width / 2, box.top + box.height / 2)

    def distance(place: tuple[int, int]) -> float:
        column, row = place
        return ((column + 0.5) * TILE_PX - centre[0]) ** 2 + ((row + 0.5) * TILE_PX - centre[1]) ** 2

    places = sorted(_touched(box), key=distance)
    return [row * columns + column for column, row in places]


def _touched(box: Box) -> Iterator[tuple[int, int]]:
    """(column, row) of the tiles that a box touches."""
    for row in range(box.top // TILE_PX, (box.top + box.height - 1) // TILE_PX + 1):
        for column in range(box.left // TILE_PX, (box.left + box.width - 1) // TILE_PX + 1):
            yield column, row


def _grid(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Number of columns and of rows."""
    return -(-size[0] // side), -(-size[1] // side)


def _tile(image: np.ndarray, number: int, side: int) -> bytes:
    columns, _ = _grid((image.shape[1], image.shape[0]), side)
    row, column = divmod(number, columns)
    part = image[row * side : (row + 1) * side, column * side : (column + 1) * side]
    return encoded(Image.fromarray(np.ascontiguousarray(part)), "WEBP", lossless=True, method=2)
