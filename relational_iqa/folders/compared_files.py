"""Two files of one scene compared, and kept with the result so that a report can be drawn of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relational_iqa.report import write_report
from relational_iqa.results.comparison import Comparison
from relational_iqa.tiling.stored_image import StoredImage, open_images

File = str | os.PathLike[str]


@dataclass(frozen=True)
class ComparedFiles:
    """A result and what it is of.

    Args:
        result: the comparison of the two images.
        images: a, b and, where there is one, the reference; all of one size, stored as they were decoded.
    """

    result: Comparison
    images: Sequence[StoredImage]

    def write_report(self, path: File, command: str | None = None) -> Path:
        """Writes the HTML report; `command` is shown at its foot. Raises OSError where it cannot be written."""
        a, b, *reference = self.images
        return write_report(self.result, a, b, path, reference=reference[0] if reference else None, command=command)


def compare_files(
    model: Any,
    a: File,
    b: File,
    reference: File | None = None,
    *,
    names: tuple[str, str],
    mask: File | None = None,
    align: str | None = None,
    max_pixels: int | None = None,
) -> ComparedFiles:
    """The comparison of two image files by a model of the core.

    Args:
        model: a RelationalIQA.
        a, b, reference: image files of one scene.
        names: what sentences call a and b.
        mask: image file; white pixels count, black ones do not.
        align: "resize" or "crop" for images of different sizes; None refuses them.
        max_pixels: largest width x height to decode; None for the usual limit.

    Raises:
        ImageError: for a file that is no usable image, and for sizes that differ.
        OSError: for a file that cannot be read.
    """
    images = open_images([a, b] if reference is None else [a, b, reference], max_pixels, align)
    result = model.compare(
        images[0],
        images[1],
        reference=None if reference is None else images[2],
        mask=None if mask is None else open_images([mask], max_pixels)[0],
        align=align,
        names=names,
    )
    return ComparedFiles(result, images)
