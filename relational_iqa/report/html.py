"""Renders the report of one comparison as one HTML page and writes it in one step."""

import os
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.jobs.safe_files import atomic_file
from relational_iqa.report.histogram import margin_bins
from relational_iqa.report.pictures import as_uint8, backdrop_of, map_uri, previews
from relational_iqa.report.views import (
    LABELS,
    LOCAL_SCALE,
    axis_views,
    confidence_note,
    fact_rows,
    region_views,
    scale_bands,
    scale_position,
    sentence,
    signed,
    unbroken,
)
from relational_iqa.results.colormaps import legend_gradient
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.words.confidence import CANNOT_TELL, MIN_CONFIDENCE, percent
from relational_iqa.results.words.margins import MARGIN_WORDS


def write_report(
    comparison: Comparison,
    image_a: Any,
    image_b: Any,
    path: str | os.PathLike[str],
    reference: Any = None,
    *,
    command: str | None = None,
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

    Raises:
        ImageError: for images that do not fit the maps.
        UsageError, OSError: where the path cannot be written.
    """
    return write_page(render_report(comparison, image_a, image_b, reference, command=command), path)


def render_report(
    comparison: Comparison,
    image_a: Any,
    image_b: Any,
    reference: Any = None,
    *,
    command: str | None = None,
    back: str | None = None,
) -> str:
    """The page that `write_report` writes, as text.

    Args:
        comparison: the result.
        image_a: one of the compared images, see `write_report`.
        image_b: the other one.
        reference: the pristine image, if there was one.
        command: the command line that made the report, shown at its foot.
        back: address of a link at the top of the page; None for no link.

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
    return render_page(
        "report.html.j2",
        result=comparison,
        verdict=unbroken(comparison.verdict(LABELS)),
        reasons=sentence(comparison),
        about_confidence=confidence_note(comparison),
        labels=comparison.labels,
        named=comparison.labels != LABELS,
        previews=shown,
        backdrop=backdrop_of(images[:2]),
        # Positive means A better there, and blue speaks about A: hence the negative scale.
        local_uri=map_uri(local_margin, -LOCAL_SCALE),
        local_scale=LOCAL_SCALE,
        clipped=clipped / local_margin.size,
        bins=margin_bins(local_margin, LOCAL_SCALE),
        axes=axis_views(comparison),
        regions=region_views(comparison, images),
        bands=scale_bands(),
        marker=100 * scale_position(0.0 if comparison.looks_the_same else comparison.margin),
        words=MARGIN_WORDS,
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
    return environment.get_template(template).render(gradient=legend_gradient(), **content)


def write_page(text: str, path: str | os.PathLike[str]) -> Path:
    """Writes a page whole or not at all, makes missing folders, and returns its path. Raises UsageError or OSError if
    that cannot be done."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    return target


def _check_sizes(images: list[np.ndarray], height: int, width: int) -> None:
    for what, image in zip(("image a", "image b", "reference"), images, strict=False):
        if image.shape[:2] != (height, width):
            raise ImageError(
                f"{what} is {image.shape[1]} x {image.shape[0]} px but the maps are {width} x {height}: "
                "pass the images that were compared"
            )
