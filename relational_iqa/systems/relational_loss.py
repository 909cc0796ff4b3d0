"""RelationalLoss: the score with reference as a loss, to train denoisers, codecs and restoration networks.

    loss = relational_iqa.RelationalLoss().to(device)
    (F.mse_loss(output, target) + 0.002 * loss(output, target)).backward()

The unit is severity levels below the reference: 0 for equal images, about 5 for the strongest level of one distortion,
more for several distortions together. The value is some hundred times that of a mean squared error. `docs/loss.md`
describes the scale, the cost, and what to watch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.storage.pixel_perfect_weights import load_weights
from relational_iqa.tiling.tile_geometry import inside_share, pad_to_grid

Reduction = Literal["mean", "sum", "none"]

MIN_SIDE_PX = 32
"""Smaller crops are mostly border to the windows of the networks."""

# A reference this far outside [0, 1] is in another unit (0 to 255, -1 to 1, standardised), not a rounding error.
_SLACK = 0.25


class RelationalLoss(nn.Module):
    """Severity levels that `test` is below `reference`: minus `RelationalIQA.quality_batch`, differentiable in `test`.

    The weights are frozen and follow `.to(device)`. They are not in `parameters()` or `state_dict()`, so neither an
    optimizer nor a checkpoint of yours contains them.

    Args:
        weights: None for the shipped ones, the name of others, or a path.
        reduction: over the batch: "mean", "sum", or "none" for a loss of shape (B,).

    Raises:
        UsageError: for weights that cannot be used and for an unknown reduction.
    """

    def __init__(self, weights: str | Path | None = None, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in get_args(Reduction):
            raise UsageError(f"reduction is {reduction!r}, expected one of {', '.join(get_args(Reduction))}")
        networks, self.meta = load_weights(weights)
        self.reduction = reduction
        self._hidden = (networks.eval().requires_grad_(False),)  # in a tuple: nn.Module does not register it

    @property
    def networks(self) -> Networks:
        """The frozen networks."""
        return self._hidden[0]

    def forward(self, test: Tensor, reference: Tensor) -> Float[Tensor, ""] | Float[Tensor, " b"]:
        """Loss >= 0 in severity levels, 0 (with gradient 0) where the images are equal.

        The result is float32, or float64 after `.double()`; its shape is () or, with the reduction "none", (B,). The
        arithmetic is float32 under autocast too.

        Args:
            test: (B, 3, H, W), sRGB-encoded, nominally in [0, 1], both sides 32 px or more, of any floating type.
                Values outside [0, 1] are used as they are, so that the gradient leads back.
            reference: the same shape and range. No gradient reaches it.

        Raises:
            ImageError: for shapes, types or a range that do not fit.
            UsageError: for tensors on another device than the loss.
        """
        weight = next(self.networks.parameters())
        self._check(test, reference, weight.device)
        inside = inside_share(test.shape[-2], test.shape[-1]).to(weight)
        with torch.autocast(test.device.type, enabled=False):
            x, y = pad_to_grid(test.to(weight.dtype)), pad_to_grid(reference.detach().to(weight.dtype))
            sums = self.networks.local_quality(x, y).sums(inside)
            levels = (-self.networks.quality(sums)).clamp_min(0)  # rounding can leave -1e-7
        return levels.mean() if self.reduction == "mean" else levels.sum() if self.reduction == "sum" else levels

    def extra_repr(self) -> str:
        """What `print(loss)` says of it."""
        return f"weights={self.meta['name']!r}, reduction={self.reduction!r}"

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> RelationalLoss:
        """Moves the networks as `.to`, `.cuda`, `.double` of this module or one around it ask, except to half
        precision: the statistics of faint differences would round to nothing."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        weight = next(self.networks.parameters())
        asked = fn(torch.empty(0, dtype=weight.dtype, device=weight.device))
        dtype = asked.dtype if asked.dtype == torch.float64 else torch.float32
        self.networks.to(device=asked.device, dtype=dtype)
        return self

    @staticmethod
    def _check(test: Tensor, reference: Tensor, device: torch.device) -> None:
        for name, image in (("test", test), ("reference", reference)):
            if image.ndim != 4 or image.shape[1] != 3:
                raise ImageError(f"{name}: shape {tuple(image.shape)}, expected RGB images (B, 3, H, W)")
            if not image.is_floating_point():
                raise ImageError(f"{name}: {image.dtype}, expected floats in [0, 1]; divide 8 bit values by 255")
            if image.device != device:
                raise UsageError(f"{name} is on {image.device}, the loss on {device}: move one, as in loss.to(device)")
        if test.shape != reference.shape:
            raise ImageError(f"test is {tuple(test.shape)}, reference {tuple(reference.shape)}: expected equal shapes")
        if test.shape[0] == 0 or min(test.shape[-2:]) < MIN_SIDE_PX:
            raise ImageError(
                f"images {tuple(test.shape)}: expected at least one, each side at least {MIN_SIDE_PX} px; train on "
                "larger crops"
            )
        low, high = (float(value) for value in torch.aminmax(reference.detach().float()))
        if not (low >= -_SLACK and high <= 1 + _SLACK):  # also for NaN
            raise ImageError(f"reference: values from {low:g} to {high:g}, expected 0 to 1; rescale both images")
