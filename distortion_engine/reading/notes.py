"""What reading an image changed, so that an answer can say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "alpha", "profile", "cmyk", "depth", "orientation", "frame", "size", "registered", "blocks", "hdr", "raw", "viewing"
]


@dataclass(frozen=True)
class Note:
    """One change.

    Args:
        kind: what it is about.
        text: what was done, without the name of the image: "alpha laid over white".
        tell: whether a person should hear of it; otherwise it is for the JSON.
    """

    kind: Kind
    text: str
    tell: bool = False


def orientation_note(orientation: int) -> tuple[Note, ...]:
    """For an EXIF orientation; none where the image is upright."""
    return (
        (Note("orientation", f"turned upright (EXIF orientation {orientation})"),) if orientation in range(2, 9) else ()
    )
