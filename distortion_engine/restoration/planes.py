"""Images of the engine, (3, H, W) float32 tensors, as the arrays that image-processing libraries take, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_array(image: Tensor) -> np.ndarray:
    """(3, H, W) -> (H, W, 3) float32, contiguous."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy(), dtype=np.float32)


def to_bytes(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    return np.ascontiguousarray((image.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy())


def to_image(array: np.ndarray) -> Tensor:
    """(H, W, 3) of float in [0, 1] or of uint8 -> (3, H, W) float32, clamped to [0, 1]."""
    scale = 255.0 if array.dtype == np.uint8 else 1.0
    values = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float32))
    return (values / scale).clamp(0.0, 1.0)
