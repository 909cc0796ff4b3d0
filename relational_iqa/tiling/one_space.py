"""HDR and SDR pictures of one comparison in one space: that of HDR, as a display shows it."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

import torch
from jaxtyping import Float32
from torch import Tensor

from distortion_engine.reading.light import DESCRIBED, REFERENCE_WHITE_NITS, sdr_shown
from distortion_engine.reading.notes import Note
from relational_iqa.tiling.derived_image import DerivedImage
from relational_iqa.tiling.stored_image import StoredImage

_NOTE = Note("hdr", f"SDR, its white at {REFERENCE_WHITE_NITS:.0f} cd/m², shown {DESCRIBED}", tell=True)


class ShownBesideHdr(DerivedImage):
    """An SDR image as it is shown beside HDR."""

    def __init__(self, source: StoredImage) -> None:
        super().__init__(source, None, (*source.notes, _NOTE), source.counts, source.origin)

    def window(
        self, top: int, bottom: int, left: int = 0, right: int | None = None
    ) -> Float32[Tensor, "3 {bottom-top} _"]:
        part = self._source.window(top, bottom, left, right)
        return torch.from_numpy(sdr_shown(part.cpu().numpy())).to(part.device)

    def __getitem__(self, key: tuple[EllipsisType, slice, slice]) -> StoredImage:
        part = ShownBesideHdr(self._source[key])
        part.notes = self.notes
        return part


def in_one_space(images: Sequence[tuple[str, StoredImage]]) -> list[tuple[str, StoredImage]]:
    """The images, by their names, as they are where all or none are HDR; else those that are SDR as they are shown
    beside it."""
    if len({image.is_hdr for _, image in images}) < 2:
        return list(images)
    return [(name, image if image.is_hdr else ShownBesideHdr(image)) for name, image in images]
