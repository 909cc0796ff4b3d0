"""What the tests of reading share: a small picture, what it is as a tensor, refusals, and a hand-written TIFF."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import load_image

HEIGHT, WIDTH = 24, 40


@pytest.fixture
def pixels() -> np.ndarray:
    """A small picture (24, 40, 3) uint8 with a ramp, so that codecs and turns have something to keep."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 6, y * 10, (x + y) * 3], axis=-1).astype(np.uint8)


@pytest.fixture
def expected() -> Callable[..., torch.Tensor]:
    """(array (H, W, 3), full scale) -> the tensor that `load_image` has to give."""

    def tensor_of(array: np.ndarray, full_scale: float = 255) -> torch.Tensor:
        return torch.from_numpy((array.astype(np.float32) / np.float32(full_scale)).transpose(2, 0, 1).copy())

    return tensor_of


@pytest.fixture
def failure() -> Callable[..., str]:
    """(source, options) -> the message of the ImageError, always one line."""

    def message_of(source: Any, **options: int) -> str:
        with pytest.raises(ImageError) as caught:
            load_image(source, **options)
        message = str(caught.value)
        assert "\n" not in message and len(message) < 400
        return message

    return message_of


@pytest.fixture
def tiff16() -> Callable[..., bytes]:
    """(values, orientation, planar) -> a TIFF of 16 bit a sample."""
    return write_tiff16


def write_tiff16(values: np.ndarray, orientation: int = 1, planar: bool = False) -> bytes:
    """A little-endian, uncompressed 16 bit TIFF (H, W) or (H, W, 3), written by hand (TIFF 6.0, section 2)."""
    height, width = values.shape[:2]
    samples = 1 if values.ndim == 2 else values.shape[2]
    body = (np.moveaxis(values, -1, 0) if planar else values).astype("<u2").tobytes()
    planes = samples if planar else 1
    entries: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [16] * samples), (259, 3, [1]),
        (262, 3, [2 if samples == 3 else 1]), (273, 4, [8 + len(body) // planes * i for i in range(planes)]),
        (274, 3, [orientation]), (277, 3, [samples]), (278, 4, [height]), (279, 4, [len(body) // planes] * planes),
        (284, 3, [2 if planar else 1]),
    ]  # fmt: skip
    after = 8 + len(body) + 2 + 12 * len(entries) + 4
    table, extra = struct.pack("<H", len(entries)), b""
    for tag, kind, numbers in entries:
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", after + len(extra)), extra + packed
        table += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    return struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body + table + bytes(4) + extra
