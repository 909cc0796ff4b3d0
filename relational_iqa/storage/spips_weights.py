"""Weights of SPIPS, those of its backbone among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.storage.network_format import Facts, NetworkFormat, describe_architecture
from relational_iqa.storage.opinions import NO_OPINIONS


def _build(facts: Facts) -> SpipsNetwork:
    sizes = facts["architecture"]
    return SpipsNetwork(SpipsArchitecture(**{**sizes, "streams": tuple(sizes["streams"])}))


FORMAT = NetworkFormat(
    name="relational-iqa spips 1",
    written_by="`riqa fit-spips`",
    shipped="spips-small",
    describe=describe_architecture,
    build=_build,
    unset=("mos_range",),
)


def save_spips_weights(path: Path, network: SpipsNetwork, opinions: str = NO_OPINIONS) -> str:
    """Writes the weights and returns their sha256; `opinions` says whose judgments they were fitted to."""
    return FORMAT.save(path, network, opinions)


def load_spips_weights(source: str | Path | None = None) -> tuple[SpipsNetwork, dict[str, Any]]:
    """See `NetworkFormat.load`; None for the shipped weights."""
    return FORMAT.load(source)
