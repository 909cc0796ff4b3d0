"""Images of a program as files of a baseline: lossless, equal images as equal bytes."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

from distortion_engine.errors import ImageError
from relational_iqa.folders.pairing import IMAGE_SUFFIXES

PNG = ".png"
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Modes of PIL images that a PNG keeps as they are."""


def as_file(image: Any, what: str) -> tuple[bytes, str]:
    """The content of a file that holds an image, and its suffix.

    Args:
        image: a path, whose file is taken as it is; a PIL image; an array (H, W, 3) or (H, W) of uint8, uint16 or
            floats in [0, 1]; a tensor (3, H, W) in [0, 1]. Floats are kept with 16 bits a sample.
        what: what errors call it.

    Raises:
        ImageError: for anything else.
        OSError: for a file that cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise ImageError(f"{what}: {path} ends in {path.suffix!r}; give one of {', '.join(sorted(IMAGE_SUFFIXES))}")
        return path.read_bytes(), path.suffix.lower()
    from PIL import Image

    if isinstance(image, Image.Image):
        content = BytesIO()
        (image if image.mode in _MODES else image.convert("RGB")).save(content, "PNG")
        return content.getvalue(), PNG
    return _array_as_png(image, what), PNG


def _array_as_png(image: Any, what: str) -> bytes:
    import numpy as np

    if hasattr(image, "detach"):  # a tensor of torch
        image = image.detach().cpu().float().numpy()
        if image.ndim == 4 and len(image) == 1:
            image = image[0]
        if image.ndim != 3 or len(image) != 3:
            raise ImageError(f"{what}: is a tensor {image.shape}, expected (3, H, W)")
        image = image.transpose(1, 2, 0)
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{what}: is {type(image).__name__}; give a path, a PIL image, an array or a tensor")
    if not (image.ndim == 2 or image.ndim == 3 and image.shape[2] == 3):
        raise ImageError(f"{what}: is an array {image.shape}, expected (H, W, 3) or (H, W)")
    if image.dtype.kind == "f":
        if not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
            raise ImageError(f"{what}: has floats outside [0, 1]; scale or clip them")
        image = np.round(image.astype(np.float64) * 65535).astype(np.uint16)
    if image.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"{what}: has samples of {image.dtype}; expected uint8, uint16 or floats in [0, 1]")
    import imagecodecs

    return bytes(imagecodecs.png_encode(np.ascontiguousarray(image)))
