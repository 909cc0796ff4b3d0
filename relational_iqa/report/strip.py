"""The strip of images under the verdict: a thumbnail of each, what its file is, how far it is from the reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distortion_engine.reading.file_facts import FileFacts
from relational_iqa.report.pictures import thumbnail_uri
from relational_iqa.report.pixel_metrics import PixelMetric, pixel_metrics
from relational_iqa.report.views import LABELS, unbroken
from relational_iqa.results.comparison import Comparison

ROLES = (*LABELS, "reference")


@dataclass(frozen=True)
class ImageCard:
    """One image of the strip.

    Args:
        role: "A", "B" or "reference".
        name: of the image or its file.
        alt: describes the thumbnail.
        uri: data URI of the thumbnail.
        winner: "a" or "b" where this image is the better one, else "".
        lines: facts in words, a line each.
        metrics: how far it is from the reference; empty for the reference itself and where there is none.
    """

    role: str
    name: str
    alt: str
    uri: str
    winner: str
    lines: tuple[str, ...]
    metrics: tuple[PixelMetric, ...]


def image_cards(
    comparison: Comparison, images: Sequence[np.ndarray], files: Sequence[FileFacts | None]
) -> tuple[list[ImageCard], tuple[PixelMetric, ...]]:
    """The cards of A, B and, where there is one, the reference; and, without a reference, how far A and B are apart.

    Args:
        comparison: the result.
        images: A, B and the reference, equally large (H, W, 3) uint8.
        files: what is known of their files, in the same order; None for an image that is none.
    """
    cards = []
    for index, (image, file) in enumerate(zip(images, files, strict=True)):
        role = ROLES[index]
        label = comparison.names[index] if index < 2 else file.name if file else ""
        name = "" if label == role else label
        metrics = pixel_metrics(image, images[2]) if len(images) > 2 and index < 2 else ()
        winner = role.lower() if comparison.better == role.lower() else ""
        lines = (*_facts(file, comparison.shape), *_quality(comparison, index))
        alt = f"Image {role}, {name}" if name else f"Image {role}"
        cards.append(ImageCard(role, name, alt, thumbnail_uri(image), winner, lines, metrics))
    return cards, pixel_metrics(images[0], images[1]) if len(images) == 2 else ()


def _quality(comparison: Comparison, index: int) -> tuple[str, ...]:
    quality = (comparison.quality_a, comparison.quality_b, None)[index]
    if quality is None:
        return ()
    return (f"{abs(quality):.1f} levels below the reference" if quality else "equal to the reference",)


def _facts(file: FileFacts | None, shape: tuple[int, int]) -> tuple[str, ...]:
    """Format, size and date of a file; of an image that is none only its size in px."""
    height, width = shape
    if file is None:
        return (f"{width} × {height} px",)
    own = file.size if file.size is not None else (width, height)
    bits = 8 * file.nbytes / (own[0] * own[1])
    turned = own == (height, width)  # by its orientation, when it was read
    size = f"{own[1]} × {own[0]} px" if turned else f"{own[0]} × {own[1]} px"
    if own not in ((width, height), (height, width)):
        size += f", compared at {width} × {height} px"
    kind = ", ".join(part for part in (file.format, file.setting) if part)
    date = f" · {file.modified:%Y-%m-%d %H:%M}" if file.modified else ""
    return (f"{kind} · {byte_size(file.nbytes)} · {bits:.2f} bits per pixel", f"{size}{date}")


def byte_size(nbytes: int) -> str:
    """A number of bytes as people read it, in units of 1000: "123 kB"."""
    if nbytes < 1000:
        return f"{nbytes} bytes"
    value, unit = (nbytes / 1e3, "kB") if nbytes < 999_500 else (nbytes / 1e6, "MB")
    return unbroken(f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}")
