"""Images of different sizes: refused with both sizes named, or brought to one size where the caller says how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeVar, get_args

from distortion_engine.errors import ImageError, UsageError

if TYPE_CHECKING:
    import torch

Alignment = Literal["auto", "resize", "crop"]
ALIGNMENTS: tuple[Alignment, ...] = get_args(Alignment)


class Croppable(Protocol):
    """An image (3, H, W) whose size is known and which can be cropped: a tensor, or an image that stands for one."""

    @property
    def shape(self) -> Sequence[int]: ...

    def __getitem__(self, key: tuple[EllipsisType, slice, slice], /) -> Self: ...


Picture = TypeVar("Picture", bound=Croppable)


def match_sizes(images: Sequence[tuple[str, torch.Tensor]], align: str | None = None) -> list[torch.Tensor]:
    """The images, all of one size, in the given order.

    The order of the images does not matter.

    Args:
        images: (name for error messages, image (3, H, W)) pairs.
        align: "resize" enlarges all to the largest height and width (bicubic, clamped to [0, 1]), "crop" cuts the
            smallest height and width from the centre, None refuses different sizes.

    Raises:
        ImageError: names the first two sizes that differ, where `align` is None.
        UsageError: for another `align`.
    """
    return match_sizes_by(resized, images, align)


def match_sizes_by(
    resize: Callable[[Picture, int, int], Picture], images: Sequence[tuple[str, Picture]], align: str | None
) -> list[Picture]:
    """As `match_sizes`, of images of any kind; `resize` brings one of them to a height and a width."""
    if align is not None and (align not in ALIGNMENTS or align == "auto"):
        raise UsageError(f"align is {align!r}: expected 'resize' or 'crop', or leave it out")
    sizes = [tuple(image.shape[-2:]) for _, image in images]
    if len(set(sizes)) <= 1:
        return [image for _, image in images]
    if align is None:
        other = next(index for index, size in enumerate(sizes) if size != sizes[0])
        (first, _), (second, _) = images[0], images[other]
        raise ImageError(
            f"{first} is {sizes[0][1]}x{sizes[0][0]} px but {second} is {sizes[other][1]}x{sizes[other][0]} px; "
            "images of one scene must have one size: use --align auto, resize or crop (align= in Python)"
        )
    chosen, change = (max, resize) if align == "resize" else (min, _cropped)
    height, width = chosen(size[0] for size in sizes), chosen(size[1] for size in sizes)
    return [change(image, height, width) for _, image in images]


def resized(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """An image (3, H, W) in [0, 1] at another size: antialiased bicubic, clamped to [0, 1]."""
    if tuple(image.shape[-2:]) == (height, width):
        return image
    import torch.nn.functional as F

    return F.interpolate(image[None], (height, width), mode="bicubic", antialias=True)[0].clamp(0, 1)


def _cropped(image: Picture, height: int, width: int) -> Picture:
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
