"""The content of the files of a set: images for people (PNG, WebP) and arrays for programs (npz, npy)."""

from __future__ import annotations

import zlib
from functools import reduce
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Lossless, and quick first: at their defaults the encoders took as long as everything else. On 80 images of 256 px,
# PNG with run lengths alone takes a quarter of the time for 1 % more bytes; WebP at this effort an eighth for 5 % more,
# and stays 16 % below PNG.
_ENCODING: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_type": zlib.Z_RLE},
    "webp": {"format": "WEBP", "lossless": True, "exact": True, "method": 1, "quality": 0},
}
# Side of the cells of `quarter_fields`: the networks predict one value for 4 x 4 pixels.
CELL_PX = 4
# What 1.0 is in the arrays of `quarter_fields`.
FIELD_SCALE, VALIDITY_SCALE = 127, 255


def encode_image(pixels: np.ndarray, image_format: str) -> bytes:
    """Encodes pixels (H, W, 3) uint8 as "png" or "webp". The same pixels give the same bytes."""
    content = BytesIO()
    Image.fromarray(pixels).save(content, **_ENCODING[image_format])
    return content.getvalue()


def encode_fields(fields: Tensor, validity: Tensor) -> bytes:
    """Encodes `fields.npz` from fields (n + 1, K, S, S) in [-1, 1] and validity (n + 1, 1, S, S) in {0, 1}."""
    content = BytesIO()
    half, valid = fields.numpy().astype(np.float16), validity.numpy() > 0
    np.savez_compressed(content, allow_pickle=False, fields=half, validity=valid)
    return content.getvalue()


def encode_array(values: np.ndarray) -> bytes:
    """Encodes an array as a `.npy` file in C order: a header of 128 bytes, then the values."""
    content = BytesIO()
    np.lib.format.write_array(content, np.ascontiguousarray(values), version=(1, 0), allow_pickle=False)
    return content.getvalue()


def quarter_fields(fields: Tensor, validity: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Fields and validity at a quarter of the resolution, as means over cells of 4 x 4 pixels.

    Args:
        fields: (n, K, S, S) in [-1, 1], S a multiple of 4.
        validity: (n, 1, S, S) in {0, 1}.

    Returns:
        fields: (n, K, S/4, S/4) int8, 127 is 1.0.
        validity: (n, 1, S/4, S/4) uint8, 255 is 1.0.
    """
    return (
        (_cell_means(fields) * FIELD_SCALE).round().to(torch.int8).numpy(),
        (_cell_means(validity) * VALIDITY_SCALE).round().to(torch.uint8).numpy(),
    )


def _cell_means(maps: Tensor) -> Tensor:
    """Means over the cells. The order of the additions is fixed, so that the rounded values are the same everywhere."""
    rows = reduce(torch.add, [maps[..., i::CELL_PX, :] for i in range(CELL_PX)])
    return reduce(torch.add, [rows[..., i::CELL_PX] for i in range(CELL_PX)]) * (1.0 / CELL_PX**2)
