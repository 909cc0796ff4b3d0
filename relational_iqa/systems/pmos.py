"""pMOS for users: one image in, its MOS and two maps at full resolution out; no reference, any size, bounded memory.

    model = relational_iqa.systems.pmos.load()
    result = model.score("photo.jpg")
    result.mos, result.pmos, result.roi, result.summary()

mos is on the scale 1 (bad) to 5 (excellent); the shipped weights have seen no human score.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import MAX_PIXELS, load_image
from relational_iqa.networks.pmos_encoder import MOS_CELL_PX
from relational_iqa.networks.pmos_head import DEFECTS, MosMaps, Places, PmosHead, full_resolution, image_mos, thumbnail
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.results.mos_score import MosScore
from relational_iqa.storage.pmos_weights import load_pmos_weights
from relational_iqa.systems.answers import facts_of_answer, name_of
from relational_iqa.systems.devices import find_device
from relational_iqa.tiling.stored_image import Source
from relational_iqa.tiling.tile_geometry import Tile, pad_to_grid, tiles_of
from relational_iqa.viewing.tensor_images import check_images

_FEATURE_TILE_PX = 1024  # features of all stages take 40 bytes a pixel
_STRIP_ROWS = 128  # that are summed at a time
_WHOLE_TILES = 4
"""Images of at most as many pixels as so many tiles are not tiled: the backbone takes them in parts. With tiles
of 2048 px these are 16.8 megapixels; one of 12 takes 1.4 GB."""


def load(weights: str | Path | None = None, device: str = "cpu") -> PMOS:
    """The model with shipped weights (None), other shipped weights by name, or weights by path; no network access.

    Raises UsageError for weights that are missing, damaged or foreign, and for a device that is not there.
    """
    network, meta = load_pmos_weights(weights)
    return PMOS(network.to(find_device(device)), meta)


class PMOS:
    """Scores single images by their MOS.

    Images enter as paths, PIL images, arrays (H, W, 3) or tensors (3, H, W) in [0, 1]. Only the thumbnail is resized.

    Args:
        network: the network.
        meta: facts about the weights, which answers repeat.
        tile_px: side of the tiles in which images of more than four tiles' pixels are processed. Tiles give the same
            numbers as the whole image.
    """

    def __init__(self, network: PmosNetwork, meta: Mapping[str, Any], tile_px: int = 2048) -> None:
        self.network = network.eval()
        self.device = next(network.parameters()).device
        self.tile_px = tile_px
        self.meta = dict(meta)

    @torch.inference_mode()
    def score(self, image: Source, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> MosScore:
        """MOS of an image and its maps. Raises ImageError for anything that is no usable image."""
        start = time.perf_counter()
        loaded = load_image(image, max_pixels=max_pixels).to(self.device)
        found = self._seen(loaded)
        return MosScore(
            mos=found.mos,
            pmos=_array(found.maps[0]),
            roi=_array(found.maps[1]),
            doubt=found.doubt,
            defects=_array(found.defects),
            named_from=self.network.head.named_from.tolist(),
            name=name or name_of(image, "the image"),
            opinions=str(self.meta.get("opinions", "none")),
            meta=facts_of_answer(
                self.meta,
                (loaded.shape[1], loaded.shape[2]),
                self.device,
                start,
                preprocessing="sRGB in [0, 1], original size",
            ),
        )

    @torch.inference_mode()
    def mos(self, image: Float[Tensor, "3 h w"]) -> float:
        """MOS of one image, without keeping maps."""
        return self.mos_by_heads(image, [self.network.head])[0]

    @torch.inference_mode()
    def maps_batch(self, images: Float[Tensor, "b 3 h w"]) -> tuple[MosMaps, Float[Tensor, " b"]]:
        """Maps at full resolution and MOS of images of one size, the batch at once. Raises ImageError, see
        `check_images`."""
        check_images(True, images=images)
        images = images.to(self.device, torch.float32)
        local = self.network(pad_to_grid(images), thumbnail(images))
        both = full_resolution(torch.cat(local, 1), images.shape[-2], images.shape[-1], MOS_CELL_PX)
        maps = MosMaps(both[:, :1], both[:, 1:])
        return maps, image_mos(maps)

    @torch.inference_mode()
    def mos_by_heads(self, image: Float[Tensor, "3 h w"], heads: Sequence[PmosHead]) -> list[float]:
        """MOS of one image by each of several heads on this encoder, whose features are computed once. Raises
        ImageError, see `check_images`."""
        check_images(False, image=image)
        image = image.to(self.device, torch.float32)
        scene = self.network.embed(thumbnail(image[None]))
        sums = np.zeros((len(heads), 2))
        for tile, features in self.feature_tiles(image):
            for number, head in enumerate(heads):
                sums[number] += pooled_sums(head(features, scene), tile, image)
        return [float(weighted / weight) for weighted, weight in sums]

    @torch.inference_mode()
    def feature_tiles(self, image: Float[Tensor, "3 h w"]) -> Iterator[tuple[Tile, Float[Tensor, "1 c h8 w8"]]]:
        """Tiles of one image, each with the features on the grid of the tile and its halo."""
        padded = pad_to_grid(image[None])
        for tile in self._tiles(padded, min(self.tile_px, _FEATURE_TILE_PX)):
            yield tile, self.network.encoder(tile.with_halo(padded))

    def _tiles(self, padded: Tensor, tile_px: int) -> Iterator[Tile]:
        whole_px = _WHOLE_TILES * tile_px**2
        return tiles_of(padded.shape[-2], padded.shape[-1], tile_px, self.network.encoder.reach_px, whole_px)

    def _seen(self, image: Tensor) -> _Seen:
        """All that the network says of an image."""
        height, width = image.shape[-2:]
        scene = self.network.embed(thumbnail(image[None]))
        padded = pad_to_grid(image[None])
        rows, columns = (-(-side // MOS_CELL_PX) for side in (height, width))
        maps = torch.empty(2, height, width, device=image.device)
        defects = torch.empty(DEFECTS, rows, columns, device=image.device)
        sums, hidden = np.zeros(2), torch.zeros(1 + self.network.architecture.hidden, dtype=torch.float64)
        for tile in self._tiles(padded, self.tile_px):
            places = self.network.places(self.network.encoder.see(tile.with_halo(padded)), scene)
            part = _own_part(places.maps, tile, image)
            top, left = tile.core[:2]
            maps[:, top : top + part.shape[-2], left : left + part.shape[-1]] = part
            sums += _sums(part)
            own = _own_cells(places, tile, rows, columns)
            top, left = top // MOS_CELL_PX, left // MOS_CELL_PX
            defects[:, top : top + own.defects.shape[-2], left : left + own.defects.shape[-1]] = own.defects[0]
            weighted = torch.cat([own.maps.roi, own.maps.roi * own.hidden], 1)
            hidden += weighted[0].sum((1, 2), dtype=torch.float64).cpu()
        if not np.isfinite(sums).all():
            raise ImageError(f"an image of {width} x {height} px gives scores that are not finite: check it for NaN")
        mos = float(sums[0] / sums[1])
        seen = (hidden[1:] / hidden[0])[None].float().to(image.device)
        doubt = self.network.doubt(seen, self.network.head.scene_of(scene), torch.tensor([mos], device=image.device))
        return _Seen(mos, maps, defects, float(doubt))


class _Seen(NamedTuple):
    """What is said of an image: MOS, maps (2, H, W), defects in cells, and how far the MOS may be off."""

    mos: float
    maps: Tensor
    defects: Tensor
    doubt: float


def pooled_sums(maps: MosMaps, tile: Tile, image: Float[Tensor, "3 h w"]) -> Float64[np.ndarray, " 2"]:
    """What a tile of `image` adds to (sum of roi * pmos, sum of roi), both at full resolution, in double precision."""
    return _sums(_own_part(maps, tile, image))


def _own_part(maps: MosMaps, tile: Tile, image: Tensor) -> Tensor:
    """Maps of a tile with its halo -> (2, h, w) at full resolution: its core, as far as it lies in the image."""
    y, x = tile.outer[:2]
    top, left, bottom, right = tile.core
    bottom, right = min(bottom, image.shape[-2]), min(right, image.shape[-1])
    full = full_resolution(torch.cat(maps, 1), tile.outer[2] - y, tile.outer[3] - x, MOS_CELL_PX)
    return full[0, :, top - y : bottom - y, left - x : right - x]


def _own_cells(places: Places, tile: Tile, rows: int, columns: int) -> Places:
    """The cells of the core of a tile, as far as they begin in an image of `rows` x `columns` cells."""
    y, x, *_ = (edge // MOS_CELL_PX for edge in tile.outer)
    top, left, bottom, right = (edge // MOS_CELL_PX for edge in tile.core)
    own = slice(top - y, min(bottom, rows) - y), slice(left - x, min(right, columns) - x)
    mos, roi, defects, hidden = (values[..., own[0], own[1]] for values in (*places.maps, *places[1:]))
    return Places(MosMaps(mos, roi), defects, hidden)


def _sums(part: Tensor) -> np.ndarray:
    """Sums of roi * pmos and of roi over (2, h, w), in double precision."""
    sums = np.zeros(2)
    for strip in part.split(_STRIP_ROWS, dim=1):
        pmos, roi = strip.double()
        sums += float((roi * pmos).sum()), float(roi.sum())
    return sums


def _array(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.float().cpu().numpy())
