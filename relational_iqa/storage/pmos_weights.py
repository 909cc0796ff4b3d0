"""Weights of pMOS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relational_iqa.networks.pmos_network import PmosArchitecture, PmosNetwork
from relational_iqa.storage.network_format import Facts, NetworkFormat, describe_architecture
from relational_iqa.storage.opinions import NO_OPINIONS


def _build(facts: Facts) -> PmosNetwork:
    # Weights that do not say whether they have fixed statistics were made before there were any.
    return PmosNetwork(PmosArchitecture(**{"statistics": False, **facts["architecture"]}))


FORMAT = NetworkFormat(
    name="relational-iqa pmos 2",
    written_by="pMOS training (`riqa pretrain`, `riqa fit-mos`)",
    shipped="pmos-small",
    describe=describe_architecture,
    build=_build,
)


def save_pmos_weights(path: Path, network: PmosNetwork, opinions: str = NO_OPINIONS) -> str:
    """Writes the weights and returns their sha256; `opinions` says whose scores they were fitted to."""
    return FORMAT.save(path, network, opinions)


def load_pmos_weights(source: str | Path | None = None) -> tuple[PmosNetwork, dict[str, Any]]:
    """See `NetworkFormat.load`; None for the shipped weights."""
    return FORMAT.load(source)
