"""What decoders give: samples, not yet brought to sRGB."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from distortion_engine.reading.light import Light
from distortion_engine.reading.notes import Note

Space = Literal["grey", "rgb", "cmyk"]


@dataclass(frozen=True)
class Samples:
    """Decoded pixels before colour management, upright.

    Args:
        values: (H, W, C) uint8, uint16, bool or float of full scale; where there is alpha, it is the last channel and
            not multiplied into the others.
        space: colour space of the other channels.
        alpha: whether there is an alpha channel.
        profile: ICC profile, or what the values mean as light where they are HDR; None where the file has none.
        notes: what decoding changed.
    """

    values: np.ndarray
    space: Space
    alpha: bool
    profile: bytes | Light | None
    notes: tuple[Note, ...] = ()

    @property
    def icc(self) -> bytes:
        """The ICC profile; empty where there is none."""
        return self.profile if isinstance(self.profile, bytes) else b""


def colour_space(channels: int) -> tuple[Space, bool]:
    """Space and alpha of 1 to 4 channels of which none is ink."""
    return "grey" if channels < 3 else "rgb", channels in (2, 4)


def full_range(values: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned integers of 0 to 2^bits - 1 as uint8 of 0 to 255 or, above 8 bits, uint16 of 0 to 65535.

    Rounded to nearest; 8 and 16 bits stay as they are.
    """
    kind, top = (np.uint8, 255) if bits <= 8 else (np.uint16, 65535)
    if bits in (8, 16):
        return values.astype(kind, copy=False)
    largest = (1 << bits) - 1
    table = (np.arange(largest + 1, dtype=np.uint64) * top + largest // 2) // largest
    found: np.ndarray = table.astype(kind)[np.minimum(values, largest)]
    return found


def straight(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours that were multiplied by alpha, divided by it; 0 where alpha is 0."""
    top = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    divided = values * (top / np.maximum(alpha.astype(np.float64), 1e-9 if top == 1 else 1))
    divided = np.where(alpha > 0, np.minimum(divided, top), 0)
    found: np.ndarray = (divided if values.dtype.kind == "f" else np.round(divided)).astype(values.dtype)
    return found
