"""(reference, recipe) -> image, field and validity: the one place where recipes meet pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.masks import render_mask
from distortion_engine.recipe import Recipe, Step

# A step whose mean change over a neighbourhood stays below this left no evidence: half a code value of 8 bits.
EVIDENCE_THRESHOLD = 0.5 / 255
# Side of that neighbourhood. Smaller than the smallest mask, larger than the gaps in sparse noise.
EVIDENCE_WINDOW_PX = 17
# Fields weaker than this claim nothing that needs evidence.
_NEGLIGIBLE_SEVERITY = 0.02


@dataclass(frozen=True)
class Rendered:
    """image (3, H, W) in [0, 1]; field (K, H, W) in [-1, 1], channel order of `AXES`; validity (1, H, W) in {0, 1}:
    0 where a step claims a severity but changed nothing that can be measured."""

    image: Tensor
    field: Tensor
    validity: Tensor


def render(reference: Tensor, recipe: Recipe) -> Rendered:
    """Applies the steps of `recipe` to `reference` (3, H, W) in [0, 1] on its device; the input is not written.

    KeyError for a distortion that the catalog does not have.
    """
    image = reference
    height, width = reference.shape[-2:]
    field = torch.zeros(len(AXES), height, width, device=reference.device)
    validity = torch.ones(1, height, width, device=reference.device)
    for step in recipe.steps:
        spec = DISTORTIONS[step.distortion]
        before = image
        image, mask = apply_step(image, step, reference)
        claimed = mask * step.severity
        field[AXIS_INDEX[spec.axis]] += spec.sign * claimed[0]
        evidence = _local_mean((image - before).abs().amax(0, keepdim=True)) > EVIDENCE_THRESHOLD
        validity *= (evidence | (claimed < _NEGLIGIBLE_SEVERITY)).float()
    return Rendered(image, field.clamp(-1.0, 1.0), validity)


def apply_step(image: Tensor, step: Step, reference: Tensor) -> tuple[Tensor, Tensor]:
    """One step on `image` (3, H, W): (image, mask (1, H, W) of where it really acted). Pixels with mask 0 stay
    bit-equal. Image-driven masks look at `reference`, so that all members of a set share them."""
    spec = DISTORTIONS[step.distortion]
    mask = render_mask(step.mask, reference)
    amount = image.new_tensor([step.amount])
    params = {name: image.new_tensor([value]) for name, value in step.params.items()}
    distorted = spec.apply(image[None], amount, params, [torch.Generator().manual_seed(step.seed)])[0]
    if spec.support is not None:
        generators = [torch.Generator().manual_seed(step.seed)]
        mask = mask * spec.support(amount, params, generators, *image.shape[-2:])[0].to(mask)
    blended = torch.where(mask >= 1.0, distorted, image + mask * (distorted - image))
    return torch.where(mask > 0.0, blended, image), mask


def _local_mean(change: Tensor) -> Tensor:
    radius = min(EVIDENCE_WINDOW_PX, min(change.shape[-2:])) // 2
    padded = F.pad(change[None], (radius,) * 4, mode="reflect" if radius < min(change.shape[-2:]) else "replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)[0]
