"""What is asked of images of one scene, and these images as they are judged: of one size, within a region, as seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from distortion_engine.reading.image_io import MAX_PIXELS
from relational_iqa.systems.answers import name_of
from relational_iqa.tiling.aligned_images import align_images
from relational_iqa.tiling.regions_of_interest import Region, RegionOfInterest, find_region, within
from relational_iqa.tiling.seen_images import see
from relational_iqa.tiling.stored_image import Source, StoredImage, open_images_at_once
from relational_iqa.viewing.alignment import Alignment
from relational_iqa.viewing.condition import Viewing, find_viewing

Input = Source | StoredImage


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of images of one scene, beside the images; what each means stands at `RelationalIQA.compare`.

    Args:
        mask: the region that is judged as if there were nothing else; None for whole images.
        rois: more such regions, each of which is answered by itself too.
        viewing: at which scale differences count.
        align: how images are brought to one size; None refuses different sizes.
        max_pixels: largest width x height that is decoded.
        start: `time.perf_counter()` when it was asked.
    """

    mask: Region | None = None
    rois: Sequence[Region] = ()
    viewing: str | float | None = None
    align: Alignment | None = None
    max_pixels: int = MAX_PIXELS
    start: float = field(default_factory=time.perf_counter)

    def about(self, images: Sequence[Input], reference: Input | None = None) -> Scene:
        """The images, opened and aligned, with the regions of them that are asked for.

        Raises:
            ImageError: for anything that is no usable image, for different sizes without `align`, and for a region that
                does not lie in the images.
            UsageError: for an unknown `viewing` or `align`.
        """
        sources = [*images] + ([] if reference is None else [reference])
        names = [name_of(source, f"image {index}") for index, source in enumerate(sources, 1)]
        opened = open_images_at_once(sources, max_pixels=self.max_pixels)
        aligned = align_images(list(zip(names, opened, strict=True)), self.align, reference is not None)
        rois = tuple(self._region(region, aligned[0]) for region in self.rois)
        viewing = find_viewing(self.viewing, max(aligned[0].shape))
        mask = None if self.mask is None else self._region(self.mask, aligned[0])
        return Scene(aligned, reference is not None, viewing, mask, rois)

    def again(self) -> Question:
        """The same question, asked now."""
        return replace(self, start=time.perf_counter())

    def _region(self, region: Region, like: StoredImage) -> RegionOfInterest:
        return find_region(region, like, self.align, max_pixels=self.max_pixels)


@dataclass(frozen=True)
class Scene:
    """Images of one size, and what is judged of them.

    Args:
        images: as they were decoded and aligned; the reference, where there is one, is the last.
        has_reference: whether there is one.
        viewing: the condition under which they are judged; None where every pixel counts.
        mask: the region that is judged; None for all.
        rois: the regions that are answered by themselves too.
    """

    images: Sequence[StoredImage]
    has_reference: bool
    viewing: Viewing | None
    mask: RegionOfInterest | None
    rois: tuple[RegionOfInterest, ...]

    def judged(self) -> list[StoredImage]:
        """The images as they are judged, in order: within the mask, as seen. Raises UsageError where too little of them
        is left."""
        return self.judged_within(self.mask)

    def judged_within(self, region: RegionOfInterest | None) -> list[StoredImage]:
        """The same within one of `rois`, where the mask does not count, or None for all."""
        return see(self.images if region is None else within(self.images, region), self.viewing)
