"""A sequence of frames in order: the images of a folder, or a video."""

import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.jobs.printable import printable
from distortion_engine.reading.conversions import conversion_notes
from distortion_engine.reading.image_io import MAX_PIXELS, check_side
from distortion_engine.reading.samples import Samples
from relational_iqa.folders.pairing import IMAGE_SUFFIXES
from relational_iqa.sequences.ffmpeg import VideoFacts, decode, read_facts
from relational_iqa.tiling.stored_image import StoredImage, open_image


class FrameSource(Protocol):
    """Frames in order.

    Attributes:
        path: the folder or file.
        fps: frames a second, None where nobody knows.
        count: how many frames there are; of a video about so many, None where nobody knows.
        exact: whether `count` is exact.
        notes: what a person should know.
    """

    @property
    def path(self) -> str: ...
    @property
    def fps(self) -> float | None: ...
    @property
    def count(self) -> int | None: ...
    @property
    def exact(self) -> bool: ...
    @property
    def notes(self) -> tuple[str, ...]: ...

    def frames(self, max_pixels: int = MAX_PIXELS) -> Generator["Frame"]:
        """Every frame once, one in memory at a time."""


@dataclass(frozen=True)
class Frame:
    """One frame, not decoded yet where it is a file.

    Args:
        name: for error messages.
        file: the image file; None for a frame of a video.
        held: the decoded frame of a video.
        max_pixels: largest width x height that is decoded.
    """

    name: str
    file: Path | None = None
    held: StoredImage | None = None
    max_pixels: int = MAX_PIXELS

    def open(self) -> StoredImage:
        """The image. Raises ImageError."""
        if self.held is not None:
            return self.held
        return open_image(self.file or self.name, max_pixels=self.max_pixels)


@dataclass(frozen=True)
class FrameFolder:
    """The images of a folder, in the order of the numbers in their names.

    Args:
        path: the folder; sub-folders are not looked into.
        files: its images in order.
    """

    path: str
    files: tuple[Path, ...]
    fps: None = None
    exact: bool = True
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.files)

    def frames(self, max_pixels: int = MAX_PIXELS) -> Generator[Frame]:
        """Every frame."""
        for file in self.files:
            yield Frame(str(file), file, max_pixels=max_pixels)


@dataclass(frozen=True)
class Video:
    """A video file.

    Args:
        path: the file.
        facts: of its header.
    """

    path: str
    facts: VideoFacts
    exact: bool = False

    @property
    def fps(self) -> float | None:
        """Frames a second."""
        return self.facts.fps

    @property
    def count(self) -> int | None:
        """About how many frames there are."""
        return self.facts.frames

    @property
    def notes(self) -> tuple[str, ...]:
        """What its header leaves open."""
        return self.facts.notes

    def frames(self, max_pixels: int = MAX_PIXELS) -> Generator[Frame]:
        """Every frame. Raises ImageError for frames that are too large or too small."""
        width, height = self.facts.width, self.facts.height
        if width * height > max_pixels:
            raise ImageError(f"{self.path}: frames of {width} x {height} px; allow more with --max-pixels")
        check_side(self.path, height, width)
        with closing(decode(self.path, self.facts)) as pictures:
            for number, values in enumerate(pictures):
                name = f"{self.path}, frame {number}"
                samples = Samples(values, "rgb", False, self.facts.light)
                yield Frame(name, held=StoredImage(samples, name, conversion_notes(samples)))


def open_source(path: str) -> FrameSource:
    """A folder of frames or a video, by what the path is.

    Raises:
        UsageError: where nothing is there, for a folder without images, and for a frame that is missing.
        ImageError: for a file that is no video.
    """
    place = Path(path)
    if place.is_dir():
        return FrameFolder(path, _frames_of(place))
    if not place.is_file():
        raise UsageError(f"{path}: no such folder or file; give folders of frames or videos")
    return Video(path, read_facts(path))


def _frames_of(folder: Path) -> tuple[Path, ...]:
    files = [
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not files:
        raise UsageError(f"{folder}: no images; expected frames ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    files.sort(key=lambda path: _natural(path.name))
    numbers = [_number(path) for path in files]
    known = [number for number in numbers if number is not None]
    if len(known) == len(files) > 2:
        steps = [after - before for before, after in zip(known, known[1:], strict=False)]
        usual = min(steps)
        for step, before, after in zip(steps, files, files[1:], strict=False):
            if step != usual:
                raise UsageError(
                    f"{folder}: after {printable(before.name)} comes {printable(after.name)}: frames are missing "
                    f"(numbers rise by {usual} elsewhere), so that frames would be compared with their neighbours"
                )
    return tuple(files)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts numbers within names by their value."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _number(path: Path) -> int | None:
    """The last number of a name."""
    found = re.findall(r"\d+", path.stem)
    return int(found[-1]) if found else None
