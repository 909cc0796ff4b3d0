"""What the networks answer for stored images, tile by tile, whatever their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from distortion_engine.axes import AXES
from relational_iqa.networks.reference_joint import ReferenceSums
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.ranking import Ranking, pairs_of
from relational_iqa.results.score import Score
from relational_iqa.systems.blocks_of_images import in_groups, pairs_in_blocks
from relational_iqa.systems.known_noise import doubted
from relational_iqa.systems.known_pixels import KnownPixels
from relational_iqa.systems.maps_of_answer import FoundMaps, maps_of_answer, with_local_margin
from relational_iqa.systems.network_inference import PAIR_BYTES, REFERENCE_BYTES, NetworkInference
from relational_iqa.systems.noticing import Noticing
from relational_iqa.systems.visible_tiles import visible_differences_alone, with_visible_difference
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.tiling.tile_geometry import GRID_PX, PAIR_HALO_PX, REFERENCE_HALO_PX
from relational_iqa.tiling.tile_runner import TileRunner
from relational_iqa.viewing.visibility import REACH_PX

AT_ONCE = 5
"""So many images share what is computed of their reference."""
_EACH_BYTES = 50  # what each of them takes for a pixel of a tile: cells of the backbone's stages, and maps
_VIEWED_AT_ONCE = 12  # images of which all pairs are viewed together
_VISIBLE_HALO_PX = -(-REACH_PX // GRID_PX) * GRID_PX


class _Margin(NamedTuple):
    """What is found of a pair: its margin in levels, how sure the sign is, and the visible difference."""

    margin: float
    confidence: float | None
    visible: float


class _Judged(NamedTuple):
    """The same, with the qualities of both against their reference, in levels, and maps."""

    margin: float
    confidence: float | None
    visible: float
    qualities: tuple[float | None, float | None]
    found: FoundMaps


class TiledNetworks:
    """The networks, run over all tiles of images. The images of one call are of one size; answers have no names, no
    inputs and no facts.

    Args:
        networks: the networks.
        tiler: cuts images into tiles.
    """

    def __init__(self, networks: NetworkInference, tiler: TileRunner) -> None:
        self.networks, self.tiler = networks, tiler

    def compared(self, images: Sequence[StoredImage]) -> Comparison:
        """The answer for a, b and, where there is one, the reference."""
        noticing = Noticing(images[0], images[1], images[2] if len(images) == 3 else None)
        judged = (self._pair if len(images) == 2 else self._against_reference)(images, noticing)
        return Comparison(
            judged.margin,
            judged.found.maps,
            judged.found.local,
            judged.found.weight,
            has_reference=len(images) == 3,
            quality_a=judged.qualities[0],
            quality_b=judged.qualities[1],
            confidence=judged.confidence,
            lacks=judged.found.lacks,
            visible_difference=None if images[0].is_hdr else judged.visible,
            origin=images[0].origin,
            noticed=noticing.found(judged.visible),
        )

    def _pair(self, images: Sequence[StoredImage], noticing: Noticing) -> _Judged:
        function = with_visible_difference(self.networks.pair_on_tiles)
        tiled = self.tiler.run(images, function, PAIR_HALO_PX, network_bytes=PAIR_BYTES)
        (sums,), visible = tiled.sums[0].sums, float(tiled.sums[0].difference)
        verdict = self.networks.verdict(sums)
        found = maps_of_answer(with_local_margin(tiled.maps, verdict), images[0], noticing.known())
        margin, confidence = float(verdict.margin), _number(verdict.confidence)
        if confidence is not None:
            confidence = doubted(confidence, margin, found.missed_noise)
        return _Judged(margin + 0.0, confidence, visible, (None, None), found)  # + 0.0 turns -0.0 into 0.0

    def _against_reference(self, images: Sequence[StoredImage], noticing: Noticing) -> _Judged:
        function = with_visible_difference(self.networks.both_against_on_tiles)
        tiled = self.tiler.run(images, function, REFERENCE_HALO_PX, network_bytes=REFERENCE_BYTES)
        both, visible = tiled.sums[0].sums, float(tiled.sums[0].difference)
        a, b = (self.networks.quality(sums) for sums in both)
        confidence = _number(self.networks.order_confidence(*both))
        found = maps_of_answer(tiled.maps, images[0], noticing.known())
        return _Judged(float(a - b) + 0.0, confidence, visible, (float(a) + 0.0, float(b) + 0.0), found)

    def scored(self, images: Sequence[StoredImage]) -> list[Score]:
        """Scores of images, computed together, against a reference, which is the last of `images`."""
        *tests, reference = images
        needed = REFERENCE_BYTES + (_EACH_BYTES * len(tests) if len(tests) > 1 else 0)
        function = self.networks.each_against_on_tiles
        tiled = self.tiler.run(images, function, REFERENCE_HALO_PX, network_bytes=needed)
        if tiled.maps is None:
            raise ValueError("no maps were kept")
        channels = len(tiled.maps) // len(tests)
        maps = [tiled.maps[first : first + channels] for first in range(0, len(tiled.maps), channels)]
        each = zip(maps, tiled.sums, tests, strict=True)
        return [self._score(own, sums, image, reference) for own, sums, image in each]

    def _score(self, maps: np.ndarray, sums: ReferenceSums, image: StoredImage, reference: StoredImage) -> Score:
        known = KnownPixels.of(reference, image, reference)
        found = maps_of_answer(maps, image, known)
        return Score(
            quality=self._quality(sums),
            local_quality=found.local,
            distortions={axis: values.mean() for axis, values in found.maps.items()},
            maps=found.maps,
            evidence=sums,
            block_px=known.blocks[1],
        )

    def ranked(self, images: Sequence[StoredImage], names: Sequence[str], has_reference: bool) -> Ranking:
        """The images by quality where the last of `images` is their reference, else by their pairs."""
        if has_reference:
            sums = self._sums_of_each(images)
            qualities = [self._quality(one) for one in sums]
            ranking = Ranking.by_quality(names, qualities, {}, self.order_confidences(sums))
            visible = self.visible_differences(images[:-1])
        else:
            found = {(i, j): self._margin(images[i], images[j]) for i, j in pairs_of(len(images))}
            ranking = Ranking.by_pairs(names, {pair: (one.margin, one.confidence) for pair, one in found.items()}, {})
            visible = {pair: one.visible for pair, one in found.items()}
        return ranking if images[0].is_hdr else ranking.with_visible(visible)

    def _margin(self, a: StoredImage, b: StoredImage) -> _Margin:
        function = with_visible_difference(self.networks.pair_on_tiles)
        tiled = self.tiler.run([a, b], function, PAIR_HALO_PX, want_maps=False, network_bytes=PAIR_BYTES).sums[0]
        verdict = self.networks.verdict(tiled.sums[0])
        return _Margin(float(verdict.margin), _number(verdict.confidence), float(tiled.difference))

    def _sums_of_each(self, images: Sequence[StoredImage]) -> list[ReferenceSums]:
        """Sums for the quality of each image against the last, in their order."""
        *tests, reference = images
        sums: list[ReferenceSums] = []
        for group in in_groups(len(tests), AT_ONCE):
            sums += self.tiler.run(
                [*(tests[i] for i in group), reference],
                self.networks.sums_of_each_against_on_tiles,
                REFERENCE_HALO_PX,
                want_maps=False,
                network_bytes=REFERENCE_BYTES + _EACH_BYTES * len(group),
            ).sums
        return sums

    def order_confidences(self, sums: Sequence[ReferenceSums]) -> np.ndarray | None:
        """(n, n): how sure the order of each two of n images against one reference is; None where nothing tells."""
        confidences = np.full((len(sums), len(sums)), 0.5)
        for i, j in pairs_of(len(sums)):
            sure = _number(self.networks.order_confidence(sums[i], sums[j]))
            if sure is None:
                return None
            confidences[i, j] = confidences[j, i] = sure
        return confidences

    def quality(self, image: StoredImage, reference: StoredImage) -> float:
        """Quality (<= 0, levels) of an image against its reference."""
        (sums,) = self._sums_of_each([image, reference])
        return self._quality(sums)

    def _quality(self, sums: ReferenceSums) -> float:
        return float(self.networks.quality(sums)) + 0.0

    def relation(self, a: StoredImage, b: StoredImage) -> Float[np.ndarray, "k h w"]:
        """M(a, b) on the 1/4 grid, in the order of `AXES`."""
        tiled = self.tiler.run([a, b], self.networks.pair_on_tiles, PAIR_HALO_PX, network_bytes=PAIR_BYTES)
        if tiled.maps is None:
            raise ValueError("no maps were kept")
        return tiled.maps[-2 - len(AXES) : -2]

    def judgement(self, image: StoredImage) -> float:
        """How good an image looks alone, levels. Raises UsageError for networks without a judgement."""
        tiled = self.tiler.run([image], self.networks.alone_on_tiles, PAIR_HALO_PX, want_maps=False)
        return float(self.networks.judgement(tiled.sums[0]))

    def visible_differences(self, images: Sequence[StoredImage]) -> dict[tuple[int, int], float]:
        """The largest visible difference of all pairs of images, by their indices (i, j) with i < j."""
        found: dict[tuple[int, int], float] = {}
        for members, pairs in pairs_in_blocks(len(images), _VIEWED_AT_ONCE):
            function = visible_differences_alone([(members.index(i), members.index(j)) for i, j in pairs])
            tiled = self.tiler.run([images[i] for i in members], function, _VISIBLE_HALO_PX, want_maps=False)
            found |= zip(pairs, tiled.sums[0].difference.tolist(), strict=True)
        return {pair: found[pair] for pair in pairs_of(len(images))}


def _number(value: Tensor | None) -> float | None:
    return None if value is None else float(value)
