"""A second look at the images of a ranked set: the photograph mirrored and recoloured, and a part of it as its
thumbnail. What damaged the members stays what it was, so their scores and maps should too.

A few hundred photographs are soon known by heart; in other colours they are other photographs to the backbone.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)  # Rec. 601
_GAIN_SPREAD = 0.12  # standard deviation of the logarithm of the gain of a channel
_GAMMA = 1.3  # code values to a power from 1 / _GAMMA to _GAMMA
_SATURATION = (0.5, 1.5)
_SMALLEST_PART = 0.6  # side of the part that the thumbnail shows


class SecondLook(NamedTuple):
    """Another look at the images of a set.

    Attributes:
        images: (n, 3, S, S) in [0, 1], mirrored and recoloured, all in the same way.
        part: (n, 3, s, s), a part of them, for the thumbnail.
    """

    images: Float[Tensor, "n 3 h w"]
    part: Float[Tensor, "n 3 h2 w2"]


def second_look(images: Float[Tensor, "n 3 h w"]) -> SecondLook:
    """What is drawn follows from the first image alone, the reference of the set (n = 1 + members)."""
    digest = hashlib.sha256((images[0] * 255).round().to(torch.uint8).numpy().tobytes()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    gains = torch.from_numpy(np.exp(rng.normal(0, _GAIN_SPREAD, 3))).float()
    gamma = float(_GAMMA ** rng.uniform(-1, 1))
    saturation = float(rng.uniform(*_SATURATION))
    side = round(images.shape[-1] * rng.uniform(_SMALLEST_PART, 1))
    top, left = rng.integers(images.shape[-2] - side + 1), rng.integers(images.shape[-1] - side + 1)
    seen = recoloured(images, gains, gamma, saturation).flip(-1)
    return SecondLook(seen, seen[..., top : top + side, left : left + side])


def recoloured(
    images: Float[Tensor, "n 3 h w"], gains: Float[Tensor, " 3"], gamma: float, saturation: float
) -> Float[Tensor, "n 3 h w"]:
    """Code values to the power `gamma`, times `gains`, their differences from luma times `saturation`; in [0, 1]."""
    seen = images.pow(gamma) * gains[:, None, None]
    luma = (seen * torch.tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
    return (luma + saturation * (seen - luma)).clamp(0, 1)
