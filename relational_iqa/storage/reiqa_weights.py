"""Weights of the two encoders of Re-IQA."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.networks.moment_encoder import MomentEncoder, MomentSize
from relational_iqa.networks.reiqa import EXPERT_NAMES, EncoderSize, ReIQAEncoders, encoder_size
from relational_iqa.networks.resnet import ResNet
from relational_iqa.storage.network_format import Facts, NetworkFormat

_ONE_BACKBONE = "one_backbone"
_OF_QUALITY, _OF_CONTENT = "quality.backbone.", "content.backbone."


def _describe(encoders: ReIQAEncoders) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name in EXPERT_NAMES:
        encoder = getattr(encoders, name)
        if isinstance(encoder, MomentEncoder):
            facts[name] = {"backbone": asdict(encoder.backbone.architecture), "size": asdict(encoder.size)}
        else:
            facts[name] = asdict(encoder_size(encoder))
    return {**facts, _ONE_BACKBONE: encoders.one_backbone}


def _build(facts: Facts) -> ReIQAEncoders:
    """Networks of 32 bits, whatever the file holds."""
    backbone: EfficientNetLite | None = None
    encoders: list[ResNet | MomentEncoder] = []
    for name in EXPERT_NAMES:
        if "backbone" not in facts[name]:
            size = EncoderSize(**facts[name])
            encoders.append(ResNet(size.depth, size.width))
            continue
        if backbone is None or not facts[_ONE_BACKBONE]:
            backbone = EfficientNetLite(BackboneArchitecture(**_with_tuples(facts[name]["backbone"])))
        encoders.append(MomentEncoder(backbone, MomentSize(**_with_tuples(facts[name]["size"]))))
    return ReIQAEncoders(*encoders)


def _with_tuples(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where the architecture has tuples."""
    return {**sizes, "taps": tuple(sizes["taps"])}


def _adapt(facts: Facts, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A backbone of both encoders is stored once."""
    if not facts.get(_ONE_BACKBONE):
        return tensors
    shared = {name: value for name, value in tensors.items() if name.startswith(_OF_CONTENT)}
    return {**tensors, **{_OF_QUALITY + name.removeprefix(_OF_CONTENT): value for name, value in shared.items()}}


def _former(header: Mapping[str, str]) -> dict[str, Any]:
    """Two ResNets, which are still read."""
    facts: dict[str, Any] = json.loads(header["facts"])
    return {**facts, _ONE_BACKBONE: False}


FORMAT = NetworkFormat(
    name="reiqa-encoders 2",
    written_by="`riqa fit-reiqa --config`",
    shipped="reiqa-small",
    describe=_describe,
    build=_build,
    adapt=_adapt,
    former={"reiqa-encoders 1": _former},
)


def save_encoders(path: Path, encoders: ReIQAEncoders, half_precision: bool = False) -> str:
    """Writes both encoders and returns the sha256; `half_precision` stores 16-bit floats, which are loaded as 32-bit
    floats."""
    state = {
        name: value.half() if half_precision and value.is_floating_point() else value
        for name, value in encoders.state_dict().items()
        if not (encoders.one_backbone and name.startswith(_OF_QUALITY))
    }
    return FORMAT.save(path, encoders, state=state)


def load_encoders(source: str | Path | None = None) -> tuple[ReIQAEncoders, dict[str, Any]]:
    """See `NetworkFormat.load`; None for the shipped weights."""
    return FORMAT.load(source)
