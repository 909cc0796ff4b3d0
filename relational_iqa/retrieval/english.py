"""Recipes as they are said, "JPEG quality 22 after slight Gaussian blur (sigma 1.1 px)", and how near a pair is."""

from __future__ import annotations

from dataclasses import dataclass

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.recipe import Recipe, Step
from relational_iqa.retrieval.recipe_words import amount_of, describe_operation, mask_of, name_of

# What is done, as a thing that follows "after": the catalogue's names are partly verbs.
_NOUNS = {
    "sharpen": "sharpening", "halo_sharpen": "sharpening with halos", "pixelate": "pixelation", "denoise": "denoising",
    "guided_smooth": "guided smoothing", "brighten": "brightening", "overexpose": "overexposure", "darken": "darkening",
    "mean_shift_up": "shift of the mean upwards", "mean_shift_down": "shift of the mean downwards",
    "contrast_up": "increase of contrast", "contrast_down": "decrease of contrast", "saturate": "saturation",
    "desaturate": "desaturation", "quantize": "quantisation", "quantize_dither": "quantisation with dither",
    "hue_rotate_warm": "turn of hue to warm", "hue_rotate_cool": "turn of hue to cool",
    "white_balance_warm": "white balance to warm", "white_balance_cool": "white balance to cool",
    "tint_green": "green tint", "tint_magenta": "magenta tint",
}  # fmt: skip
# Their number says how strong they are.
_CODECS = frozenset({"jpeg", "double_jpeg", "jpeg2000", "webp", "avif", "jpegxl", "noisy_compression"})
_STRENGTHS = ((0.3, "slight"), (0.65, "moderate"))  # up to this share of the range of a type; "strong" above


@dataclass(frozen=True)
class Nearness:
    """How near a pair of images is to a known one.

    Args:
        up_to: the largest distance, as a share of the distance to a pair of equal images.
        words: what is said.
    """

    up_to: float
    words: str


NEARNESS = (
    Nearness(0.25, "very near"),
    Nearness(0.5, "near"),
    Nearness(0.75, "only roughly"),
    Nearness(float("inf"), "hardly, nothing known is like it"),
)


def nearness(distance: float, length: float) -> str:
    """How near, in words.

    Args:
        distance: of the embeddings of the pair and of the known one, >= 0.
        length: of the embedding of the pair: its distance to a pair of equal images, >= 0.
    """
    share = distance / length if length > 0 else (0.0 if distance == 0 else float("inf"))
    return next(each.words for each in NEARNESS if share <= each.up_to)


def in_english(recipe: Recipe) -> str:
    """What was done, the last first: "JPEG quality 22 after slight Gaussian blur (sigma 1.1 px)", "BM3D (deviation 0.1)
    after white noise (deviation 0.05)"; "no change" for nothing."""
    done = [describe_operation(operation) for operation in recipe.operations] + [_step(step) for step in recipe.steps]
    return " after ".join(reversed(done)) or "no change"


def _step(step: Step) -> str:
    amount = amount_of(DISTORTIONS[step.distortion].unit, step.amount)
    if step.distortion in _CODECS:
        return f"{name_of(step.distortion)} {amount}{mask_of(step)}"
    strength = next((word for limit, word in _STRENGTHS if step.severity <= limit), "strong")
    return f"{strength} {_NOUNS.get(step.distortion, name_of(step.distortion))} ({amount}){mask_of(step)}"
