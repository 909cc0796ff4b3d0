"""Weights of the backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.storage.network_format import Facts, NetworkFormat, describe_architecture


def _build(facts: Facts) -> EfficientNetLite:
    """JSON has lists where the architecture has tuples."""
    architecture = facts["architecture"]
    return EfficientNetLite(BackboneArchitecture(**{**architecture, "taps": tuple(architecture["taps"])}))


FORMAT = NetworkFormat(
    name="relational-iqa backbone 1",
    written_by="`python -m experiments.backbone.adopt`",
    shipped="backbone-lite0",
    describe=describe_architecture,
    build=_build,
)


def save_backbone_weights(path: Path, network: EfficientNetLite) -> str:
    """Writes the weights in the precision they are in and returns their sha256."""
    return FORMAT.save(path, network)


def load_backbone_weights(source: str | Path | None = None) -> tuple[EfficientNetLite, dict[str, Any]]:
    """See `NetworkFormat.load`; None for the shipped weights. The network is in float32, whatever the file holds."""
    return FORMAT.load(source)
