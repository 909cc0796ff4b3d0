"""RelationalIQA: the only door from outside to the networks. Loads weights, compares, scores and ranks images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from distortion_engine.catalog import AXES
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.image_io import MAX_PIXELS, load_image
from relational_iqa.alignment import match_sizes
from relational_iqa.comparison import Comparison, Ranking, Score
from relational_iqa.memory import keep_freed_memory
from relational_iqa.networks.distortion_network import Relation
from relational_iqa.networks.scoring_network import Sums
from relational_iqa.tiling import inside_share, pad_to_grid, tiles_of
from relational_iqa.version import __version__
from relational_iqa.weights_io import Networks, load_weights

Source = str | Path | Image.Image | np.ndarray | Tensor
Align = Literal["resize", "crop"]


def load(weights: str | Path | None = None, device: str = "cpu") -> RelationalIQA:
    """The model with shipped weights (None), other shipped weights by name, or weights by path; no network access.

    Raises UsageError for weights that are missing, damaged or foreign, and for a device that torch does not have.
    """
    keep_freed_memory()
    networks, meta = load_weights(weights)
    try:
        networks = networks.to(device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from error
    return RelationalIQA(networks, meta)


@dataclass(frozen=True)
class _Pooled:
    """Local results of one image or pair over all tiles: full-resolution maps (C, H, W) and pooled sums."""

    maps: Tensor
    sums: Sums


class RelationalIQA:
    """Compares images. Images enter as paths, PIL images, H x W x 3 arrays (uint8, uint16, float in [0, 1]) or tensors
    (3, H, W) in [0, 1]; sizes are kept, nothing is resized unless `align` says so.

    tile_px: side of the tiles in which large images are processed; tiles give the same numbers as the whole image.
    """

    def __init__(self, networks: Networks, meta: Mapping[str, Any], tile_px: int = 1024) -> None:
        networks.eval()
        self._distortion, self._scoring = networks.distortion, networks.scoring
        self.device = next(networks.parameters()).device
        self.tile_px = tile_px
        self.meta = dict(meta)

    # -- what users call -------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def compare(
        self,
        a: Source,
        b: Source,
        reference: Source | None = None,
        *,
        mask: Source | None = None,
        align: Align | None = None,
        names: tuple[str, str] | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Comparison:
        """Which of two images of one scene is better, by how much, where and in what way.

        reference: the pristine image, if there is one. mask: an image, white where the comparison counts. align: what
        to do when sizes differ, "resize" or "crop" everything to the smallest; None raises ImageError. Raises
        ImageError for anything that is no usable image.
        """
        start = time.perf_counter()
        sources = [a, b] + ([] if reference is None else [reference])
        images = self._load(sources, align, max_pixels)
        region = None if mask is None else self._load_mask(mask, images[0], align, max_pixels)
        image_a, image_b = images[0], images[1]
        if reference is None:
            pooled = self._pair(image_a, image_b, region)
            margin = self._scoring.pair.margin(pooled.sums)
            maps, local_margin, weight = pooled.maps[:-2], pooled.maps[-2], pooled.maps[-1]
            qualities: tuple[float | None, float | None] = (None, None)
        else:
            first, second = (self._against(image, images[2], region) for image in (image_a, image_b))
            quality = [self._scoring.reference.quality(pooled.sums) for pooled in (first, second)]
            margin = quality[0] - quality[1]
            maps = (second.maps[:-2] - first.maps[:-2]).clamp_(-1, 1).add_(0.0)
            local_margin = (first.maps[-2] - second.maps[-2]).add_(0.0)
            weight = (first.maps[-1] + second.maps[-1]) / 2
            qualities = (float(quality[0]) + 0.0, float(quality[1]) + 0.0)
        return Comparison(
            margin=float(margin) + 0.0,  # + 0.0 turns -0.0 into 0.0
            maps=_by_axis(maps),
            local_margin=_array(local_margin),
            weight=_array(weight),
            has_reference=reference is not None,
            quality_a=qualities[0],
            quality_b=qualities[1],
            names=names or (_name(a, "A"), _name(b, "B")),
            meta=self._describe(images[0], start, align),
        )

    @torch.inference_mode()
    def score(
        self, image: Source, reference: Source, *, align: Align | None = None, max_pixels: int = MAX_PIXELS
    ) -> Score:
        """Quality of one image against its reference: `quality` <= 0 levels, 0 for no difference."""
        start = time.perf_counter()
        test, pristine = self._load([image, reference], align, max_pixels)
        pooled = self._against(test, pristine, None)
        maps = _by_axis(pooled.maps[:-2])
        return Score(
            quality=float(self._scoring.reference.quality(pooled.sums)) + 0.0,
            local_quality=_array(pooled.maps[-2]),
            distortions={name: float(values.mean()) for name, values in maps.items()},
            maps=maps,
            name=_name(image, "the image"),
            meta=self._describe(test, start, align),
        )

    @torch.inference_mode()
    def rank(
        self,
        images: Sequence[Source],
        reference: Source | None = None,
        *,
        align: Align | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Ranking:
        """Several versions of one scene, best first. With a reference by quality (transitive by construction), without
        by the mean margin over all others (Borda). UsageError for fewer than two images."""
        if len(images) < 2:
            raise UsageError(f"ranking needs two images or more, got {len(images)}")
        start = time.perf_counter()
        sources = [*images] + ([] if reference is None else [reference])
        loaded = self._load(sources, align, max_pixels)
        count = len(images)
        pairwise = np.zeros((count, count))
        qualities: list[float] | None = None
        if reference is not None:
            qualities = [
                float(self._scoring.reference.quality(self._against(x, loaded[-1], None).sums)) + 0.0
                for x in loaded[:-1]
            ]
            pairwise = np.subtract.outer(qualities, qualities)
            standing = np.array(qualities)
        else:
            for i in range(count):
                for j in range(i + 1, count):
                    margin = float(self._scoring.pair.margin(self._pair(loaded[i], loaded[j], None).sums))
                    pairwise[i, j], pairwise[j, i] = margin, -margin
            standing = pairwise.sum(1) / (count - 1)
        order = [int(i) for i in np.argsort(-standing, kind="stable")]
        margins = [float(pairwise[i, j]) + 0.0 for i, j in zip(order, order[1:], strict=False)]
        names = [_name(image, f"image {i + 1}") for i, image in enumerate(images)]
        return Ranking(order, names, margins, qualities, pairwise, self._describe(loaded[0], start, align))

    # -- tensors in, tensors out -----------------------------------------------------------------------------------

    @torch.inference_mode()
    def relate(self, a: Tensor, b: Tensor) -> Tensor:
        """M(a, b) (K, H, W) of one pair (3, H, W), without a reference; channel order of `AXES`."""
        return self._pair(a.to(self.device), b.to(self.device), None).maps[:-2]

    @torch.inference_mode()
    def quality(self, image: Tensor, reference: Tensor) -> float:
        """Quality (<= 0, levels) of an image (3, H, W) against its reference."""
        pooled = self._against(image.to(self.device), reference.to(self.device), None)
        return float(self._scoring.reference.quality(pooled.sums)) + 0.0

    @torch.inference_mode()
    def relate_batch(self, a: Tensor, b: Tensor) -> Tensor:
        """M(a, b) (B, K, H, W) of pairs (B, 3, H, W) of one size, each batch at once."""
        padded_a, padded_b, _ = self._batch(a, b)
        return _full(self._distortion(padded_a, padded_b).maps, a)

    @torch.inference_mode()
    def quality_batch(self, tests: Tensor, references: Tensor) -> Tensor:
        """Qualities (B,) of images (B, 3, H, W) against their references."""
        test, reference, inside = self._batch(tests, references)
        local = self._scoring.reference.local(test, reference, self._distortion(reference, test))
        return self._scoring.reference.quality(local.sums(inside))

    @torch.inference_mode()
    def margin_batch(self, a: Tensor, b: Tensor) -> Tensor:
        """Margins (B,) of pairs (B, 3, H, W) without a reference; > 0 where a is better."""
        padded_a, padded_b, inside = self._batch(a, b)
        local = self._scoring.pair.local(self._distortion(padded_a, padded_b))
        return self._scoring.pair.margin(local.sums(inside))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _batch(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inside = inside_share(x.shape[-2], x.shape[-1]).to(self.device)
        return pad_to_grid(x.to(self.device)), pad_to_grid(y.to(self.device)), inside

    @torch.inference_mode()
    def _pair(self, a: Tensor, b: Tensor, region: Tensor | None) -> _Pooled:
        """Maps M(a, b), local margin and weight."""

        def local(x: Tensor, y: Tensor) -> tuple[Tensor, Callable[[Tensor], Sums]]:
            relation: Relation = self._distortion(x, y)
            result = self._scoring.pair.local(relation)
            return torch.cat([relation.maps, result.margin, result.weight], 1), result.sums

        return self._in_tiles(a, b, region, local)

    @torch.inference_mode()
    def _against(self, test: Tensor, reference: Tensor, region: Tensor | None) -> _Pooled:
        """Maps M(reference, test), local quality and weight."""

        def local(x: Tensor, y: Tensor) -> tuple[Tensor, Callable[[Tensor], Sums]]:
            relation: Relation = self._distortion(y, x)
            result = self._scoring.reference.local(x, y, relation)
            quality = self._scoring.reference.local_quality(result)
            return torch.cat([relation.maps, quality, result.weight], 1), result.sums

        return self._in_tiles(test, reference, region, local)

    def _in_tiles(
        self,
        x: Tensor,
        y: Tensor,
        region: Tensor | None,
        local: Callable[[Tensor, Tensor], tuple[Tensor, Callable[[Tensor], Sums]]],
    ) -> _Pooled:
        """Runs `local` over tiles with a halo and joins maps (C, H, W) and sums. A cell of a halo has no share."""
        height, width = x.shape[-2:]
        padded_x, padded_y = pad_to_grid(x[None]), pad_to_grid(y[None])
        share = inside_share(height, width).to(x.device)
        if region is not None:
            share = share * F.avg_pool2d(pad_to_grid(region[None]), 4)
            if not bool((share > 0).any()):
                raise ImageError("the mask is black everywhere: make white what should count")
        maps: Tensor | None = None
        sums: Sums | None = None
        for tile in tiles_of(padded_x.shape[-2], padded_x.shape[-1], self.tile_px):
            values, pool = local(tile.with_halo(padded_x), tile.with_halo(padded_y))
            part = pool(tile.own_share(share))
            sums = part if sums is None else sums + part
            if tile.is_whole(padded_x):
                maps = _full(values, padded_x)[0]
                break
            if maps is None:
                maps = torch.empty(values.shape[1], *padded_x.shape[-2:], device=x.device)
            tile.place(maps, _full(values, tile.with_halo(padded_x))[0])
        if maps is None or sums is None:
            raise ImageError(f"an image of {width} x {height} px has no tiles")
        return _Pooled(maps[:, :height, :width].contiguous().add_(0.0), sums)  # + 0.0 turns -0.0 into 0.0

    def _load(self, sources: Sequence[Source], align: Align | None, max_pixels: int) -> list[Tensor]:
        images = [
            (_name(source, f"image {index}"), load_image(source, max_pixels=max_pixels))
            for index, source in enumerate(sources, 1)
        ]
        return [image.to(self.device) for image in match_sizes(images, align)]

    def _load_mask(self, mask: Source, like: Tensor, align: Align | None, max_pixels: int) -> Tensor:
        """(1, H, W) in [0, 1], brought to the size of the compared images where `align` allows it."""
        region = load_image(mask, max_pixels=max_pixels).mean(0, keepdim=True)
        if align is None:
            region = match_sizes([("the image", like[:1].cpu()), (_name(mask, "the mask"), region)])[1]
        elif region.shape[-2:] != like.shape[-2:]:
            region = F.interpolate(region[None], like.shape[-2:], mode="bilinear", antialias=True)[0].clamp(0, 1)
        return region.to(self.device)

    def _describe(self, image: Tensor, start: float, align: Align | None) -> dict[str, Any]:
        return {
            "version": __version__,
            "weights": self.meta.get("name"),
            "weights_sha256": self.meta.get("sha256"),
            "size": f"{image.shape[-1]} x {image.shape[-2]}",
            "preprocessing": f"sRGB in [0, 1], {'original size' if align is None else f'aligned by {align}'}",
            "device": str(self.device),
            "seconds": round(time.perf_counter() - start, 3),
        }


def _full(values: Tensor, like: Tensor) -> Tensor:
    """Maps (B, C, h, w) on the 1/4 grid -> (B, C, H, W) of `like`, which may be smaller than the padded image."""
    scaled = F.interpolate(values, scale_factor=4, mode="bilinear", align_corners=False)
    return scaled[..., : like.shape[-2], : like.shape[-1]]


def _by_axis(maps: Tensor) -> dict[str, np.ndarray]:
    return {axis.name: _array(values) for axis, values in zip(AXES, maps, strict=True)}


def _array(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.float().cpu().numpy())


def _name(source: Source, otherwise: str) -> str:
    return Path(source).name if isinstance(source, str | Path) else otherwise
