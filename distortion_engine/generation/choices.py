"""Choices and defaults of the options of `riqa generate`. Nothing heavy is imported, so help texts need no torch."""

from typing import Literal, get_args

ImageFormat = Literal["png", "webp", "npy"]
"""How the images of ranked sets are stored: png and webp are lossless, npy are arrays that training reads in place."""
IMAGE_FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)

WorkerKind = Literal["local", "ray"]
"""Who renders: processes of this machine, or a Ray cluster."""
WORKER_KINDS: tuple[WorkerKind, ...] = get_args(WorkerKind)

# Defaults of the options, for the command and for the functions that it calls.
SIZE_PX = 256
SETS_PER_SHARD = 64
MIN_SCALE = 0.5
MASK_SHARE = 0.5
WORKERS = 2
