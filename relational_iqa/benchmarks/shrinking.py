"""The one way in which an evaluation changes the size of images, and only where it is asked to."""

from torch import Tensor
from torch.nn.functional import interpolate


def shrink(image: Tensor, shorter_side: int | None) -> Tensor:
    """An image (3, H, W) whose shorter side is `shorter_side` px, shape kept, antialiased bicubic; smaller ones and
    None as they are."""
    if shorter_side is None or min(image.shape[-2:]) <= shorter_side:
        return image
    scale = shorter_side / min(image.shape[-2:])
    size = [max(1, round(side * scale)) for side in image.shape[-2:]]
    return interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
