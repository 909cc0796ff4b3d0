"""Renders the report of one comparison as one HTML page and writes it in one step."""

import os
import tempfile
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from distortion_engine.errors import ImageError
from relational_iqa.report.histogram import margin_bins
from relational_iqa.report.pictures import as_uint8, backdrop_of, map_uri, previews
from relational_iqa.report.views import (
    LABELS,
    LOCAL_SCALE,
    axis_views,
    fact_rows,
    region_views,
    scale_bands,
    scale_position,
    sentence,
    signed,
)
from relational_iqa.results.colormaps import legend_gradient
from relational_iqa.results.comparison import Comparison
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
    """Write the self-contained HTML report and return its path.

    image_a, image_b, reference: torch tensors (3, H, W) or arrays (3, H, W) / (H, W, 3), floats in [0, 1] or uint8, or
    StoredImages, all of the size of the maps; command: the command line that made it, shown at the foot. The file
    appears whole or not at all; missing folders are made. Raises ImageError for images that do not fit the maps,
    OSError where the path cannot be written.
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
    """The page that `write_report` writes, as text; back: an address that the page links to on top."""
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
        verdict=comparison.verdict(LABELS),
        reasons=sentence(comparison),
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
        marker=100 * scale_position(comparison.margin),
        words=MARGIN_WORDS,
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
    """Write beside the target under another name, then rename, so that a reader never sees half a page."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # mkstemp makes it private; a report is to be passed on
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def _check_sizes(images: list[np.ndarray], height: int, width: int) -> None:
    for what, image in zip(("image a", "image b", "reference"), images, strict=False):
        if image.shape[:2] != (height, width):
            raise ImageError(
                f"{what} is {image.shape[1]} x {image.shape[0]} px but the maps are {width} x {height}: "
                "pass the images that were compared"
            )
