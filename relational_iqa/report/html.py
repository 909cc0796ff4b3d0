"""Renders the report of one comparison as one HTML page and writes it in one step."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.jobs.safe_files import atomic_file, make_folder_of
from distortion_engine.reading.file_facts import FileFacts
from relational_iqa.report.crops import region_views
from relational_iqa.report.defects import axis_views
from relational_iqa.report.histogram import margin_bins
from relational_iqa.report.link import Link
from relational_iqa.report.pictures import Preview, as_uint8, backdrop_of, map_uri, previews
from relational_iqa.report.strip import image_cards
from relational_iqa.report.tiles import NO_TILES, all_tiles, region_tiles
from relational_iqa.report.views import (
    LABELS,
    LOCAL_SCALE,
    confidence_note,
    fact_rows,
    roi_views,
    scale_bands,
    scale_position,
    sentence,
    signed,
    unbroken,
)
from relational_iqa.results.colormaps import legend_gradient, strength_gradient
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.words.confidence import CANNOT_TELL, MIN_CONFIDENCE, percent
from relational_iqa.results.words.margins import MARGIN_WORDS
from relational_iqa.results.words.strengths import STRENGTH_WORDS

Files = Sequence[FileFacts | None]
"""What is known of the files of A, B and the reference, in this order; None for an image that is no file."""


def write_report(
    comparison: Comparison,
    image_a: Any,
    image_b: Any,
    path: str | os.PathLike[str],
    reference: Any = None,
    *,
    command: str | None = None,
    back: Link | None = None,
    files: Files | None = None,
    full_size: bool = False,
    before_writing: Callable[[int], None] | None = None,
) -> Path:
    """Writes the self-contained HTML report of a comparison and returns its path. The file appears whole or not at all.

    Args:
        comparison: the result.
        image_a: one of the compared images: a torch tensor (3, H, W), an array (3, H, W) or (H, W, 3), floats in [0, 1]
            or uint8, or a StoredImage, of the size of the maps.
        image_b: the other one.
        path: the file to write; missing folders are made.
        reference: the pristine image, if there was one.
        command: the command line that made the report, shown at its foot.
        back: a link at the top of the page; None for no link.
        files: what is known of the files of the images, for the strip under the verdict; None where there are none.
        full_size: embeds every pixel of large images, not only those around the regions.
        before_writing: is called with the size of the file in bytes before it is written.

    Raises:
        ImageError: for images that do not fit the maps.
        UsageError: where the path cannot be written.
    """
    page = render_report(
        comparison, image_a, image_b, reference, command=command, back=back, files=files, full_size=full_size
    )
    if before_writing is not None:
        before_writing(len(page.encode("utf-8", "backslashreplace")))
    return write_page(page, path)


def render_report(
    comparison: Comparison,
    image_a: Any,
    image_b: Any,
    reference: Any = None,
    *,
    command: str | None = None,
    back: Link | None = None,
    files: Files | None = None,
    full_size: bool = False,
) -> str:
    """The page that `write_report` writes, as text.

    Args:
        comparison: the result.
        image_a: one of the compared images, see `write_report`.
        image_b: the other one.
        reference: the pristine image, if there was one.
        command: the command line that made the report, shown at its foot.
        back: a link at the top of the page; None for no link.
        files: what is known of the files of the images, see `write_report`.
        full_size: embeds every pixel, see `write_report`.

    Raises:
        ImageError: for images that do not fit the maps.
    """
    images = [as_uint8(image_a, "image a"), as_uint8(image_b, "image b")]
    if reference is not None:
        images.append(as_uint8(reference, "reference"))
    _check_sizes(images, *comparison.shape)
    local_margin = comparison.local_margin
    clipped = sum(int(np.count_nonzero(np.abs(strip) > LOCAL_SCALE)) for strip in local_margin.strips())
    shown = previews(images)
    exact = shown[0].exact
    tiles = NO_TILES if exact else all_tiles(images) if full_size else region_tiles(images, comparison.regions)
    cards, difference = image_cards(comparison, images, files or [None] * len(images))
    return render_page(
        "report.html.j2",
        result=comparison,
        verdict=unbroken(comparison.verdict(LABELS)),
        reasons=sentence(comparison),
        about_confidence=confidence_note(comparison),
        labels=comparison.labels,
        named=comparison.labels != LABELS,
        cards=cards,
        difference=difference,
        previews=shown,
        shown_as=_shown_as(shown[0], comparison.shape[1]),
        tiles=tiles,
        tiles_note=_tiles_note(exact, full_size, bool(tiles["side"])),
        backdrop=backdrop_of(images[:2]),
        # Positive means A better there, and blue speaks about A: hence the negative scale.
        local_uri=map_uri(local_margin, -LOCAL_SCALE),
        local_scale=LOCAL_SCALE,
        clipped=clipped / local_margin.size,
        bins=margin_bins(local_margin, LOCAL_SCALE),
        axes=axis_views(comparison),
        regions=region_views(comparison, images),
        rois=roi_views(comparison),
        bands=scale_bands(),
        marker=100 * scale_position(0.0 if comparison.looks_the_same else comparison.margin),
        words=MARGIN_WORDS,
        strengths=STRENGTH_WORDS,
        cannot_tell=comparison.better == CANNOT_TELL,
        cannot_tell_below=None if comparison.confidence is None else percent(MIN_CONFIDENCE),
        data=comparison.to_json(),
        facts=fact_rows(comparison, shown, command),
        back=back,
    )


def render_page(template: str, **content: Any) -> str:
    """A page from a template of this folder; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("relational_iqa", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = signed
    gradients = {"gradient": legend_gradient(), "strength_gradient": strength_gradient()}
    return environment.get_template(template).render(**gradients, **content)


def write_page(text: str, path: str | os.PathLike[str]) -> Path:
    """Writes a page whole or not at all, makes missing folders, and returns its path. Raises UsageError if that cannot
    be done."""
    target = Path(path)
    make_folder_of(target)
    with atomic_file(target) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    return target


def _shown_as(preview: Preview, width: int) -> str:
    """What the viewer says in place of a percentage where it shows a preview as large as the image or larger."""
    if preview.width < width:
        return f"preview, 1/{width / preview.width:.2g} size"
    return preview.note.replace("full size", "preview")


def _tiles_note(exact: bool, full_size: bool, any_tiles: bool) -> str:
    if exact:
        return ""
    if full_size:
        return "; from there on original pixels, lossless"
    return "; original pixels, lossless, around the regions" if any_tiles else ""


def _check_sizes(images: list[np.ndarray], height: int, width: int) -> None:
    for what, image in zip(("image a", "image b", "reference"), images, strict=False):
        if image.shape[:2] != (height, width):
            raise ImageError(
                f"{what} is {image.shape[1]} x {image.shape[0]} px but the maps are {width} x {height}: "
                "pass the images that were compared"
            )
