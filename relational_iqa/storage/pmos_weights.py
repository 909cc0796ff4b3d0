"""pMOS weights on disk: one safetensors file with its architecture in the header, and a card beside it. No pickle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from relational_iqa.networks.pmos_network import PmosArchitecture, PmosNetwork
from relational_iqa.storage.opinions import NO_OPINIONS
from relational_iqa.storage.shipped import find_weights
from relational_iqa.storage.tensor_file import load_network, write_tensors

FORMAT = "relational-iqa pmos 1"
DEFAULT_WEIGHTS = "pmos-small"


def save_pmos_weights(path: Path, network: PmosNetwork, opinions: str = NO_OPINIONS) -> str:
    """Writes the weights and returns their sha256. opinions: whose scores they were fitted to, "none" for nobody's."""
    facts = {"architecture": asdict(network.architecture), "opinions": opinions}
    return write_tensors(path, FORMAT, network.state_dict(), facts)


def load_pmos_weights(source: str | Path | None = None) -> tuple[PmosNetwork, dict[str, Any]]:
    """Network in eval mode and {"name", "path", "sha256", "opinions"}.

    source: None for the shipped default, the name of shipped weights, or a path. UsageError names a missing, damaged or
    foreign file.
    """
    path = find_weights(source or DEFAULT_WEIGHTS)
    network, meta, facts = load_network(
        path,
        FORMAT,
        "pMOS training (`riqa pretrain`, `riqa fit-mos`)",
        lambda facts: PmosNetwork(PmosArchitecture(**facts["architecture"])),
    )
    return network, meta | {"opinions": facts.get("opinions", NO_OPINIONS)}
