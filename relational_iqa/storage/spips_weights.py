"""SPIPS weights on disk: one safetensors file with its architecture in the header, and a card beside it. No pickle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.storage.opinions import NO_OPINIONS
from relational_iqa.storage.shipped import find_weights
from relational_iqa.storage.tensor_file import load_network, write_tensors

FORMAT = "relational-iqa spips 1"
DEFAULT_WEIGHTS = "spips-small"


def save_spips_weights(path: Path, network: SpipsNetwork, opinions: str = NO_OPINIONS) -> str:
    """Writes the weights, the backbone's among them, and returns their sha256. opinions: whose judgments they were
    fitted to, "none" for nobody's."""
    facts = {"architecture": asdict(network.architecture), "opinions": opinions}
    return write_tensors(path, FORMAT, network.state_dict(), facts)


def load_spips_weights(source: str | Path | None = None) -> tuple[SpipsNetwork, dict[str, Any]]:
    """Network in eval mode and {"name", "path", "sha256", "opinions"}.

    source: None for the shipped default, the name of shipped weights, or a path. UsageError names a missing, damaged or
    foreign file.
    """
    path = find_weights(source or DEFAULT_WEIGHTS)
    network, meta, facts = load_network(path, FORMAT, "`riqa fit-spips`", _build, unset=("mos_range",))
    return network, meta | {"opinions": facts.get("opinions", NO_OPINIONS)}


def _build(facts: dict[str, Any]) -> SpipsNetwork:
    sizes = facts["architecture"]
    return SpipsNetwork(SpipsArchitecture(**{**sizes, "streams": tuple(sizes["streams"])}))
