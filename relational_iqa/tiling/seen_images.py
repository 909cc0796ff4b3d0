"""Pictures as an eye resolves them under a viewing condition, and the octaves of them that are compared."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float32
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.light import encoded, nits_of_shown
from distortion_engine.reading.notes import Note
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.condition import OCTAVES_PPD, Viewing

_LEAST_PX = 32  # shorter side of what is compared at an octave


def see(images: Sequence[StoredImage], viewing: Viewing | None) -> list[StoredImage]:
    """Images of one size as they are seen, in order; as they are without a condition. Resized ones are float32 from
    here on. Raises UsageError where too little of them is left."""
    if viewing is None:
        return list(images)
    return [_seen(image, viewing) for image in images]


def octaves(images: Sequence[StoredImage]) -> list[list[StoredImage]]:
    """Seen images at the octaves at which they are compared, the finest first; those that would be too small are left
    out."""
    _, height, width = images[0].shape
    sizes = [(round(height * ppd / OCTAVES_PPD[0]), round(width * ppd / OCTAVES_PPD[0])) for ppd in OCTAVES_PPD]
    return [[_resized(image, *size) for image in images] for size in sizes if min(size) >= _LEAST_PX]


def _seen(image: StoredImage, viewing: Viewing) -> StoredImage:
    _, height, width = image.shape
    size = round(height * viewing.factor), round(width * viewing.factor)
    if min(size) < _LEAST_PX:
        raise UsageError(
            f"viewing {viewing.name}: of {width}x{height} px an eye sees {size[1]}x{size[0]}, too little to be judged; "
            "give fewer pixels per degree, or pixel-peep"
        )
    found = _resized(image, *size)
    found.viewing = viewing
    if size != (height, width):
        text = f"seen at {viewing.pixels_per_degree:.3g} pixels per degree, as {size[1]}x{size[0]} px"
        found = found.with_note(Note("viewing", text, tell=True))
    return found


def _resized(image: StoredImage, height: int, width: int) -> StoredImage:
    """An image at another size: light is averaged, antialiased bicubic."""
    _, tall, wide = image.shape
    if (tall, wide) == (height, width):
        return image.copied()
    columns = torch.empty(3, tall, width)
    top = 0
    for strip in image.strips():
        rows = strip.shape[1]
        light = _light(strip.cpu(), image.is_hdr)
        columns[:, top : top + rows] = _interpolated(light, rows, width)
        top += rows
    found = StoredImage(_values(_interpolated(columns, height, width), image.is_hdr), image._name, image.notes)
    if image.counts is not None:
        counts = F.interpolate(image.counts.pixels()[None], (height, width), mode="bilinear", antialias=True)
        found.counts = StoredImage(counts[0].clamp(0, 1), image.counts._name)
    x, y = image.origin
    found.origin = round(x * width / wide), round(y * height / tall)
    found.viewing = image.viewing
    return found


def _interpolated(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image[None], (height, width), mode="bicubic", antialias=True)[0]


def _light(values: Float32[Tensor, "3 h w"], is_hdr: bool) -> Float32[Tensor, "3 h w"]:
    """Linear light of what is compared."""
    if is_hdr:
        return torch.from_numpy(nits_of_shown(values.numpy()))
    return torch.where(values <= 0.04045, values / 12.92, ((values.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def _values(light: Float32[Tensor, "3 h w"], is_hdr: bool) -> Float32[Tensor, "3 h w"]:
    """What is compared of linear light."""
    light = light.clamp_min(0)
    if is_hdr:
        return torch.from_numpy(encoded(light.numpy()))
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).clamp(0, 1)
