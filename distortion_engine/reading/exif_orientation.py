"""How the stored rows and columns of a photograph are turned for display (EXIF 2.3, tag 0x0112)."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from distortion_engine.reading.decoder_noise import quiet_decoders

_TAG = 0x0112
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def read_orientation(image: Image.Image) -> int:
    """The value of the tag, 1 (upright) where there is none or it cannot be read."""
    try:
        with quiet_decoders():
            value = image.getexif().get(_TAG, 1)
    except Exception:  # broken metadata does not make the pixels unusable
        return 1
    return value if isinstance(value, int) else 1


def turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """A view of (H, W, C) values, upright; unknown orientations change nothing."""
    turn = _TURNS.get(orientation)
    return values if turn is None else turn(values)
