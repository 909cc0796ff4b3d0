"""Images of the engine, (3, H, W) float32 tensors, as the arrays that image-processing libraries take, and back."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor


def to_array(image: Float[Tensor, "3 h w"]) -> Float32[np.ndarray, "h w 3"]:
    """The image as a contiguous array."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy(), dtype=np.float32)


def to_bytes(image: Float[Tensor, "3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """The image, of values in [0, 1], at 8 bits."""
    return np.ascontiguousarray((image.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy())


def to_image(array: Float[np.ndarray, "h w 3"] | UInt8[np.ndarray, "h w 3"]) -> Float32[Tensor, "3 h w"]:
    """The image of an array of floats in [0, 1] or of bytes, clamped to [0, 1]."""
    scale = 255.0 if array.dtype == np.uint8 else 1.0
    values = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float32))
    return (values / scale).clamp(0.0, 1.0)
