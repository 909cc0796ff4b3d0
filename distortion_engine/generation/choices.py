"""Values that options of `riqa generate` take, in a module that imports nothing: help texts list them without torch."""

from typing import Literal, get_args

ImageFormat = Literal["png", "webp", "npy"]
"""How the images of ranked sets are stored: png and webp are lossless, npy are arrays that training reads in place."""
IMAGE_FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)

Engine = Literal["local", "ray"]
"""Who renders: processes of this machine, or a Ray cluster."""
ENGINES: tuple[Engine, ...] = get_args(Engine)
