"""A differentiable distance of two images, in the form that programs for the synthesis of stimuli take: plenoptic's
MAD competition and metamers call `metric(image, synthesised)` and follow the gradient of the second.

    distance = PerceptualDistance()
    distance(image, synthesised).backward()

It is `RelationalLoss` with the arguments in the other order: no second implementation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from distortion_engine.errors import UsageError
from relational_iqa.systems.relational_loss import RelationalLoss

Place = Literal["first", "second"]


class PerceptualDistance(nn.Module):
    """Severity levels that one image is below the other, as a scalar: 0 with gradient 0 for equal images, never below.

    It is no metric in the sense of mathematics: d(x, y) and d(y, x) differ, because one image is the reference.

    Args:
        weights: None for the shipped ones, the name of others, or a path.
        reference: which argument is the reference; no gradient reaches it.

    Raises:
        UsageError: for weights that cannot be used and for an unknown place.
    """

    def __init__(self, weights: str | Path | None = None, reference: Place = "first") -> None:
        super().__init__()
        if reference not in get_args(Place):
            raise UsageError(f"reference is {reference!r}, expected one of {', '.join(get_args(Place))}")
        self.reference = reference
        self.loss = RelationalLoss(weights, "mean")

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The mean distance of two batches (B, 3, H, W) in [0, 1]. Raises ImageError and UsageError like
        `RelationalLoss`."""
        reference, test = (first, second) if self.reference == "first" else (second, first)
        found: Tensor = self.loss(test, reference)
        return found
