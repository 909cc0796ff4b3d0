"""RelationalIQA, the public interface of the core: loads weights, compares, scores and ranks images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import MAX_PIXELS
from distortion_engine.reading.light import DESCRIBED
from relational_iqa.networks.joint_margin import PairVerdict
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.networks.reference_joint import ReferenceSums
from relational_iqa.results.comparison import Comparison, Ranking, Score
from relational_iqa.results.inputs import Inputs
from relational_iqa.results.octaves import ScoresAtOctaves, joined_comparison, joined_score
from relational_iqa.results.ranking import pairs_of
from relational_iqa.results.region_answer import RegionAnswer
from relational_iqa.storage.pixel_perfect_weights import load_weights
from relational_iqa.systems.answers import facts_of_answer, name_of
from relational_iqa.systems.as_seen import order_confidences_at_octaves, ranked_as_seen
from relational_iqa.systems.blocks_of_images import in_groups, pairs_in_blocks
from relational_iqa.systems.devices import find_device, find_precision
from relational_iqa.systems.known_noise import doubted
from relational_iqa.systems.known_pixels import KnownPixels
from relational_iqa.systems.maps_of_answer import enlarged_to, maps_of_answer, with_local_margin
from relational_iqa.systems.network_inference import PAIR_BYTES, REFERENCE_BYTES, NetworkInference
from relational_iqa.systems.noticing import Noticing
from relational_iqa.systems.visible_tiles import visible_differences_alone, with_visible_difference
from relational_iqa.tiling.aligned_images import align_images
from relational_iqa.tiling.regions_of_interest import Region, find_region, within
from relational_iqa.tiling.seen_images import octaves, see
from relational_iqa.tiling.stored_image import Source, StoredImage, open_images_at_once
from relational_iqa.tiling.tile_geometry import GRID_PX, PAIR_HALO_PX, REFERENCE_HALO_PX, inside_share, pad_to_grid
from relational_iqa.tiling.tile_runner import WHOLE_PX, TileRunner
from relational_iqa.viewing.alignment import Alignment
from relational_iqa.viewing.condition import find_viewing, octave_weights
from relational_iqa.viewing.tensor_images import check_images
from relational_iqa.viewing.visibility import REACH_PX, visible_difference

Input = Source | StoredImage
VISIBLE_HALO_PX = -(-REACH_PX // GRID_PX) * GRID_PX
_AT_ONCE = 5  # images that share what is computed of their reference
_EACH_BYTES = 50  # what each of them takes for a pixel of a tile: cells of the backbone's stages, and maps
_VIEWED_AT_ONCE = 12  # images of which all pairs are viewed together


def load(weights: str | Path | None = None, device: str = "cpu", precision: str = "float32") -> RelationalIQA:
    """The model with shipped weights, or with weights from a file; no network access.

    Args:
        weights: a path, the name of shipped weights, or None for the default.
        device: "cpu", "cuda", "cuda:1" ..., or "mps".
        precision: number format of the trunks of the networks: "float32", "bfloat16" or "float16". With the 16-bit
            formats, margins differ by less than 0.03 levels.

    Raises:
        UsageError: for weights that are missing, damaged or of another format, for a device that is not there, and for
            an unknown precision.
    """
    place, dtype = find_device(device), find_precision(precision)
    networks, meta = load_weights(weights)
    return RelationalIQA(networks.to(place), meta, dtype=dtype)


class RelationalIQA:
    """Compares, scores and ranks images of one scene.

    Images enter as paths, PIL images, arrays (H, W, 3) of uint8, uint16 or floats in [0, 1], or tensors (3, H, W) in
    [0, 1]. Nothing is resized unless `align` says so.

    Args:
        networks: the networks; they are changed in place where `dtype` is not float32.
        meta: name and sha256 of the weights, which answers repeat.
        tile_px: side of the tiles in which larger images are processed; None for the largest that fits 1.5 GB. Tiles
            give the same numbers as the whole image.
        whole_px: an image of at most this many pixels is processed whole.
        dtype: precision of the trunks of the networks.
    """

    def __init__(
        self,
        networks: Networks,
        meta: Mapping[str, Any],
        tile_px: int | None = None,
        whole_px: int = WHOLE_PX,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._networks = NetworkInference(networks, dtype)
        self.device = self._networks.device
        self._tiler = TileRunner(tile_px, whole_px, self.device)
        self.meta = dict(meta)

    # -- what users call -------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def compare(
        self,
        a: Input,
        b: Input,
        reference: Input | None = None,
        *,
        mask: Region | None = None,
        rois: Sequence[Region] = (),
        viewing: str | float | None = None,
        align: Alignment | None = None,
        names: tuple[str, str] | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Comparison:
        """Which of two images of one scene is better, by how much, where and in what way.

        Args:
            a: one image.
            b: the other one.
            reference: the pristine image, if there is one.
            mask: the region that is compared as if there were nothing else: an image, white where pixels count, or a
                rectangle (x, y, width, height) in pixels. The maps are those of the box around it.
            rois: more such regions, each of which is answered by itself, in `Comparison.rois`.
            viewing: at which scale differences count: "phone", "desktop", pixels per degree, or None for "pixel-peep",
                where every pixel counts (`relational_iqa.viewing.condition`).
            align: "auto" registers all images on the reference or, without one, on the first (shift, scale, turn), and
                crops to what all show; "resize" enlarges to the largest size, "crop" cuts the smallest from the middle.
                None refuses different sizes.
            names: what to call the two images, by default their file names.
            max_pixels: largest width x height that is decoded.

        Raises:
            ImageError: for anything that is no usable image, and for different sizes without `align`.
        """
        start = time.perf_counter()
        sources = [a, b] + ([] if reference is None else [reference])
        whole = self._open(sources, align, max_pixels, reference is not None)
        regions = [find_region(region, whole[0], align, max_pixels=max_pixels) for region in rois]
        seen = find_viewing(viewing, max(whole[0].shape))
        inputs, names = Inputs.of(sources, align, max_pixels, seen), names or (name_of(a, "A"), name_of(b, "B"))
        images, box = whole, None
        if mask is not None:
            region = find_region(mask, whole[0], align, max_pixels=max_pixels)
            images, box = within(whole, region), region.box
        answer = self._seen_and_compared(see(images, seen), replace(inputs, box=box), names, start, align)
        parts = []
        for region in regions:
            start = time.perf_counter()
            images, kept = see(within(whole, region), seen), replace(inputs, box=region.box)
            found = self._seen_and_compared(images, kept, names, start, align)
            parts.append(RegionAnswer(region, found))
        return replace(answer, rois=tuple(parts)) if parts else answer

    @torch.inference_mode()
    def score(
        self,
        image: Input,
        reference: Input,
        *,
        mask: Region | None = None,
        viewing: str | float | None = None,
        align: Alignment | None = None,
        name: str | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Score:
        """How far an image is below its reference, where and in what way.

        Args:
            image: the image to judge.
            reference: the pristine image.
            mask: the region that is judged as if there were nothing else, as of `compare`.
            viewing: as of `compare`.
            align: "auto" registers the image on the reference and crops to what both show; "resize" enlarges to the
                largest size, "crop" cuts the smallest from the middle. None refuses different sizes.
            name: what to call the image, by default its file name.
            max_pixels: largest width x height that is decoded.

        Raises:
            ImageError: for anything that is no usable image, and for different sizes without `align`.
        """
        start = time.perf_counter()
        images = self._open([image, reference], align, max_pixels, True)
        seen = find_viewing(viewing, max(images[0].shape))
        if mask is not None:
            images = within(images, find_region(mask, images[0], align, max_pixels=max_pixels))
        images = see(images, seen)
        named = [name or name_of(image, "the image")]
        (found,) = self._seen_and_scored(images[:1], images[1], named, align, start, alone=True)
        return found

    def scores(
        self,
        images: Sequence[Input],
        reference: Input,
        *,
        align: Alignment | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Iterator[Score]:
        """What `score` gives for each of several images and one reference, in less time: what the reference alone says
        is computed once for several images.

        Args:
            images: the images to judge.
            reference: the pristine image.
            align: as of `rank`: what is cropped is what all images show.
            max_pixels: largest width x height that is decoded.

        Raises:
            ImageError: for anything that is no usable image, and for different sizes without `align`.
        """
        loaded = self._open([*images, reference], align, max_pixels, True)
        names = [name_of(image, "the image") for image in images]
        for group in in_groups(len(images), _AT_ONCE):
            several, named = [loaded[i] for i in group], [names[i] for i in group]
            yield from self._seen_and_scored(several, loaded[-1], named, align, time.perf_counter())

    @torch.inference_mode()
    def order_confidences(self, scores: Sequence[Score]) -> np.ndarray | None:
        """How sure the order of images against one reference is, as `rank` says it.

        Args:
            scores: answers of `score` for n images and one reference.

        Returns:
            (n, n), symmetric: the probability that the sign of the difference of two qualities is right, .5 on the
            diagonal; None for weights that know none.

        Raises:
            ValueError: for a score that is no answer of `score`.
        """
        if any(score.evidence is None for score in scores):
            raise ValueError("a score has no evidence: expected answers of RelationalIQA.score")
        if all(isinstance(score.evidence, ScoresAtOctaves) for score in scores):
            return order_confidences_at_octaves([score.evidence for score in scores], self.order_confidences)
        return self._order_confidences([score.evidence for score in scores])

    @torch.inference_mode()
    def rank(
        self,
        images: Sequence[Input],
        reference: Input | None = None,
        *,
        mask: Region | None = None,
        viewing: str | float | None = None,
        align: Alignment | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Ranking:
        """Several versions of one scene, best first.

        With a reference the order is that of the qualities, which is transitive by construction. Without one it is that
        of the mean margin over all other images (Borda count). Every margin has its confidence where the weights know
        it.

        Args:
            images: two images or more.
            reference: the pristine image, if there is one.
            mask: the region that is compared as if there were nothing else, as of `compare`.
            viewing: as of `compare`.
            align: "auto" registers all images on the reference or, without one, on the first (shift, scale, turn), and
                crops to what all show; "resize" enlarges to the largest size, "crop" cuts the smallest from the middle.
                None refuses different sizes.
            max_pixels: largest width x height that is decoded.

        Raises:
            ImageError: for anything that is no usable image, and for different sizes without `align`.
            UsageError: for fewer than two images.
        """
        if len(images) < 2:
            raise UsageError(f"ranking needs two images or more, got {len(images)}")
        start = time.perf_counter()
        sources = [*images] + ([] if reference is None else [reference])
        loaded = self._open(sources, align, max_pixels, reference is not None)
        condition = find_viewing(viewing, max(loaded[0].shape))
        kept = replace(Inputs.of_ranked(images, reference, align, max_pixels), viewing=condition)
        if mask is not None:
            region = find_region(mask, loaded[0], align, max_pixels=max_pixels)
            loaded, kept = within(loaded, region), replace(kept, box=region.box)
        loaded = see(loaded, condition)
        names = [name_of(image, f"image {i + 1}") for i, image in enumerate(images)]
        if loaded[0].viewing is not None:
            facts = self._facts(loaded[0], start, align)
            ranking, seen = ranked_as_seen(self, loaded, names, reference is not None, facts)
        elif reference is not None:
            sums = self._each_against(loaded[:-1], loaded[-1])
            qualities = [float(self._networks.quality(one)) + 0.0 for one in sums]
            facts = self._facts(loaded[0], start, align)
            ranking = Ranking.by_quality(names, qualities, facts, self._order_confidences(sums))
            seen = self._visible_differences(loaded[:-1])
        else:
            found = {(i, j): self._margin(loaded[i], loaded[j]) for i, j in pairs_of(len(images))}
            pairs = {pair: (margin, confidence) for pair, (margin, confidence, _) in found.items()}
            ranking = Ranking.by_pairs(names, pairs, self._facts(loaded[0], start, align))
            seen = {pair: difference for pair, (_, _, difference) in found.items()}
        return replace(ranking if loaded[0].is_hdr else ranking.with_visible(seen), inputs=kept)

    @torch.inference_mode()
    def visible_difference(
        self, a: Input, b: Input, *, align: Alignment | None = None, max_pixels: int = MAX_PIXELS
    ) -> float:
        """The largest difference of two images that an eye can see, in units of the threshold of visibility.

        It is 0 for equal images, and 1 where something is visible. It is computed from the two images alone,
        without networks: `relational_iqa.viewing.visibility`.

        Args:
            a: one image.
            b: the other one.
            align: what to do when sizes differ, as of `compare`.
            max_pixels: largest width x height that is decoded.

        Raises:
            ImageError: for anything that is no usable image, and for different sizes without `align`.
        """
        return self._visible_differences(self._open([a, b], align, max_pixels))[0, 1]

    @torch.inference_mode()
    def visible_differences(
        self, images: Sequence[Input], *, align: Alignment | None = None, max_pixels: int = MAX_PIXELS
    ) -> dict[tuple[int, int], float]:
        """`visible_difference` of all pairs of several images, by their indices (i, j) with i < j. Each image is taken
        once to what the eye resolves of it.

        Args:
            images: two images or more.
            align: what to do when sizes differ, as of `rank`.
            max_pixels: largest width x height that is decoded.

        Raises:
            ImageError: for anything that is no usable image, and for different sizes without `align`.
        """
        return self._visible_differences(self._open(images, align, max_pixels))

    # -- tensors in, tensors out -----------------------------------------------------------------------------------

    @torch.inference_mode()
    def relate(self, a: Float[Tensor, "3 h w"], b: Float[Tensor, "3 h w"]) -> Float[Tensor, "k h w"]:
        """M(a, b) of one pair, without a reference; channel order of `AXES`. Raises ImageError, see `check_images`."""
        check_images(False, a=a, b=b)
        images = [StoredImage(a.float(), "a"), StoredImage(b.float(), "b")]
        tiled = self._tiler.run(images, self._networks.pair_on_tiles, PAIR_HALO_PX, network_bytes=PAIR_BYTES)
        return enlarged_to(torch.from_numpy(tiled.maps)[None, -2 - len(AXES) : -2], a)[0].to(self.device)

    @torch.inference_mode()
    def quality(self, image: Float[Tensor, "3 h w"], reference: Float[Tensor, "3 h w"]) -> float:
        """Quality (<= 0, levels) of an image against its reference. Raises ImageError, see `check_images`."""
        check_images(False, image=image, reference=reference)
        return self._quality(StoredImage(image.float(), "image"), StoredImage(reference.float(), "reference"))

    @torch.inference_mode()
    def judgement(self, image: Float[Tensor, "3 h w"]) -> float:
        """How good an image looks alone, levels, higher is better: a part of every margin without a reference. It knows
        nothing of the scene, so compare it within one scene, or with many images of each kind.

        Raises:
            ImageError: see `check_images`.
            UsageError: for weights without a judgement.
        """
        check_images(False, image=image)
        function = self._networks.alone_on_tiles
        tiled = self._tiler.run([StoredImage(image.float(), "image")], function, PAIR_HALO_PX, want_maps=False)
        return float(self._networks.judgement(tiled.sums[0]))

    @torch.inference_mode()
    def relate_batch(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        """M(a, b) of pairs of one size, each batch at once. Raises ImageError, see `check_images`."""
        return enlarged_to(self._networks.pair(*self._batch(a=a, b=b)).maps, a)

    @torch.inference_mode()
    def quality_batch(
        self, tests: Float[Tensor, "b 3 h w"], references: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, " b"]:
        """Qualities of images against their references. Raises ImageError, see `check_images`."""
        test, reference, inside = self._batch(tests=tests, references=references)
        (found,) = self._networks.against([test], reference, inside)
        return self._networks.quality(found.sums)

    @torch.inference_mode()
    def margin_batch(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """Margins of pairs without a reference; > 0 where a is better. Raises ImageError, see `check_images`."""
        return self.verdict_batch(a, b).margin

    @torch.inference_mode()
    def verdict_batch(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> PairVerdict:
        """Margins of pairs without a reference, and how sure their signs are where the weights tell that. Raises
        ImageError, see `check_images`."""
        return self._networks.verdict(self._networks.pair(*self._batch(a=a, b=b)).sums)

    @torch.inference_mode()
    def visible_difference_batch(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
        """`visible_difference` of pairs of one size. Raises ImageError, see `check_images`."""
        return visible_difference(*self._batch(a=a, b=b))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _seen_and_compared(
        self,
        images: Sequence[StoredImage],
        inputs: Inputs,
        names: tuple[str, str],
        start: float,
        align: Alignment | None,
    ) -> Comparison:
        """The answer for a, b and, where there is one, the reference; at the octaves that an eye sees where they are
        seen under a condition."""
        if images[0].viewing is None:
            return self._compared(images, inputs, names, start, align)
        found = [self._compared(each, inputs, names, start, align) for each in octaves(images)]
        joined = joined_comparison(found, octave_weights(len(found)))
        return replace(joined, meta=self._facts(images[0], start, align))

    def _compared(
        self,
        images: Sequence[StoredImage],
        inputs: Inputs,
        names: tuple[str, str],
        start: float,
        align: Alignment | None,
    ) -> Comparison:
        """The answer for a, b and, where there is one, the reference."""
        noticing = Noticing(images[0], images[1], images[2] if len(images) == 3 else None)
        if len(images) == 2:
            function = with_visible_difference(self._networks.pair_on_tiles)
            of_pair = self._tiler.run(images, function, PAIR_HALO_PX, network_bytes=PAIR_BYTES)
            (of_pair_sums,), visible = of_pair.sums[0].sums, of_pair.sums[0].difference
            verdict = self._networks.verdict(of_pair_sums)
            margin = verdict.margin
            found = maps_of_answer(with_local_margin(of_pair.maps, verdict), images[0], noticing.known())
            sure = verdict.confidence
            confidence = None if sure is None else doubted(float(sure), float(margin), found.missed_noise)
            qualities: tuple[float | None, float | None] = (None, None)
        else:
            both = with_visible_difference(self._networks.both_against_on_tiles)
            tiled = self._tiler.run(images, both, REFERENCE_HALO_PX, network_bytes=REFERENCE_BYTES)
            (sums_a, sums_b), visible = tiled.sums[0].sums, tiled.sums[0].difference
            quality = [self._networks.quality(sums) for sums in (sums_a, sums_b)]
            margin, sure = quality[0] - quality[1], self._networks.order_confidence(sums_a, sums_b)
            found = maps_of_answer(tiled.maps, images[0], noticing.known())
            confidence = None if sure is None else float(sure)
            qualities = (float(quality[0]) + 0.0, float(quality[1]) + 0.0)
        return Comparison(
            float(margin) + 0.0,  # + 0.0 turns -0.0 into 0.0
            found.maps,
            found.local,
            found.weight,
            has_reference=len(images) == 3,
            quality_a=qualities[0],
            quality_b=qualities[1],
            confidence=confidence,
            lacks=found.lacks,
            visible_difference=None if images[0].is_hdr else float(visible),
            inputs=inputs,
            origin=images[0].origin,
            noticed=noticing.found(float(visible)),
            names=names,
            meta=self._facts(images[0], start, align),
        )

    def _batch(self, **images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        check_images(True, **images)
        x, y = images.values()
        inside = inside_share(x.shape[-2], x.shape[-1]).to(self.device)
        first, second = (pad_to_grid(images.to(self.device, torch.float32)) for images in (x, y))
        return first, second, inside

    def _quality(self, image: StoredImage, reference: StoredImage) -> float:
        return float(self._networks.quality(*self._each_against([image], reference))) + 0.0

    def _each_against(self, images: Sequence[StoredImage], reference: StoredImage) -> list[ReferenceSums]:
        """Sums for the quality of each image, in their order."""
        function = self._networks.sums_of_each_against_on_tiles
        sums: list[ReferenceSums] = []
        for group in in_groups(len(images), _AT_ONCE):
            several = [*(images[i] for i in group), reference]
            sums += self._tiler.run(
                several,
                function,
                REFERENCE_HALO_PX,
                want_maps=False,
                network_bytes=REFERENCE_BYTES + _EACH_BYTES * len(group),
            ).sums
        return sums

    @torch.inference_mode()
    def _seen_and_scored(
        self,
        images: Sequence[StoredImage],
        reference: StoredImage,
        names: Sequence[str],
        align: Alignment | None,
        start: float,
        alone: bool = False,
    ) -> list[Score]:
        """Scores of images that are computed together; at the octaves that an eye sees where they are seen under a
        condition. alone: of one image, with maps of it alone."""
        if reference.viewing is None:
            return self._scored(images, reference, names, align, start, alone)
        at_octaves = octaves([*images, reference])
        found = [self._scored(each[:-1], each[-1], names, align, start, alone) for each in at_octaves]
        weights, facts = octave_weights(len(found)), self._facts(reference, start, align)
        return [replace(joined_score(one, weights), meta=facts) for one in zip(*found, strict=True)]

    def _scored(
        self,
        images: Sequence[StoredImage],
        reference: StoredImage,
        names: Sequence[str],
        align: Alignment | None,
        start: float,
        alone: bool,
    ) -> list[Score]:
        """Scores of images that are computed together. alone: of one."""
        if alone:
            function, needed = self._networks.against_on_tiles, REFERENCE_BYTES
        else:
            function, needed = self._networks.each_against_on_tiles, REFERENCE_BYTES + _EACH_BYTES * len(images)
        tiled = self._tiler.run([*images, reference], function, REFERENCE_HALO_PX, network_bytes=needed)
        if tiled.maps is None:
            raise ValueError("no maps were kept")
        facts, channels = self._facts(reference, start, align), len(tiled.maps) // len(images)
        maps = [tiled.maps[first : first + channels] for first in range(0, len(tiled.maps), channels)]
        each = zip(maps, tiled.sums, images, names, strict=True)
        return [self._score_of(own, sums, (image, reference), name, facts) for own, sums, image, name in each]

    def _score_of(
        self,
        maps: np.ndarray | None,
        sums: ReferenceSums,
        images: Sequence[StoredImage],
        name: str,
        facts: dict[str, Any],
    ) -> Score:
        image, reference = images
        known = KnownPixels.of(reference, image, reference)
        found = maps_of_answer(maps, image, known)
        return Score(
            quality=float(self._networks.quality(sums)) + 0.0,
            local_quality=found.local,
            distortions={axis: values.mean() for axis, values in found.maps.items()},
            maps=found.maps,
            name=name,
            meta=facts,
            evidence=sums,
            block_px=known.blocks[1],
        )

    def _order_confidences(self, sums: Sequence[ReferenceSums]) -> np.ndarray | None:
        confidences = np.full((len(sums), len(sums)), 0.5)
        for i, j in pairs_of(len(sums)):
            sure = self._networks.order_confidence(sums[i], sums[j])
            if sure is None:
                return None
            confidences[i, j] = confidences[j, i] = float(sure)
        return confidences

    def _margin(self, a: StoredImage, b: StoredImage) -> tuple[float, float | None, float]:
        """Margin, confidence and visible difference, without maps."""
        function = with_visible_difference(self._networks.pair_on_tiles)
        tiled = self._tiler.run([a, b], function, PAIR_HALO_PX, want_maps=False, network_bytes=PAIR_BYTES).sums[0]
        verdict = self._networks.verdict(tiled.sums[0])
        confidence = None if verdict.confidence is None else float(verdict.confidence)
        return float(verdict.margin), confidence, float(tiled.difference)

    def _visible_differences(self, images: Sequence[StoredImage]) -> dict[tuple[int, int], float]:
        """Of all pairs of images, by their indices (i, j) with i < j."""
        found: dict[tuple[int, int], float] = {}
        for members, pairs in pairs_in_blocks(len(images), _VIEWED_AT_ONCE):
            function = visible_differences_alone([(members.index(i), members.index(j)) for i, j in pairs])
            tiled = self._tiler.run([images[i] for i in members], function, VISIBLE_HALO_PX, want_maps=False)
            found |= zip(pairs, tiled.sums[0].difference.tolist(), strict=True)
        return {pair: found[pair] for pair in pairs_of(len(images))}

    def _open(
        self, sources: Sequence[Input], align: Alignment | None, max_pixels: int, has_reference: bool = False
    ) -> list[StoredImage]:
        names = [name_of(source, f"image {index}") for index, source in enumerate(sources, 1)]
        opened = open_images_at_once(sources, max_pixels=max_pixels)
        return align_images(list(zip(names, opened, strict=True)), align, has_reference)

    def _facts(self, image: StoredImage, start: float, align: Alignment | None) -> dict[str, Any]:
        space = f"HDR {DESCRIBED}, in [0, 1]" if image.is_hdr else "sRGB in [0, 1]"
        facts = facts_of_answer(
            self.meta,
            (image.shape[1], image.shape[2]),
            self.device,
            start,
            preprocessing=f"{space}, {'original size' if align is None else f'aligned by {align}'}",
            precision=str(self._networks.dtype).removeprefix("torch."),
        )
        return facts if image.viewing is None else facts | {"viewing": image.viewing.described()}
