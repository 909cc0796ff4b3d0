"""Two files of one scene compared, and kept with the result so that a report can be drawn of them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distortion_engine.reading.file_facts import read_file_facts
from relational_iqa.results.comparison import Comparison
from relational_iqa.tiling.regions_of_interest import RegionOfInterest
from relational_iqa.tiling.seen_images import see
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.condition import find_viewing

if TYPE_CHECKING:
    from relational_iqa.report.link import Link

File = str | os.PathLike[str]


@dataclass(frozen=True)
class ComparedFiles:
    """The comparison of two files, with their images.

    Args:
        result: the comparison of the two images.
        images: a, b and, where there is one, the reference; all of one size, as they were decoded, or seen.
        paths: their files, in the same order.
    """

    result: Comparison
    images: Sequence[StoredImage]
    paths: Sequence[File]

    def write_report(
        self,
        path: File,
        command: str | None = None,
        back: "Link | None" = None,
        full_size: bool = False,
        before_writing: Callable[[int], None] | None = None,
    ) -> Path:
        """Writes the HTML report, see `relational_iqa.report.write_report` for the arguments. Raises UsageError where
        it cannot be written, and OSError for a file of an image that cannot be read."""
        from relational_iqa.report import write_report  # takes a tenth of a second

        a, b, *reference = self.images
        return write_report(
            self.result, a, b, path, reference=reference[0] if reference else None, command=command, back=back,
            files=[read_file_facts(file) for file in self.paths], full_size=full_size, before_writing=before_writing,
        )  # fmt: skip

    def write_maps(self, folder: File) -> list[Path]:
        """Writes every map into a folder, see `relational_iqa.report.write_maps`. Raises UsageError where that cannot
        be done."""
        from relational_iqa.report import write_maps

        return write_maps(self.result, folder, *self.images[:2])


def compare_stored(
    model: Any,
    images: Sequence[StoredImage],
    paths: Sequence[File],
    names: tuple[str, str],
    regions: Sequence[RegionOfInterest] = (),
    align: str | None = None,
    viewing: str | None = None,
) -> ComparedFiles:
    """The comparison of two images by a model of the core.

    Args:
        model: a RelationalIQA.
        images: a, b and, where there is one, the reference; all of one size, as `open_images` gives them.
        paths: their files.
        names: what sentences call a and b.
        regions: that are answered by themselves too.
        align: how the images were brought to one size.
        viewing: the condition under which they are compared, as of `RelationalIQA.compare`.
    """
    a, b, *reference = images
    asked: dict[str, Any] = ({"rois": regions} if regions else {}) | ({"viewing": viewing} if viewing else {})
    result = model.compare(a, b, reference=reference[0] if reference else None, **asked, align=align, names=names)
    return ComparedFiles(result, see(images, find_viewing(viewing, max(a.shape))), paths)
