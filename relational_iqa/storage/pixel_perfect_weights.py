"""Weights on disk: one safetensors file with its architecture in the header, and a card beside it. No pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from relational_iqa.networks.blocks import channels_last
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.scoring_network import ScoringNetwork
from relational_iqa.storage.tensor_file import open_tensors, ordered, restored

FORMAT = "relational-iqa 2"
DEFAULT_WEIGHTS = "riqa-small"
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
    partial = path.with_name(path.name + ".partial")
    tensors = {name: value.contiguous() for name, value in networks.state_dict().items()}
    partial.write_bytes(ordered(save(tensors, header)))  # not save_file: its files only their owner may read
    partial.replace(path)
    return file_sha256(path)


def load_weights(source: str | Path | None) -> tuple[Networks, dict[str, Any]]:
    """Networks in eval mode and {"name", "path", "sha256"}.

    source: None for the shipped default, the name of shipped weights, or a path. UsageError names a missing, damaged or
    foreign file.
    """
    path = find_weights(source)
    header, state = open_tensors(path, "`riqa pretrain`")
    if header.get("format") != FORMAT:
        raise UsageError(f"{path}: weights of {header.get('format', 'another program')!r}, expected {FORMAT!r}")
    if header.get("axes") != ",".join(axis.name for axis in AXES):
        raise UsageError(f"{path}: made for other axes ({header.get('axes')}); train again with `riqa pretrain`")
    networks = restored(path, lambda: Networks(Architecture(**json.loads(header["architecture"]))), state)
    return networks, {"name": path.stem, "path": str(path), "sha256": file_sha256(path)}


def find_weights(source: str | Path | None) -> Path:
    """The file that `source` means; UsageError where there is none."""
    shipped = Path(str(resources.files("relational_iqa"))) / "weights"
    if source is not None and Path(source).is_file():
        return Path(source)
    path = shipped / f"{source or DEFAULT_WEIGHTS}.safetensors"
    if not path.is_file():
        names = sorted(file.stem for file in shipped.glob("*.safetensors"))
        known = ", ".join(names) or "none are shipped"
        raise UsageError(f"no weights {str(source or DEFAULT_WEIGHTS)!r}: give a file, or one of: {known}")
    return path


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
