"""SPIPS weights on disk: one safetensors file with its architecture in the header, and a card beside it. No pickle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.tensor_file import read_tensors, write_tensors
from relational_iqa.weights_io import find_weights

FORMAT = "relational-iqa spips 1"
DEFAULT_WEIGHTS = "spips-small"
NO_OPINIONS = "none"


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
    state, facts, digest = read_tensors(path, FORMAT, "`riqa fit-spips`", unset=("mos_range",))
    try:
        sizes = facts["architecture"]
        network = SpipsNetwork(SpipsArchitecture(**{**sizes, "streams": tuple(sizes["streams"])}))
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        fault = str(error).splitlines()[-1].strip()
        raise UsageError(f"{path}: tensors do not fit the architecture in the header: {fault}") from error
    meta = {"name": path.stem, "path": str(path), "sha256": digest, "opinions": facts.get("opinions", NO_OPINIONS)}
    return network.eval().requires_grad_(False), meta
