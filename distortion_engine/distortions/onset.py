"""Distortions that jump at their least amount, made to start gently: mixed with the original in proportion."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from distortion_engine.distortions.contract import Apply


def eased(full_from: float) -> Callable[[Apply], Apply]:
    """Decorator: below the amount `full_from` the result is mixed with the original, its share amount / full_from.

    For resampling, which by 1.01 displaces or blurs as many pixels as by 1.1. From `full_from` on nothing changes.
    """

    def decorate(apply: Apply) -> Apply:
        @functools.wraps(apply)
        def eased_apply(image: Tensor, amount: float, generator: Generator, **params: float) -> Tensor:
            result = apply(image, amount, generator, **params)
            share = float(np.float32(amount) / np.float32(full_from))  # in the precision of the pixels
            return torch.lerp(image, result, share) if share < 1.0 else result

        return eased_apply

    return decorate
