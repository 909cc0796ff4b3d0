"""Places in the frame, for damage that depends on them, and profiles: maps of mean 1 of how it is spread."""

import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.distortions.filters import pixel_grid


def frame_coordinates(image: Float[Tensor, "c h w"]) -> tuple[Float[Tensor, "h 1"], Float[Tensor, "1 w"]]:
    """Row (H, 1) and column (1, W) of every pixel, from -0.5 at one edge of the frame to 0.5 at the other."""
    row, column = pixel_grid(image)
    return row / (image.shape[1] - 1) - 0.5, column / (image.shape[2] - 1) - 0.5


def profile_coordinates(height: int, width: int) -> tuple[Float[Tensor, "h 1"], Float[Tensor, "1 w"]]:
    """The same for profiles, by the frame's size. They round otherwise, which keeps the last bit of stored fields."""
    return torch.linspace(-0.5, 0.5, height)[:, None], torch.linspace(-0.5, 0.5, width)[None, :]


def with_mean_one(strength: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """A map of values >= 0 over its mean."""
    return strength / strength.mean().clamp_min(1e-9)
