"""Weights that were trained for fewer axes, carried over to networks that know more of them, to train on from there.

A new axis starts as a copy of the axis that it was split from; training then tells the two apart. The parts that join
scorers and judgement are not carried over: they are always trained anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

SPLIT_FROM: Mapping[str, str] = {"tint": "color_cast", "hue": "color_cast"}
"""New axis -> the axis whose weights it starts with."""


def can_carry_over(axes: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether weights for `axes` can become weights for the axes `wanted`: those keep their order, and every new one
    was split from one that is there."""
    kept = [name for name in wanted if name in axes]
    return kept == list(axes) and all(SPLIT_FROM.get(name) in axes for name in wanted if name not in axes)


def carried_over(
    state: Mapping[str, Tensor], axes: Sequence[str], wanted: Sequence[str], shapes: Mapping[str, Sequence[int]]
) -> dict[str, Tensor]:
    """The weights of distortion network and scoring network for other axes.

    Args:
        state: weights for `axes`.
        axes: names of the axes that they know.
        wanted: names of the axes that the new weights know, see `can_carry_over`.
        shapes: of the new weights, by name.

    Raises:
        ValueError: for weights that differ in more than the number of axes.
    """
    sources = torch.tensor([axes.index(name if name in axes else SPLIT_FROM[name]) for name in wanted])
    carried = dict(state)
    for name, shape in shapes.items():
        value = carried.get(name)
        if value is None or list(value.shape) == list(shape):
            continue
        dim = next(d for d, (old, new) in enumerate(zip(value.shape, shape, strict=True)) if old != new)
        size = value.shape[dim]
        index = torch.arange(size)
        for start in sorted(_starts(name, size, len(axes), state), reverse=True):
            index = torch.cat([index[:start], start + sources, index[start + len(axes) :]])
        if len(index) != shape[dim]:
            raise ValueError(f"{name} is {tuple(value.shape)}, expected {tuple(shape)}: more differs than the axes")
        carried[name] = value.index_select(dim, index)
    return carried


def _starts(name: str, size: int, axes: int, state: Mapping[str, Tensor]) -> list[int]:
    """Where the channels of the axes begin along the dimension of a tensor that depends on their number."""
    match name:
        case "distortion.types.weight" | "distortion.types.bias" | "distortion.sign.weight":
            return [0]
        case "distortion.sign_wide.weight":
            return [0]
        case "scoring.pair.trunk.learned.weight":  # even features, types and "none", what is seen of each image alone
            return [size - state["scoring.pair.alone.0.weight"].shape[0] - axes - 1]
        case "scoring.pair.trunk.odd_learned.weight":  # odd features, maps, what is seen of each image alone
            return [size - state["scoring.pair.alone.0.weight"].shape[0] - axes]
        case "scoring.reference.context.0.weight":  # cues, even features, types and "none", distances with the maps
            distances = state["scoring.reference.gain"].shape[0]
            return [size - distances - axes - 1, size - axes]
        case _ if name.startswith("scoring.reference."):  # distances, of which the maps come last
            return [size - axes]
    raise ValueError(f"{name} is not known to depend on the number of axes")
