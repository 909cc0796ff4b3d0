"""(reference, recipe) -> image, field and validity: the one place where recipes meet pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.distortions.filters import box
from distortion_engine.distortions.threads import one_thread
from distortion_engine.masks import render_mask
from distortion_engine.recipe import Recipe, Step

# A step whose mean change over a neighbourhood stays below this left no evidence: half a code value of 8 bits.
EVIDENCE_THRESHOLD = 0.5 / 255
# Side of that neighbourhood. Smaller than the smallest mask, larger than the gaps in noise.
EVIDENCE_WINDOW_PX = 17
# A lone pixel of sparse noise is evidence around itself when it changes by this much, however little the mean does.
EVIDENCE_OF_ONE_PIXEL = 8 / 255
# Fields weaker than this claim nothing that needs evidence.
_NEGLIGIBLE_SEVERITY = 0.02


@dataclass(frozen=True)
class Rendered:
    """A distorted image with its ground truth.

    Args:
        image: (3, H, W) in [0, 1].
        field: (K, H, W) in [-1, 1], channels in the order of `AXES`: what `measured_field` finds after the operations,
            plus the sum over the steps of sign x severity x mask, clipped at 1.
        validity: (1, H, W) in {0, 1}; 0 where a step claims a severity but changed nothing that can be measured, or
            where operations were applied and the reference has too little structure to measure what they did.
    """

    image: Float[Tensor, "3 h w"]
    field: Float[Tensor, "axes h w"]
    validity: Float[Tensor, "1 h w"]


def render(reference: Float[Tensor, "3 h w"], recipe: Recipe) -> Rendered:
    """Applies the operations, then the steps of `recipe` to `reference` (3, H, W) in [0, 1]; the input is not written.

    Steps run on the device of the reference, operations on the CPU. Raises KeyError for a distortion that the catalog
    does not have and for an unknown operation, UsageError where an operation needs a library that is not installed.
    """
    image = reference
    height, width = reference.shape[-2:]
    field = torch.zeros(len(AXES), height, width, device=reference.device)
    validity = torch.ones(1, height, width, device=reference.device)
    if recipe.operations:
        image, field, validity = (result.to(reference.device) for result in _operated(reference.cpu(), recipe))
    for step in recipe.steps:
        spec = DISTORTIONS[step.distortion]
        before = image
        image, mask = apply_step(image, step, reference)
        claimed = mask * step.severity
        field[AXIS_INDEX[spec.axis]] += spec.sign * claimed[0]
        evidence = _evident((image - before).abs().amax(0, keepdim=True))
        validity *= (evidence | (claimed < _NEGLIGIBLE_SEVERITY)).float()
    return Rendered(image, field.clamp(-1.0, 1.0), validity)


def _operated(reference: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor, Tensor]:
    """Image, measured field and validity after the operations of a recipe."""
    # Imported here: few recipes need SciPy's transforms and the networks.
    from distortion_engine.restoration.measured import measured_field
    from distortion_engine.restoration.operations import apply

    with one_thread():
        image = apply(reference, recipe.operations)
        return image, *measured_field(image, reference)


def apply_step(
    image: Float[Tensor, "3 h w"], step: Step, reference: Float[Tensor, "3 h w"]
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]:
    """One step on `image` (3, H, W): (image, weight (1, H, W) >= 0 by which its severity holds at a pixel). Pixels
    outside the mask stay bit-equal. Image-driven masks look at `reference`, so that all members of a set share them.

    The weight is the mask, times the `support` of a distortion that touches some pixels only, times the `profile`,
    with mean 1 over the frame, of one that is stronger in some places than in others."""
    spec = DISTORTIONS[step.distortion]
    mask = render_mask(step.mask, reference)
    distorted = spec.apply(image, step.amount, torch.Generator().manual_seed(step.seed), **step.params)
    blended = torch.where(mask >= 1.0, distorted, image + mask * (distorted - image))
    result = torch.where(mask > 0.0, blended, image)
    size = image.shape[-2:]
    if spec.support is not None:
        again = torch.Generator().manual_seed(step.seed)
        mask = mask * spec.support(step.amount, again, *size, **step.params).to(mask)
    if spec.profile is not None and step.amount > 0.0:
        mask = mask * spec.profile(step.amount, step.params, *size).to(mask)
    return result, mask


def _evident(change: Tensor) -> Tensor:
    """Where (1, H, W) a change of these sizes can be measured near by: in the mean, or by one clearly wrong pixel."""
    radius = min(EVIDENCE_WINDOW_PX, min(change.shape[-2:])) // 2
    wrong = (change >= EVIDENCE_OF_ONE_PIXEL).to(change.dtype)
    mean, share = box(torch.cat([change, wrong]), radius).split(1)
    evident: Tensor = (mean > EVIDENCE_THRESHOLD) | (share > 0.5 / (2 * radius + 1) ** 2)
    return evident
