"""All frames of several sequences, one after another: each is decoded once, and a few are in memory at a time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.image_io import MAX_PIXELS
from relational_iqa.sequences.frame_row import FrameRow, axes_of, in_cells, six_digits
from relational_iqa.sequences.sources import Frame, FrameSource
from relational_iqa.tiling.aligned_images import align_images
from relational_iqa.tiling.regions_of_interest import Region, RegionOfInterest, find_region, within
from relational_iqa.tiling.seen_images import see
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.condition import find_viewing

_SAME_RATE = 1e-3  # 29.97 and 30 frames a second differ by as much, and drift apart by a frame in 33 seconds


@dataclass
class SequenceComparison:
    """Compares candidates frame by frame: with a reference, each against it; without one, two with each other.

    Args:
        model: a RelationalIQA.
        candidates: one or more with a reference, two without.
        names: what to call them.
        reference: the pristine sequence, if there is one.
        fps: frames a second in place of what the sequences say.
        every: compares every so many frames alone.
        max_pixels: largest width x height that is decoded.
        align: as of `align_images`.
        region: of the frames that is compared alone, as of `find_region`; None for the whole.
        viewing: the condition under which frames are seen, as of `RelationalIQA.compare`.

    Raises:
        UsageError: for a number of candidates that does not fit, and for different frame rates.
    """

    model: Any
    candidates: Sequence[FrameSource]
    names: Sequence[str]
    reference: FrameSource | None = None
    fps: float | None = None
    every: int = 1
    max_pixels: int | None = None
    align: str | None = None
    region: Region | None = None
    viewing: str | None = None
    ended: dict[str, int] = field(default_factory=dict)
    """Path -> number of frames of the sequences that ended before others, after all frames were compared."""
    shown: dict[str, str] = field(default_factory=dict)
    """Path -> how it is shown, where any sequence is HDR, or developed; known after a frame was compared."""
    _found: tuple[tuple[int, ...], RegionOfInterest] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.reference is None and len(self.candidates) != 2:
            raise UsageError(
                f"{len(self.candidates)} sequences without --reference: give two, or a reference for any number"
            )
        rates = {source.path: source.fps for source in self.sources if source.fps is not None}
        if self.fps is None and rates:
            (first, rate), *others = rates.items()
            for path, other in others:
                if abs(other / rate - 1) > _SAME_RATE / 2:
                    raise UsageError(
                        f"{first} has {rate:g} frames a second, {path} {other:g}: their frames do not belong together; "
                        "convert one of them, or give --fps where the number in the file is wrong"
                    )
            self.fps = rate

    @property
    def sources(self) -> list[FrameSource]:
        """The candidates, then the reference where there is one."""
        return [*self.candidates, *([] if self.reference is None else [self.reference])]

    @property
    def expected(self) -> int | None:
        """About how many frames will be compared; None where nobody knows."""
        counts = [source.count for source in self.sources if source.count is not None]
        return -(-min(counts) // self.every) if counts else None

    def rows(self, skip: int = 0) -> Iterator[list[FrameRow]]:
        """The rows of each frame, in order; those of the first `skip` compared frames are left out.

        Raises:
            ImageError, OSError: for a frame that cannot be read or compared; the message names it.
        """
        for position, (number, frames) in enumerate(self._in_step()):
            if position >= skip:
                yield self._rows_of(number, self.aligned(frames))

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[StoredImage]]]:
        """Number and images (candidates, then the reference) of some frames, in order; the sequences are read anew."""
        wanted = set(numbers)
        for number, frames in self._in_step():
            if number in wanted:
                wanted.discard(number)
                yield number, self.aligned(frames)
            if not wanted:
                return

    def aligned(self, frames: Sequence[Frame]) -> list[StoredImage]:
        """The images of one frame, of one size: what is compared of them, as it is seen. Raises ImageError for a region
        that does not fit."""
        opened = [(frame.name, frame.open()) for frame in frames]
        images = align_images(opened, self.align, self.reference is not None)
        self.shown = {
            source.path: f"is {note.text}"
            for source, image in zip(self.sources, images, strict=True)
            for note in image.notes
            if note.kind in ("hdr", "raw")
        }
        condition = find_viewing(self.viewing, max(images[0].shape))
        if self.region is not None:
            images = within(images, self._region_of(images[0]))
        return see(images, condition)

    def _region_of(self, image: StoredImage) -> RegionOfInterest:
        """The region in frames of this size; a mask is read once for frames of one size."""
        if self.region is None:
            raise AssertionError("asked only where there is one")
        size = tuple(image.shape[-2:])
        if self._found is None or self._found[0] != size:
            limit = self.max_pixels or MAX_PIXELS
            self._found = size, find_region(self.region, image, self.align, max_pixels=limit)
        return self._found[1]

    def seconds(self, number: int) -> float | None:
        """When a frame is shown."""
        return None if self.fps is None else six_digits(number / self.fps)

    def _in_step(self) -> Iterator[tuple[int, list[Frame]]]:
        """Number and frames, one of each sequence, until one of them ends."""
        with ExitStack() as stack:
            streams = [
                stack.enter_context(closing(source.frames(self.max_pixels or MAX_PIXELS))) for source in self.sources
            ]
            number = 0
            while True:
                frames = [next(stream, None) for stream in streams]
                there = [frame for frame in frames if frame is not None]
                if len(there) < len(frames):
                    if there:
                        pairs = zip(self.sources, frames, strict=True)
                        self.ended = {source.path: number for source, frame in pairs if frame is None}
                    break
                if number % self.every == 0:
                    yield number, there
                number += 1
        if number == 0:
            raise ImageError(f"{self.sources[0].path}: no frame in common with the others")

    def _rows_of(self, number: int, images: Sequence[StoredImage]) -> list[FrameRow]:
        try:
            if self.reference is None:
                return [self._pair_row(number, images)]
            return self._rows_against(number, images[:-1], images[-1])
        except (MemoryError, RuntimeError) as error:  # RuntimeError: torch, also out of memory
            raise ImageError(f"frame {number} of {self.candidates[0].path}: {error}") from error

    def _pair_row(self, number: int, images: Sequence[StoredImage]) -> FrameRow:
        a, b = images
        result = self.model.compare(a, b, names=(self.names[0], self.names[1]))
        return FrameRow(
            number, self.names[1], self.seconds(number), six_digits(result.margin), six_digits(result.confidence),
            six_digits(result.visible_difference), None, (result.shape[1], result.shape[0]),
            axes_of(result.intensities), in_cells(result.local_margin),
        )  # fmt: skip

    def _rows_against(self, number: int, images: Sequence[StoredImage], reference: StoredImage) -> list[FrameRow]:
        scores = list(self.model.scores(images, reference))
        sure = self.model.order_confidences(scores)
        known = len(images) > 1 and not images[0].is_hdr  # visibility is known of sRGB alone
        seen = self.model.visible_differences(images) if known else {}
        rows = []
        for index, (name, score) in enumerate(zip(self.names, scores, strict=True)):
            height, width = score.local_quality.shape
            first = index == 0
            rows.append(
                FrameRow(
                    number, name, self.seconds(number),
                    None if first else six_digits(scores[0].quality - score.quality),
                    None if first or sure is None else six_digits(float(sure[0, index])),
                    None if first else six_digits(seen.get((0, index))), six_digits(score.quality), (width, height),
                    axes_of(score.distortions), in_cells(score.local_quality),
                )
            )  # fmt: skip
        return rows
