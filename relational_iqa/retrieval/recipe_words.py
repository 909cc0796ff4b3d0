"""Recipes as words: "JPEG quality 22 + Gaussian blur sigma 1.1 px"."""

from __future__ import annotations

import re
from collections.abc import Callable

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.recipe import Operation, Recipe, Step, Value

_SPELLED = {
    "jpeg": "JPEG", "jpeg2000": "JPEG 2000", "webp": "WebP", "avif": "AVIF", "jpegxl": "JPEG XL",
    "double_jpeg": "double JPEG", "gaussian_blur": "Gaussian blur", "resize_lanczos": "resize Lanczos",
    "raw_noise": "raw sensor noise", "gamma_up": "gamma correction", "bm3d": "BM3D", "camera": "camera noise",
    "richardson_lucy": "Richardson-Lucy deconvolution", "wiener_deconvolution": "Wiener deconvolution",
    "non_local_means": "non-local means", "back_projection": "back-projection", "neural": "neural network",
}  # fmt: skip
# Units whose number says more as something else. The amount of a catalogue entry rises with damage, words need not.
_UNITS: dict[str, Callable[[float], str]] = {
    "100 - quality": lambda amount: f"quality {_number(100 - amount)}",
    "60 dB - PSNR": lambda amount: f"at {_number(60 - amount)} dB PSNR",
    "1 - gain": lambda amount: f"gain {_number(1 - amount)}",
    "gain - 1": lambda amount: f"gain {_number(1 + amount)}",
    "factor - 1": lambda amount: f"factor {_number(1 + amount)}",
    "block_px - 1": lambda amount: f"blocks of {_number(1 + amount)} px",
    "exponent - 1": lambda amount: f"exponent {_number(1 + amount)}",
    "1 / exponent - 1": lambda amount: f"exponent {_number(1 / (1 + amount))}",
    "code value / 255": lambda amount: f"{_number(255 * amount)} code values",
    "step": lambda amount: f"step {_number(255 * amount)} code values",
    "angle_deg": lambda amount: f"{_number(amount)} degrees",
    "px": lambda amount: f"{_number(amount)} px",
    "stops": lambda amount: f"{_number(amount)} stops",
    "noise / texture": lambda amount: f"{_number(amount)} times the texture",
    "px at corner": lambda amount: f"{_number(amount)} px at the corner",
}
_NEARLY_ALL = 0.95  # of the image: "on 99 % of it" says nothing
_SUFFIXED = re.compile(r"^(?P<what>\w+)_px$")


def describe(recipe: Recipe) -> str:
    """The operations and steps of a recipe in their order, joined by " + "; "no change" for none."""
    return " + ".join([*map(describe_operation, recipe.operations), *map(describe_step, recipe.steps)]) or "no change"


def describe_operation(operation: Operation) -> str:
    """One operation of a restoration output: its name, and its numbers by name."""
    name = name_of(operation.name)
    values = [(key, value) for key, value in operation.params.items() if not isinstance(value, bool)]
    told = [f"{key.removesuffix('_px').replace('_', ' ')} {_told(key, value)}" for key, value in values]
    return f"{name} ({', '.join(told)})" if told else name


def _told(key: str, value: Value) -> str:
    text = value if isinstance(value, str) else _number(value)
    return f"{text} px" if key.endswith("_px") else text


def describe_step(step: Step) -> str:
    """One step: name, amount in words, and how much of the image it touches where that is not all.

    KeyError for a distortion that the catalogue does not have.
    """
    return f"{name_of(step.distortion)} {amount_of(DISTORTIONS[step.distortion].unit, step.amount)}{mask_of(step)}"


def name_of(name: str) -> str:
    """The name of a distortion or operation as it is written in a text."""
    return _SPELLED.get(name, name.replace("_", " "))


def mask_of(step: Step) -> str:
    """How much of the image a step touches, after a space; "" where that is all of it, or nearly."""
    if step.mask.kind == "whole" or step.mask.extent >= _NEARLY_ALL:
        return ""
    return f" on {100 * step.mask.extent:.0f} % of the image"


def amount_of(unit: str, amount: float) -> str:
    """An amount in words, with its unit."""
    if unit in _UNITS:
        return _UNITS[unit](amount)
    if unit.startswith("% of "):
        return f"{_number(amount)} {unit}"
    suffixed = _SUFFIXED.match(unit)
    if suffixed:  # sigma_px, radius_px, length_px
        return f"{suffixed['what']} {_number(amount)} px"
    if unit.endswith(" px"):  # std px
        return f"{unit.removesuffix(' px')} {_number(amount)} px"
    return f"{unit} {_number(amount)}"


def _number(value: float) -> str:
    """Two significant digits, whole numbers from 10 on, without exponent or trailing zeros."""
    if abs(value) >= 10:
        return f"{value:.0f}"
    text = f"{value:.2g}"
    return f"{value:.4f}".rstrip("0").rstrip(".") if "e" in text else text
