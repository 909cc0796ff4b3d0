"""SPIPS for users: a test image and its reference in, a quality with its difference maps out; usable as a loss.

model = relational_iqa.systems.spips.load()
result = model.score("copy.jpg", "original.png")
result.quality, result.maps["semantic"], result.summary()
loss = -model(test, reference).mean()          # (B, 3, H, W) in [0, 1], with gradients
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import MAX_PIXELS, load_image
from relational_iqa.conventional.common import check_pair
from relational_iqa.networks.error_maps import CONVENTIONAL
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY, Sums
from relational_iqa.networks.spips import SpipsNetwork
from relational_iqa.networks.spips_quality import LocalDifference
from relational_iqa.networks.spips_stages import StageSpips
from relational_iqa.results.spips_score import SpipsScore
from relational_iqa.storage.spips_weights import load_spips_weights
from relational_iqa.systems.answers import facts_of_answer, name_of
from relational_iqa.systems.devices import find_device
from relational_iqa.tiling.aligned_images import align_images
from relational_iqa.tiling.stored_image import Source, StoredImage
from relational_iqa.tiling.tile_geometry import HALO_PX, inside_share, pad_to_grid, tiles_of
from relational_iqa.viewing.alignment import Alignment
from relational_iqa.viewing.tensor_images import check_images

STAGES_HALO_PX = 384
"""Halo of the tiles for a network on the frozen backbone, a multiple of the stride of its coarsest stage. The theory
reaches further; what lies beyond moves no quality by 1e-4."""


def load(weights: str | Path | None = None, device: str = "cpu") -> SPIPS:
    """The model with shipped weights (None), other shipped weights by name, or weights by path; no network access.

    Raises UsageError for weights that are missing, damaged or foreign, and for a device that is not there.
    """
    network, meta = load_spips_weights(weights)
    return SPIPS(network.to(find_device(device)), meta)


class SPIPS:
    """Scores a test image against its reference. Nothing is resized unless `align` says so.

    Args:
        network: the network.
        meta: facts about the weights, which answers repeat.
        tile_px: side of the tiles in which large images are processed. Tiles give the numbers of the whole image. A
            ResNet as backbone sees too far for tiles; with one, images are processed whole.
    """

    def __init__(self, network: SpipsNetwork | StageSpips, meta: Mapping[str, Any], tile_px: int = 1024) -> None:
        self.network = network.eval()
        self.device = next(network.parameters()).device
        self.tile_px = tile_px
        self.meta = dict(meta)

    def __call__(self, test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
        """Quality of images (B, 3, H, W) in [0, 1], any size from 16 px, differentiable in both; each batch whole.
        Raises ImageError for shapes that are no pair."""
        check_pair(test, reference)
        inside = inside_share(*test.shape[-2:]).to(self.device)
        weight = next(self.network.parameters())
        local = self.network.local(pad_to_grid(test.to(weight)), pad_to_grid(reference.to(weight)))
        return self.network.quality(local.sums(inside))

    @torch.inference_mode()
    def score(
        self,
        image: Source,
        reference: Source,
        *,
        align: Alignment | None = None,
        name: str | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> SpipsScore:
        """Quality of an image against its reference, with maps.

        Args:
            image: the image to judge.
            reference: the pristine image.
            align: what to do when sizes differ: "auto" registers the image on the reference, "resize" enlarges to the
                largest, "crop" cuts the smallest from the middle; None refuses that.
            name: what to call the image, by default its file name.
            max_pixels: largest width x height that is decoded.

        Raises:
            ImageError: for anything that is no usable image, and for different sizes without `align`.
        """
        start = time.perf_counter()
        called = name or name_of(image, "the image")
        sources = ((called, image), (name_of(reference, "the reference"), reference))
        loaded = [(text, StoredImage(load_image(source, max_pixels=max_pixels), text)) for text, source in sources]
        test, pristine = (x.pixels().to(self.device) for x in align_images(loaded, align, has_reference=True))
        sums, maps, fusion = self._in_tiles(test, pristine)
        quality = self._quality(sums)
        streams = self.network.streams
        return SpipsScore(
            quality=quality,
            maps=dict(zip(streams, _arrays(maps), strict=True)),
            fusion=dict(zip(streams, _arrays(fusion), strict=True)),
            difference=_arrays((maps * fusion).sum(0, keepdim=True))[0],
            mos=self._mos(quality),
            name=called,
            meta=facts_of_answer(
                self.meta,
                (test.shape[1], test.shape[2]),
                self.device,
                start,
                opinions=self.meta.get("opinions"),
            ),
        )

    @torch.inference_mode()
    def quality(self, image: Tensor, reference: Tensor) -> float:
        """Quality of one image (3, H, W) against its reference. Raises ImageError, see `check_images`."""
        check_images(False, image=image, reference=reference)
        check_pair(image[None], reference[None])
        first, second = (tensor.to(self.device, torch.float32) for tensor in (image, reference))
        return self._quality(self._in_tiles(first, second, maps=False)[0])

    @torch.inference_mode()
    def quality_batch(self, tests: Tensor, references: Tensor) -> Float[Tensor, " b"]:
        """Qualities of images (B, 3, H, W) against their references, without gradients. Raises ImageError, see
        `check_images`."""
        check_images(True, tests=tests, references=references)
        return self(tests, references)

    def _quality(self, sums: Sums) -> float:
        quality = float(self.network.quality(sums)) + 0.0
        if not np.isfinite(quality):
            raise UsageError(f"quality is {quality}: the weights {self.meta.get('name')} are damaged or of another use")
        return quality

    def _mos(self, quality: float) -> float | None:
        """People's scores end where their scale does, qualities go on: what is worse than the lowest score is cut."""
        low, high = (float(x) for x in self.network.mos_range)
        return None if np.isnan(low) else float(np.clip(high + (high - low) * quality / LEVELS_PER_SEVERITY, low, high))

    def _in_tiles(self, test: Tensor, reference: Tensor, maps: bool = True) -> tuple[Sums, Tensor, Tensor]:
        """Pooled sums, and maps and fusion (S, H, W) at full resolution, or with `maps` False nothing of them."""
        height, width = test.shape[-2:]
        x, y = pad_to_grid(test[None]), pad_to_grid(reference[None])
        share = inside_share(height, width).to(self.device)
        tile_px, halo_px = self._tile_sizes(max(x.shape[-2:]))
        count = 2 * len(self.network.streams) if maps else 0
        both = torch.empty(count, *x.shape[-2:], device=self.device)
        total: Sums | None = None
        for tile in tiles_of(x.shape[-2], x.shape[-1], tile_px, halo_px):
            local = self.network.local(tile.with_halo(x), tile.with_halo(y))
            part = local.sums(tile.own_share(share))
            total = part if total is None else total + part
            if maps:
                tile.place(both, self._full(local, (tile.outer[2] - tile.outer[0], tile.outer[3] - tile.outer[1])))
        if total is None:
            raise UsageError(f"an image of {width} x {height} px has no tiles")
        found, fusion = both[:, :height, :width].chunk(2)
        return total, found, fusion

    def _tile_sizes(self, longest: int) -> tuple[int, int]:
        """Side of the tiles and width of their halo, px; tiles begin where the coarsest stage has a value."""
        if isinstance(self.network, StageSpips):
            step = max(self.network.comparison.strides)
            return max(step, self.tile_px // step * step), STAGES_HALO_PX
        backbone = self.network.backbone
        return self.tile_px if backbone is None or backbone.local else longest, HALO_PX

    def _full(self, local: LocalDifference, size: tuple[int, int]) -> Tensor:
        """Maps, then fusion, of a tile (2 S, h, w): the conventional maps as they are, the others interpolated."""
        both = torch.cat([local.maps, local.fusion], 1)
        scaled = F.interpolate(both, size, mode="bilinear", align_corners=False)[0]
        for channel, name in enumerate(name for name in self.network.streams if name in CONVENTIONAL):
            scaled[self.network.streams.index(name)] = local.conventional[0, channel]
        return scaled


def _arrays(values: Tensor) -> list[np.ndarray]:
    return [np.ascontiguousarray(value.float().cpu().numpy()) for value in values]
