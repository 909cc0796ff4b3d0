"""Weights on disk: one safetensors file with its architecture in the header, and a card beside it. No pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, file_sha256
from relational_iqa.networks.blocks import channels_last
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.scoring_network import ScoringNetwork
from relational_iqa.storage.shipped import DEFAULT_WEIGHTS, find_weights
from relational_iqa.storage.tensor_file import open_tensors, ordered, restored

FORMAT = "relational-iqa 2"
MAX_CHANNELS = 512  # a header that asks for more is not ours, and would take the memory before it is found out


@dataclass(frozen=True)
class Architecture:
    """Sizes of the two networks: channels of the trunk at 1/8 resolution, and of the learned encoders."""

    width: int = 96
    encoder_channels: int = 24

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or not 1 <= value <= MAX_CHANNELS:
                raise UsageError(f"architecture {name} is {value!r}, expected a whole number from 1 to {MAX_CHANNELS}")


class Networks(nn.Module):
    """The two networks that belong together; untrained when built."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.distortion = DistortionNetwork(len(AXES), architecture.width, architecture.encoder_channels)
        self.scoring = ScoringNetwork(self.distortion)
        channels_last(self)


def save_weights(path: Path, networks: Networks) -> str:
    """Writes the weights and returns their sha256."""
    header = {
        "format": FORMAT,
        "architecture": json.dumps(asdict(networks.architecture)),
        "axes": ",".join(axis.name for axis in AXES),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in networks.state_dict().items()}
    with atomic_file(path) as file:
        file.write(ordered(save(tensors, header)))
    return file_sha256(path)


def load_weights(source: str | Path | None) -> tuple[Networks, dict[str, Any]]:
    """Networks in eval mode and {"name", "path", "sha256"}.

    source: None for the shipped default, the name of shipped weights, or a path. UsageError names a missing, damaged or
    foreign file.
    """
    path = find_weights(source or DEFAULT_WEIGHTS)
    header, state = open_tensors(path, "`riqa pretrain`")
    if header.get("format") != FORMAT:
        raise UsageError(f"{path}: weights of {header.get('format', 'another program')!r}, expected {FORMAT!r}")
    if header.get("axes") != ",".join(axis.name for axis in AXES):
        raise UsageError(f"{path}: made for other axes ({header.get('axes')}); train again with `riqa pretrain`")
    networks = restored(path, lambda: Networks(Architecture(**json.loads(header["architecture"]))), state)
    return networks, {"name": path.stem, "path": str(path), "sha256": file_sha256(path)}
