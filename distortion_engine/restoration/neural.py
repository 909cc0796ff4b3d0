"""Small restoration networks, as they come out of training by this project: denoisers and upscalers.

Residual convolutional networks in the manner of DnCNN (Zhang et al., TIP 2017) and, for enlargement, ESPCN (Shi et al.,
CVPR 2016: convolutions on the small image, then a pixel shuffle). `python -m experiments.restoration.train` trains them
with several losses and keeps each at several stages of its training, from hardly trained to done.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor, nn

from distortion_engine.errors import UsageError

FORMAT = "distortion-engine restoration networks 1"
SHIPPED = Path(__file__).with_name("networks.safetensors")


@dataclass(frozen=True)
class RestorationArchitecture:
    """width: channels. depth: 3x3 convolutions between the first and the last. factor: of enlargement, 1 for none."""

    width: int = 32
    depth: int = 4
    factor: int = 1


class RestorationNetwork(nn.Module):
    """Images (B, 3, H, W) in [0, 1] -> (B, 3, factor H, factor W), not clamped: bicubic enlargement plus a residue."""

    def __init__(self, architecture: RestorationArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        width = architecture.width
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(architecture.depth))
        self.last = nn.Conv2d(width, 3 * architecture.factor**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.first(image - 0.5))
        for convolution in self.body:
            x = x + F.relu(convolution(x))
        return enlarged(image, self.architecture.factor) + F.pixel_shuffle(self.last(x), self.architecture.factor)


def enlarged(image: Tensor, factor: int) -> Tensor:
    """(B, 3, h, w) enlarged by bicubic interpolation; itself for a factor of 1."""
    return image if factor == 1 else F.interpolate(image, scale_factor=factor, mode="bicubic", align_corners=False)


@dataclass(frozen=True)
class TrainedNetwork:
    """One network at one stage of its training.

    Args:
        name: task, loss and step, as in "denoise-l1-500".
        task: "denoise" or "upscale".
        network: with its weights, frozen.
    """

    name: str
    task: str
    network: RestorationNetwork


def write_networks(networks: Mapping[str, tuple[str, RestorationNetwork]]) -> bytes:
    """The content of a file of networks, name -> (task, network), in half precision."""
    from safetensors.torch import save

    tensors = {
        f"{name}/{key}": value.detach().half().contiguous()
        for name, (_, network) in networks.items()
        for key, value in network.state_dict().items()
    }
    about = {name: {"task": task, **asdict(network.architecture)} for name, (task, network) in networks.items()}
    # One entry: the library writes several in an order that differs from run to run.
    return save(tensors, {"about": json.dumps({"format": FORMAT, "networks": about}, sort_keys=True)})


def read_networks(path: Path) -> Mapping[str, TrainedNetwork]:
    """All networks of a file by name, float32, frozen. Raises UsageError where it is missing, damaged or foreign."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("about", "{}"))
            if header.get("format") != FORMAT:
                raise ValueError(f"format {header.get('format')!r}")
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no mapping
        return {name: _built(name, facts, tensors) for name, facts in header["networks"].items()}
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"{path}: no restoration networks ({error}); run python -m experiments.restoration.train"
        ) from error


def _built(name: str, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TrainedNetwork:
    sizes = {key: int(facts[key]) for key in ("width", "depth", "factor")}
    network = RestorationNetwork(RestorationArchitecture(**sizes))
    prefix = f"{name}/"
    network.load_state_dict(
        {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    )
    return TrainedNetwork(name, str(facts["task"]), network.eval().requires_grad_(False))


def restored(image: Tensor, network: RestorationNetwork, strength: float = 1.0) -> Tensor:
    """(3, h, w) through a network, clamped to [0, 1].

    strength: of its correction to the (enlarged) input; 1 is as trained, less leaves damage, more overdoes.
    """
    with torch.inference_mode():
        start = enlarged(image[None], network.architecture.factor)
        result: Tensor = start + strength * (network(image[None]) - start)
    return result[0].clamp(0.0, 1.0).clone()


@functools.cache
def shipped_networks() -> Mapping[str, TrainedNetwork]:
    """The networks that are shipped, by name; none where the file is not there."""
    return read_networks(SHIPPED) if SHIPPED.is_file() else {}


def shipped_hash() -> str:
    """Short hash of the file of shipped networks; "none" where it is not there."""
    return hashlib.sha256(SHIPPED.read_bytes()).hexdigest()[:12] if SHIPPED.is_file() else "none"


def network_names(factor: int) -> tuple[str, ...]:
    """The shipped denoisers for a factor of 1, else the shipped upscalers of this factor."""
    return tuple(
        sorted(name for name, found in shipped_networks().items() if found.network.architecture.factor == factor)
    )


def restored_by_name(image: Float[Tensor, "3 h w"], network: str, strength: float = 1.0) -> Float[Tensor, "3 a b"]:
    """`restored` by the shipped network of this name. Raises UsageError where there is none."""
    networks = shipped_networks()
    if network not in networks:
        there = ", ".join(sorted(networks)) or "none; run python -m experiments.restoration.train"
        raise UsageError(f"restoration network {network!r} is not shipped; there are: {there}")
    return restored(image, networks[network].network, strength)
