"""Large arrays in temporary files instead of memory: the images and maps of a hundred megapixels.

Such a file has no name by the time it is used, so nothing is left behind however the process ends. Pages that were read
or written count as memory of the process until `give_back`; the values stay.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile

import numpy as np

IN_FILE_FROM_BYTES = 64_000_000
"""Smaller arrays stay in memory."""


def temporary_array(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array of zeros: in a file of the folder for temporary files (`TMPDIR`) from IN_FILE_FROM_BYTES on, in memory
    below that and where no such file can be made."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size < IN_FILE_FROM_BYTES:
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="riqa-") as file:  # the mapping outlives the handle
            _reserve(file.fileno(), size)
            pages = mmap.mmap(file.fileno(), size)
    except OSError:  # no such folder, not writable, full
        return np.zeros(shape, dtype)
    return np.frombuffer(pages, dtype).reshape(shape)


def give_back(array: np.ndarray) -> None:
    """Takes the pages of a `temporary_array` out of memory; they are read again from the file when they are wanted."""
    pages = _mapping(array)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)


def in_file(array: np.ndarray) -> bool:
    """Whether it is a `temporary_array`, or a view of one, that lies in a file."""
    return _mapping(array) is not None


def _mapping(array: np.ndarray) -> mmap.mmap | None:
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    base = base.obj if isinstance(base, memoryview) else base
    return base if isinstance(base, mmap.mmap) else None


def _reserve(descriptor: int, size: int) -> None:
    """Room on the disk now: a page that finds none later would end the process without a word."""
    if sys.platform.startswith("linux"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)
