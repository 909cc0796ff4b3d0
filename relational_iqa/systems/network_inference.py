"""Runs the networks of the core on one tile: the boundary between tiling and networks.

Tensors in, tensors out, none larger than a tile. Another runtime would have to offer the same five functions: `pair`
and `against` for the maps and sums of a tile; `verdict`, `quality` and `order_confidence` for the pooled sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from distortion_engine.jobs.progress import part
from relational_iqa.networks.blocks import PatchEncoder, Stem, enlarge
from relational_iqa.networks.in_parts import CELL_PX, at_once, can_be_parted
from relational_iqa.networks.joint_margin import JudgedSums, PairSums, PairVerdict
from relational_iqa.networks.judgement import JudgementSums
from relational_iqa.networks.local_analysis import STRIDE, pool
from relational_iqa.networks.pair_statistics import PairStatistics
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.networks.reference_joint import Evidence, LocalReferenceQuality, ReferenceSums
from relational_iqa.networks.similarity_maps import SimilarityMaps
from relational_iqa.tiling.memory import give_back_freed_memory

PAIR_BYTES = 98
"""What the networks take on a CPU for a pixel of a tile of a pair, beside the images; measured."""
REFERENCE_BYTES = 175
"""The same of two images and their reference."""
_LARGE_PX = 1_000_000
_TOGETHER_PX = 5_000_000  # of images against one reference whose statistics are kept at a time, 40 bytes for each
_IN_FLOAT32 = (PairStatistics, SimilarityMaps, PatchEncoder, Stem)


@dataclass(frozen=True)
class TileResult:
    """What the networks give for one tile of an image and its reference, float32 on the 1/4 grid.

    Args:
        maps: relation maps in [-1, 1].
        local: local quality, levels, at most 0.
        weight: how much a place counts, > 0.
        sums: over the cells that count.
    """

    maps: Float[Tensor, "b k h w"]
    local: Float[Tensor, "b 1 h w"]
    weight: Float[Tensor, "b 1 h w"]
    sums: ReferenceSums


@dataclass(frozen=True)
class PairTileResult:
    """What the networks give for one tile of a pair without a reference, float32 on the 1/4 grid.

    Args:
        maps: relation maps in [-1, 1].
        placed: local margins, levels, of those parts of the margin that have one: see `LocalPair.placed`.
        weight: how much a place counts, > 0.
        sums: over the cells that count.
    """

    maps: Float[Tensor, "b k h w"]
    placed: Float[Tensor, "b placed h w"]
    weight: Float[Tensor, "b 1 h w"]
    sums: PairSums


class NetworkInference:
    """The two networks on their device and in their precision.

    Args:
        networks: the networks; they are changed in place where `dtype` is not float32.
        dtype: precision of the trunks. Sums and the modules that see pixels or statistics always compute in float32:
            the statistics of faint differences would be rounded to nothing in 16 bits.
    """

    def __init__(self, networks: Networks, dtype: torch.dtype = torch.float32) -> None:
        self._networks = networks.eval()
        self.device = next(networks.parameters()).device
        self.dtype = dtype
        if dtype != torch.float32:
            for parent in list(networks.modules()):
                for name, child in list(parent.named_children()):
                    if isinstance(child, _IN_FLOAT32):
                        parent.add_module(name, _InFloat32(child, self.device.type))

    def pair(
        self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], share: Float[Tensor, "_ 1 h//4 w//4"]
    ) -> PairTileResult:
        """M(a, b), local margins (> 0 where a is better) and weight of a pair without a reference.

        Args:
            a: images in [0, 1] whose sides are multiples of 16.
            b: the other images, of the same size.
            share: how much each cell counts in the sums, 0 to 1, for all images or for each.
        """
        networks = self._networks

        def judge() -> tuple[JudgedSums, Tensor] | None:
            if networks.judgement is None:
                return None
            # What leaves the tile is taken at once: the moments of every cell take memory.
            found = networks.judged_pair(a, b)
            return found.sums(pool(share, CELL_PX // STRIDE)), found.margins()

        with self._precision():
            judged, local = _both_halves(a, judge, lambda: networks.related_pair(a, b))
        placed, sums = local.margin.margin, local.sums(share)
        if judged is not None:
            placed = torch.cat([enlarge(judged[1], local.maps), placed], 1)
            sums = replace(sums, judged=judged[0])
        return PairTileResult(local.maps, placed, local.margin.weight, sums)

    def against(
        self,
        tests: Sequence[Float[Tensor, "b 3 h w"]],
        reference: Float[Tensor, "b 3 h w"],
        share: Float[Tensor, "_ 1 h//4 w//4"],
    ) -> list[TileResult]:
        """M(reference, test), local quality (<= 0) and weight of images that have a reference in common, which the
        judgement sees once; otherwise as `pair`."""
        found = []
        for local in self._local_qualities(tests, reference):
            with self._precision():
                quality = self._networks.quality_map(local)
            found.append(TileResult(local.maps, quality.float(), local.scorer.weight, local.sums(share)))
        return found

    def _local_qualities(self, tests: Sequence[Tensor], reference: Tensor) -> list[LocalReferenceQuality]:
        networks = self._networks

        def compare() -> Sequence[Evidence | None]:
            return [None] * len(tests) if networks.judgement is None else networks.stages_compared(tests, reference)

        with self._precision():
            at_once = max(1, _TOGETHER_PX // (reference.shape[-2] * reference.shape[-1]))
            groups = (tests[first : first + at_once] for first in range(0, len(tests), at_once))
            scorings = [partial(networks.scored_qualities, group, reference) for group in groups]
            compared, *found = _both_halves(reference, compare, *scorings)
            scored = (one for several in found for one in several)
            pairs = zip(scored, compared, strict=True)
            return [networks.joined_quality(maps, scorer, evidence) for (maps, scorer), evidence in pairs]

    def alone_on_tiles(
        self, tiles: Sequence[Float[Tensor, "1 3 h w"]], share: Float[Tensor, "1 1 h//4 w//4"]
    ) -> tuple[Float[Tensor, "1 h//16 w//16"], tuple[JudgementSums, ...]]:
        """A tile of one image -> its local judgement, mean over heads, on the grid of cells; sums for `judgement`.

        Raises:
            UsageError: for networks without a judgement.
        """
        judgement = self._networks.judgement
        if judgement is None:
            raise UsageError("these weights judge no image alone; give weights with a judgement")
        local = judgement(tiles[0])
        return local.quality.mean(1), (local.sums(pool(share, CELL_PX // STRIDE)),)

    def judgement(self, sums: JudgementSums) -> Float[Tensor, " b"]:
        """Judgements of images alone, levels, of the sums of `alone_on_tiles`."""
        judgement = self._networks.judgement
        if judgement is None:
            raise UsageError("these weights judge no image alone; give weights with a judgement")
        return judgement.quality(sums).mean(1)

    def pair_on_tiles(
        self, tiles: Sequence[Float[Tensor, "1 3 h w"]], share: Float[Tensor, "1 1 h//4 w//4"]
    ) -> tuple[Float[Tensor, "c h//4 w//4"], tuple[PairSums, ...]]:
        """Tiles of a and b -> local margins of the parts but the pair scorer where there are any, then M(a, b), local
        margin of the pair scorer, weight; sums for the verdict."""
        found = self.pair(tiles[0], tiles[1], share)
        others, pair = found.placed[:, :-1], found.placed[:, -1:]
        return torch.cat([others, found.maps, pair, found.weight], 1)[0], (found.sums,)

    def each_against_on_tiles(
        self, tiles: Sequence[Float[Tensor, "1 3 h w"]], share: Float[Tensor, "1 1 h//4 w//4"]
    ) -> tuple[Float[Tensor, "c h//4 w//4"], tuple[ReferenceSums, ...]]:
        """Tiles of images and then of their reference -> M(reference, image), local quality and weight of each image,
        one after the other; sums for the quality of each. The reference is seen once."""
        *tests, reference = tiles
        found = self.against(tests, reference, share)
        maps = [part for one in found for part in (one.maps, one.local, one.weight)]
        return torch.cat(maps, 1)[0], tuple(one.sums for one in found)

    def sums_of_each_against_on_tiles(
        self, tiles: Sequence[Float[Tensor, "1 3 h w"]], share: Float[Tensor, "1 1 h//4 w//4"]
    ) -> tuple[Float[Tensor, "1 h//4 w//4"], tuple[ReferenceSums, ...]]:
        """The sums of `each_against_on_tiles` without its maps."""
        *tests, reference = tiles
        return share[0], tuple(local.sums(share) for local in self._local_qualities(tests, reference))

    def both_against_on_tiles(
        self, tiles: Sequence[Float[Tensor, "1 3 h w"]], share: Float[Tensor, "1 1 h//4 w//4"]
    ) -> tuple[Float[Tensor, "c h//4 w//4"], tuple[ReferenceSums, ...]]:
        """Tiles of a, b and their reference -> what b has more than a, within [-2, 2], and what it lacks more, see
        `has_and_lacks`; local margin and mean weight; sums for the qualities of a and b."""
        first, second = self.against(tiles[:2], tiles[2], share)
        maps, local = has_and_lacks(second.maps) - has_and_lacks(first.maps), first.local - second.local
        return torch.cat([maps, local, (first.weight + second.weight) / 2], 1)[0], (first.sums, second.sums)

    def verdict(self, sums: PairSums) -> PairVerdict:
        """Margins in levels of the sums of `pair`, how sure they are, and what they are made of."""
        return self._networks.verdict(sums)

    def quality(self, sums: ReferenceSums) -> Float[Tensor, " b"]:
        """Qualities in levels, <= 0, of the sums of `against`."""
        return self._networks.quality(sums)

    def order_confidence(self, first: ReferenceSums, second: ReferenceSums) -> Float[Tensor, " b"] | None:
        """Probability that the order of the qualities of two `against` is right, in [.5, 1]; None where nothing
        tells."""
        return self._networks.order_confidence(first, second)

    def _precision(self) -> AbstractContextManager[Any]:
        if self.dtype == torch.float32:
            return whole_float32(self.device)
        context = ExitStack()
        context.enter_context(whole_float32(self.device))
        context.enter_context(torch.autocast(self.device.type, dtype=self.dtype))
        return context


def has_and_lacks(maps: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k_and_two_sided h w"]:
    """M(reference, test) as defects of the test image, exactly 0 where it equals the reference: all axes, of which
    those with one side are at least 0, for a reference has no defect that a test image could lack; then, for the
    two-sided axes in their order, how much the test image lacks, at least 0."""
    parts = [maps[:, k : k + 1] if axis.two_sided else maps[:, k : k + 1].clamp_min(0) for k, axis in enumerate(AXES)]
    lacks = [(-maps[:, k : k + 1]).clamp_min(0) for k, axis in enumerate(AXES) if axis.two_sided]
    return torch.cat([*parts, *lacks], 1)


def _both_halves(tile: Tensor, judge: Callable[[], Any], *rest: Callable[[], Any]) -> list[Any]:
    """What the judgement gives for a tile, and what the rest gives. Of a small tile, whose steps have no parts, all are
    computed at once, each on a thread; of a large one after the other, because they take memory."""
    if can_be_parted(tile) and tile.numel() <= 3 * _LARGE_PX:
        return at_once(judge, *rest)
    with part(0.5):
        judged = judge()
    give_back_freed_memory()
    found = []
    for one in rest:
        with part(0.5 / len(rest)):
            found.append(one())
    return [judged, *found]


@contextmanager
def whole_float32(device: torch.device) -> Iterator[None]:
    """On CUDA, makes convolutions keep all bits of float32.

    By default cuDNN rounds inputs to 10 bits of mantissa (TF32), and faint differences would be lost.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


class _InFloat32(nn.Module):
    """A module that computes in float32 within autocast too."""

    def __init__(self, inner: nn.Module, device_type: str) -> None:
        super().__init__()
        self.inner, self.device_type = inner, device_type

    def forward(self, *inputs: Tensor) -> Any:
        with torch.autocast(self.device_type, enabled=False):
            return self.inner(*inputs)

    def __getattr__(self, name: str) -> Any:
        """A method of the module, within which it computes in float32, too."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            method = getattr(super().__getattr__("inner"), name)

        def called(*inputs: Any) -> Any:
            with torch.autocast(self.device_type, enabled=False):
                return method(*inputs)

        return called
