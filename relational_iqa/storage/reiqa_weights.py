"""Weights of the two encoders of Re-IQA."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from relational_iqa.networks.reiqa import EncoderSize, ReIQAEncoders, encoder_size
from relational_iqa.networks.resnet import ResNet
from relational_iqa.storage.network_format import Facts, NetworkFormat

_EXPERTS = ("quality", "content")


def _describe(encoders: ReIQAEncoders) -> dict[str, Any]:
    return {expert: asdict(encoder_size(encoders, expert)) for expert in _EXPERTS}


def _build(facts: Facts) -> ReIQAEncoders:
    """Networks of 32 bits, whatever the file holds."""
    sizes = [EncoderSize(**facts[expert]) for expert in _EXPERTS]
    return ReIQAEncoders(*(ResNet(size.depth, size.width) for size in sizes))


FORMAT = NetworkFormat(
    name="reiqa-encoders 1",
    written_by="`riqa fit-reiqa --config`",
    shipped="reiqa-small",
    describe=_describe,
    build=_build,
)


def save_encoders(path: Path, encoders: ReIQAEncoders, half_precision: bool = False) -> str:
    """Writes both encoders and returns the sha256; `half_precision` stores 16-bit floats, which are loaded as 32-bit
    floats."""
    state = {
        name: value.half() if half_precision and value.is_floating_point() else value
        for name, value in encoders.state_dict().items()
    }
    return FORMAT.save(path, encoders, state=state)


def load_encoders(source: str | Path | None = None) -> tuple[ReIQAEncoders, dict[str, Any]]:
    """See `NetworkFormat.load`; None for the shipped weights."""
    return FORMAT.load(source)
