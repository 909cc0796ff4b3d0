"""Distortions that jump at their least amount, made to start gently: mixed with the original in proportion."""

import functools
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Generator, Tensor

from distortion_engine.distortions.common import Apply


def eased(full_from: float) -> Callable[[Apply], Apply]:
    """Decorator: below the amount `full_from` the result is mixed with the original, its share amount / full_from.

    For resampling, which by 1.01 displaces or blurs as many pixels as by 1.1. From `full_from` on nothing changes.
    """

    def decorate(apply: Apply) -> Apply:
        @functools.wraps(apply)
        def eased_apply(
            image: Tensor, amount: Tensor, params: Mapping[str, Tensor], generators: Sequence[Generator]
        ) -> Tensor:
            result = apply(image, amount, params, generators)
            share = (amount.to(torch.float32) / full_from).clamp(max=1.0).to(image)[:, None, None, None]
            if bool((share >= 1.0).all()):
                return result
            return torch.where(share < 1.0, torch.lerp(image, result, share), result)

        return eased_apply

    return decorate
