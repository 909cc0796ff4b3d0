"""Images that come as tensors: refused where they are in another unit, shape or type than the networks take."""

import torch
from torch import Tensor

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import check_side

SLACK = 0.25
"""How far outside [0, 1] a value may lie. What lies farther is in another unit (0 to 255, -1 to 1, standardised), not a
rounding error."""


def check_images(batch: bool, **images: Tensor) -> None:
    """Refuses tensors that no network of this package can judge.

    Args:
        batch: whether they are batches (B, 3, H, W) or single images (3, H, W).
        images: sRGB-encoded, floats in [0, 1], all of one shape, by the names that errors call them.

    Raises:
        ImageError: for another shape, another type, a side shorter than 16 px, values that are not finite or far
            outside [0, 1], and for tensors of different shapes.
    """
    wanted = "(B, 3, H, W)" if batch else "(3, H, W)"
    first = next(iter(images))
    for name, image in images.items():
        if not isinstance(image, Tensor):
            raise ImageError(f"{name}: {type(image).__name__}, expected a tensor {wanted}; see torch.from_numpy")
        shape = tuple(image.shape)
        if len(shape) != (4 if batch else 3) or shape[-3] != 3:
            raise ImageError(f"{name}: shape {shape}, expected RGB {wanted}")
        if not image.is_floating_point():
            raise ImageError(f"{name}: {image.dtype}, expected floats in [0, 1]; divide 8 bit values by 255")
        if shape != tuple(images[first].shape):
            raise ImageError(f"{first} is {tuple(images[first].shape)}, {name} {shape}: expected equal shapes")
        if image.numel() == 0:
            raise ImageError(f"{name}: shape {shape}, there is no pixel in it")
        check_side(name, *shape[-2:])
        low, high = (float(value) for value in torch.aminmax(image.detach().float()))
        if not (low >= -SLACK and high <= 1 + SLACK):  # also for NaN
            raise ImageError(f"{name}: values from {low:g} to {high:g}, expected 0 to 1; rescale it")
