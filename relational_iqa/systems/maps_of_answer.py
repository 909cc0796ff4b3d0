"""The maps of an answer, as `Comparison` and `Score` hold them, of what the networks give on the 1/4 grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.axes import AXES
from relational_iqa.networks.joint_margin import PairVerdict
from relational_iqa.results.map import Map
from relational_iqa.systems.known_pixels import KnownPixels
from relational_iqa.tiling.enlargement import CELL_PX
from relational_iqa.tiling.stored_image import StoredImage


def with_local_margin(maps: np.ndarray | None, verdict: PairVerdict) -> np.ndarray | None:
    """The maps of a pair with one local margin in place of its parts; row by row in place, for they may lie in a
    file."""
    if maps is None:
        return maps
    *others, pair = verdict.local_factors()[0].tolist()
    for row, local in enumerate(maps[-2]):
        local *= pair
        for factor, part in zip(others, maps, strict=False):
            local += factor * part[row]
    return maps[len(others) :]


class FoundMaps(NamedTuple):
    """The maps of an answer, see `Comparison`; `local` is the local margin, or the local quality of one image, and
    `missed_noise` the shares of the picture in which the networks had missed noise of a, and of b."""

    maps: dict[str, Map]
    lacks: dict[str, Map]
    local: Map
    weight: Map
    missed_noise: tuple[float, float]


def maps_of_answer(found: np.ndarray | None, image: StoredImage, known: KnownPixels) -> FoundMaps:
    """Maps on the 1/4 grid by axis, those of what is lacking where there are any, the local map and the weight;
    corrected by what is known of the pixels, and all but the weight 0 where no pixel of the image counts."""
    if found is None:
        raise ValueError("no maps were kept")
    missed = known.correct(found)
    if image.counts is not None:
        _keep_counted(found, image.counts)
    _, height, width = image.shape
    size = (height, width)
    maps = {axis.name: Map(values, size, 1.0) for axis, values in zip(AXES, found, strict=False)}
    two_sided = [axis.name for axis in AXES if axis.two_sided]
    lacks = {name: Map(values, size, 1.0) for name, values in zip(two_sided, found[len(AXES) : -2], strict=False)}
    return FoundMaps(maps, lacks, Map(found[-2], size), Map(found[-1], size), missed)


def _keep_counted(found: np.ndarray, counts: StoredImage) -> None:
    """Puts 0 where no pixel of a cell counts, in place, in all maps but the weight."""
    _, height, width = counts.shape
    for top in range(0, height, CELL_PX):
        mask = counts.window(top, min(top + CELL_PX, height)).amax((0, 1)).cpu().numpy()
        cells = np.maximum.reduceat(mask, np.arange(0, width, CELL_PX)) > 0
        found[:-1, top // CELL_PX, len(cells) :] = 0
        found[:-1, top // CELL_PX, : len(cells)] *= cells
    found[:-1, -(-height // CELL_PX) :] = 0


def enlarged_to(values: Tensor, like: Tensor) -> Tensor:
    """Maps (B, C, h, w) on the 1/4 grid -> (B, C, H, W) of `like`, which may be smaller than the padded image."""
    scaled = F.interpolate(values, scale_factor=CELL_PX, mode="bilinear", align_corners=False)
    return scaled[..., : like.shape[-2], : like.shape[-1]]
