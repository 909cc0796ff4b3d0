"""RelationalIQA, the public interface of the core: loads weights, compares, scores and ranks images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import MAX_PIXELS
from distortion_engine.reading.light import DESCRIBED
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.results.comparison import Comparison, Ranking, Score
from relational_iqa.results.inputs import Inputs
from relational_iqa.results.octaves import ScoresAtOctaves
from relational_iqa.results.region_answer import RegionAnswer
from relational_iqa.storage.pixel_perfect_weights import load_weights
from relational_iqa.systems.answers import facts_of_answer, name_of
from relational_iqa.systems.as_seen import (
    compared_as_seen,
    order_confidences_at_octaves,
    ranked_as_seen,
    scored_as_seen,
)
from relational_iqa.systems.blocks_of_images import in_groups
from relational_iqa.systems.devices import find_device, find_precision
from relational_iqa.systems.network_inference import NetworkInference
from relational_iqa.systems.pixel_perfect_tensors import OfTensors
from relational_iqa.systems.question import Input, Question
from relational_iqa.systems.tiled_networks import AT_ONCE, TiledNetworks
from relational_iqa.tiling.regions_of_interest import Region, RegionOfInterest
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.tiling.tile_runner import WHOLE_PX, TileRunner
from relational_iqa.viewing.alignment import Alignment


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


class RelationalIQA(OfTensors):
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
        inference = NetworkInference(networks, dtype)
        super().__init__(inference, TiledNetworks(inference, TileRunner(tile_px, whole_px, inference.device)))
        self.meta = dict(meta)

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
        question = Question(mask=mask, rois=rois, viewing=viewing, align=align, max_pixels=max_pixels)
        scene = question.about([a, b], reference)
        names = names or (name_of(a, "A"), name_of(b, "B"))
        sources = [a, b] + ([] if reference is None else [reference])
        inputs = Inputs.of(sources, align, max_pixels, scene.viewing)

        def answer(region: RegionOfInterest | None, question: Question) -> Comparison:
            images = scene.judged_within(region)
            found = compared_as_seen(images, self._tiled.compared)
            kept = replace(inputs, box=None if region is None else region.box)
            return replace(found, names=names, inputs=kept, meta=self._facts(images[0], question))

        whole = answer(scene.mask, question)
        return replace(whole, rois=tuple(RegionAnswer(roi, answer(roi, question.again())) for roi in scene.rois))

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
        question = Question(mask=mask, viewing=viewing, align=align, max_pixels=max_pixels)
        images = question.about([image], reference).judged()
        (found,) = self._scored(images, [name or name_of(image, "the image")], question)
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
        question = Question(align=align, max_pixels=max_pixels)
        *tests, pristine = question.about(images, reference).judged()
        names = [name_of(image, "the image") for image in images]
        for group in in_groups(len(images), AT_ONCE):
            several = [*(tests[i] for i in group), pristine]
            yield from self._scored(several, [names[i] for i in group], question.again())

    @torch.inference_mode()
    def _scored(self, images: Sequence[StoredImage], names: Sequence[str], question: Question) -> list[Score]:
        """Scores of images that are computed together, against the last of them."""
        found, facts = scored_as_seen(images, self._tiled.scored), self._facts(images[0], question)
        return [replace(score, name=name, meta=facts) for score, name in zip(found, names, strict=True)]

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
        return self._tiled.order_confidences([score.evidence for score in scores])

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
        question = Question(mask=mask, viewing=viewing, align=align, max_pixels=max_pixels)
        scene = question.about(images, reference)
        names = [name_of(image, f"image {i + 1}") for i, image in enumerate(images)]
        inputs = replace(Inputs.of_ranked(images, reference, align, max_pixels), viewing=scene.viewing)
        judged = scene.judged()
        if judged[0].viewing is None:
            ranking = self._tiled.ranked(judged, names, scene.has_reference)
        else:
            ranking = ranked_as_seen(self, judged, names, scene.has_reference)
        kept = replace(inputs, box=None if scene.mask is None else scene.mask.box)
        return replace(ranking, inputs=kept, meta=self._facts(judged[0], question))

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
        return self.visible_differences([a, b], align=align, max_pixels=max_pixels)[0, 1]

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
        return self._tiled.visible_differences(Question(align=align, max_pixels=max_pixels).about(images).judged())

    def _facts(self, image: StoredImage, question: Question) -> dict[str, Any]:
        """The `meta` of an answer, of one of the images as they are judged."""
        space = f"HDR {DESCRIBED}, in [0, 1]" if image.is_hdr else "sRGB in [0, 1]"
        size = "original size" if question.align is None else f"aligned by {question.align}"
        facts = facts_of_answer(
            self.meta,
            (image.shape[1], image.shape[2]),
            self.device,
            question.start,
            preprocessing=f"{space}, {size}",
            precision=str(self._networks.dtype).removeprefix("torch."),
        )
        return facts if image.viewing is None else facts | {"viewing": image.viewing.described()}
