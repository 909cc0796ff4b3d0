"""Luma, chroma and linear light of `(3, H, W)` images in sRGB: by OpenCV on the CPU, by kornia elsewhere."""

import functools

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.distortions.filters import fast_path

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma, as in JFIF


def _image_plane(image: Tensor) -> np.ndarray:
    """`(3, H, W)` as one matrix `(3 H, W)` for OpenCV's point operations, sharing its memory if it can."""
    return image.detach().contiguous().numpy().reshape(-1, image.shape[-1])


def luma(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 h w"]:
    """BT.601 luma `(1, H, W)` of `(3, H, W)`."""
    red, green, blue = LUMA
    if fast_path(image):
        planes = image.numpy()
        tone = cv2.addWeighted(planes[0], red, planes[1], green, 0.0)
        return torch.from_numpy(cv2.scaleAdd(planes[2], blue, tone))[None]
    from kornia.color import rgb_to_grayscale

    return rgb_to_grayscale(image, image.new_tensor(LUMA))


def mean_luma(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 1 1"]:
    """Mean BT.601 luma of `(3, H, W)`, a tensor of shape (1, 1, 1)."""
    if fast_path(image):
        means = [cv2.mean(plane)[0] for plane in image.numpy()]
        return torch.full((1, 1, 1), sum(share * mean for share, mean in zip(LUMA, means, strict=True)))
    return luma(image).mean(dim=(1, 2), keepdim=True)


def with_chroma(
    image: Float[Tensor, "3 h w"], blue_difference: Float[Tensor, "h w"], red_difference: Float[Tensor, "h w"]
) -> Float[Tensor, "3 h w"]:
    """`(3, H, W)` with these `(H, W)` amounts added to Cb and Cr at constant luma.

    With the six digits of the JFIF matrix; kornia's `ycbcr_to_rgb` has three, which would not keep luma.
    """
    green = torch.add(image[1], blue_difference, alpha=-0.344136)
    return torch.stack(
        [
            torch.add(image[0], red_difference, alpha=1.402),
            torch.add(green, red_difference, alpha=-0.714136),
            torch.add(image[2], blue_difference, alpha=1.772),
        ]
    )


def power(image: Float[Tensor, "*shape"], exponent: float) -> Float[Tensor, "*shape"]:
    """`image ** exponent` of values >= 0: by OpenCV on the CPU, elsewhere by way of float64.

    The float32 power of PyTorch differs in the last bit between its vector loop and the remainder, so its result would
    depend on the number of threads.
    """
    if fast_path(image):
        return torch.from_numpy(cv2.pow(_image_plane(image), exponent)).reshape(image.shape)
    return (image.to(torch.float64) ** exponent).to(image.dtype)


@functools.cache
def _linear_of_code() -> np.ndarray:
    """Linear light of 65,536 sRGB code values."""
    code = np.arange(65536) / 65535.0
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32).reshape(1, -1)


@functools.cache
def _code_of_root() -> np.ndarray:
    """sRGB code values of the squares of 65,536 values: the curve is steep at 0 and that of the root is not."""
    light = (np.arange(65536) / 65535.0) ** 2
    curve = 1.055 * np.maximum(light, 0.0031308) ** (1.0 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curve).astype(np.float32).reshape(1, -1)


def _looked_up(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    index = np.multiply(values, np.float32(65535.0), dtype=np.float32)
    index += np.float32(0.5)
    return cv2.LUT(np.clip(index, 0.0, 65535.0, out=index).astype(np.uint16), table)


def to_linear(image: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """sRGB code values in [0, 1] to linear light (IEC 61966-2-1); from a table on the CPU, error below 2e-5."""
    if fast_path(image):
        return torch.from_numpy(_looked_up(_linear_of_code(), _image_plane(image))).reshape(image.shape)
    from kornia.color import rgb_to_linear_rgb

    return rgb_to_linear_rgb(image)


def from_linear(light: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Linear light, clamped to [0, 1], to sRGB code values (IEC 61966-2-1); from a table on the CPU, error 2e-5."""
    if fast_path(light):
        root = np.sqrt(np.maximum(_image_plane(light), np.float32(0.0)))
        return torch.from_numpy(_looked_up(_code_of_root(), root)).reshape(light.shape)
    from kornia.color import linear_rgb_to_rgb

    return linear_rgb_to_rgb(light.clamp(0.0, 1.0))
