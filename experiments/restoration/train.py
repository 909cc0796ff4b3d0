"""Trains the restoration networks of the engine: `python -m experiments.restoration.train --photos ../shared/photos`.

Losses: `l1`; `perceptual`, l1 plus the distance of early stages of the shipped backbone (Johnson et al., ECCV 2016);
`adversarial`, that plus a hinge loss against a small patch discriminator (Isola et al., CVPR 2017). A network that was
trained before lies in the folder of the run and is not trained again, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, file_sha256
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.reading.photos import list_photos
from distortion_engine.restoration.neural import (
    RestorationArchitecture,
    RestorationNetwork,
    read_networks,
    write_networks,
)
from distortion_engine.restoration.operations import apply
from distortion_engine.restoration.sampling import sample_noise, sample_shrinking
from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.storage.backbone_weights import load_backbone_weights
from relational_iqa.training.loop.runs import git_commit

CONFIG = Path(__file__).with_name("networks.yaml")
TASKS = ("denoise", "upscale")
LOSSES = ("l1", "perceptual", "adversarial")
PERCEPTUAL_WEIGHT = 0.02  # the stages are normalised to unit variance, and an l1 distance of images is about .02
ADVERSARIAL_WEIGHT = 0.005
PERCEPTUAL_TAPS = (0, 2, 4)


@dataclass(frozen=True)
class NetworkPlan:
    """One network of a config.

    Args:
        name: of the network; the step of a snapshot is added to it.
        task: "denoise" or "upscale".
        loss: "l1", "perceptual" or "adversarial".
        width: see `RestorationArchitecture`.
        depth: see `RestorationArchitecture`.
        snapshots: steps after which the network is kept; the last ends its training.
        factor: of an upscaler.
    """

    name: str
    task: str
    loss: str
    width: int
    depth: int
    snapshots: tuple[int, ...]
    factor: int = 1

    def __post_init__(self) -> None:
        if self.task not in TASKS or self.loss not in LOSSES or (self.task == "upscale") != (self.factor > 1):
            raise UsageError(
                f"network {self.name}: task {self.task}, loss {self.loss}, factor {self.factor} do not fit"
            )


@dataclass(frozen=True)
class TrainingPlan:
    """A whole config.

    Args:
        batch_size: crops of a batch.
        crop_px: side of the clean crops, rounded down to a multiple of 12.
        learning_rate: of all networks.
        seed: with the name of a network and the step, decides what is drawn.
        networks: what is trained.
    """

    batch_size: int
    crop_px: int
    learning_rate: float
    seed: int
    networks: tuple[NetworkPlan, ...]


def read_plan(path: Path) -> TrainingPlan:
    """The config in a YAML file; UsageError where it does not fit."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        networks = tuple(
            NetworkPlan(**{**row, "snapshots": tuple(row["snapshots"])}) for row in content.pop("networks")
        )
        return TrainingPlan(**content, networks=networks)
    except (OSError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: no config of restoration networks ({error})") from error


def batches(photos: Sequence[np.ndarray], plan: TrainingPlan, network: NetworkPlan) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (damaged, clean) batches; batch n is a function of (seed, name, n)."""
    side = plan.crop_px // 12 * 12
    for step in range(1 << 62):
        rng = np.random.default_rng([plan.seed, step, *network.name.encode()])
        pairs = []
        for _ in range(plan.batch_size):
            photo = photos[int(rng.integers(len(photos)))]
            top, left = (int(rng.integers(size - side + 1)) for size in photo.shape[:2])
            clean = torch.from_numpy(photo[top : top + side, left : left + side].copy()).permute(2, 0, 1).float() / 255
            if network.task == "denoise":
                pairs.append((apply(clean, sample_noise(rng).operations), clean))
            else:
                shrunk = sample_shrinking(rng, network.factor)
                pairs.append((apply(clean, shrunk.operations, whole=False), clean))
        damaged, clean = zip(*pairs, strict=True)
        yield torch.stack(damaged), torch.stack(clean)


class Discriminator(nn.Module):
    """Tells patches of 15 px of restored images from those of photographs: (B, 3, H, W) -> (B, 1, H / 4, W / 4)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = [(3, width, 2), (width, 2 * width, 2), (2 * width, 2 * width, 1), (2 * width, 1, 1)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=stride, padding=1) for a, b, stride in sizes)

    def forward(self, image: Tensor) -> Tensor:
        x = image - 0.5
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), 0.2)
        result: Tensor = self.layers[-1](x)
        return result


def perceptual_distance(backbone: EfficientNetLite, image: Tensor, reference: Tensor) -> Tensor:
    """Mean l1 distance of the early stages, each channel over its standard deviation in the reference."""
    distances = []
    for ours, theirs in zip(backbone(image), backbone(reference), strict=True):
        spread = theirs.std((0, 2, 3), keepdim=True).clamp_min(1e-3)
        distances.append(((ours - theirs) / spread).abs().mean())
    return torch.stack(distances).mean()


def train_network(
    photos: Sequence[np.ndarray], plan: TrainingPlan, network: NetworkPlan, say: Callable[[str], None]
) -> dict[int, RestorationNetwork]:
    """Snapshots by step."""
    torch.manual_seed(plan.seed)
    model = RestorationNetwork(RestorationArchitecture(network.width, network.depth, network.factor))
    optimizer = torch.optim.Adam(model.parameters(), plan.learning_rate)
    last = network.snapshots[-1]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, last, plan.learning_rate / 20)
    critic = Discriminator()
    critic_optimizer = torch.optim.Adam(critic.parameters(), plan.learning_rate / 2, betas=(0.5, 0.99))
    backbone = _early_stages() if network.loss != "l1" else None
    kept: dict[int, RestorationNetwork] = {}
    for step, (damaged, clean) in enumerate(batches(photos, plan, network), start=1):
        output = model(damaged)
        loss = F.l1_loss(output, clean)
        if backbone is not None:
            loss = loss + PERCEPTUAL_WEIGHT * perceptual_distance(backbone, output, clean)
        if network.loss == "adversarial":
            critic_loss = F.relu(1 - critic(clean)).mean() + F.relu(1 + critic(output.detach())).mean()
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
            loss = loss - ADVERSARIAL_WEIGHT * critic(output).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step in network.snapshots:
            kept[step] = copy.deepcopy(model).eval()
            gain = F.mse_loss(output.clamp(0, 1), clean).detach()
            say(f"{network.name} step {step}: {-10 * torch.log10(gain):.2f} dB on its batch")
        if step == last:
            return kept
    raise AssertionError("batches are endless")


def _early_stages() -> EfficientNetLite:
    whole, _ = load_backbone_weights()
    early = EfficientNetLite(BackboneArchitecture(taps=PERCEPTUAL_TAPS))
    early.load_state_dict({name: value for name, value in whole.state_dict().items() if name in early.state_dict()})
    return early.eval().requires_grad_(False)


def train_all(
    photos_folder: Path, plan: TrainingPlan, run: Path, out: Path, config_text: str, split: str
) -> dict[str, Any]:
    """Trains what `run` does not hold yet, writes all networks to `out` with a card, and returns the card."""
    start = time.monotonic()
    run.mkdir(parents=True, exist_ok=True)
    files = list_photos(photos_folder, split)
    photos = [to_uint8(load_image(file)) for file in files]
    trained: dict[str, tuple[str, RestorationNetwork]] = {}
    for network in plan.networks:
        path = run / f"{network.name}.safetensors"
        if not path.exists():
            kept = train_network(photos, plan, network, lambda line: print(line, file=sys.stderr, flush=True))
            with atomic_file(path) as stream:
                stream.write(write_networks({f"{network.name}-{step}": (network.task, kept[step]) for step in kept}))
        trained |= {name: (found.task, found.network) for name, found in read_networks(path).items()}
    with atomic_file(out) as stream:
        stream.write(write_networks(trained))
    card = {
        "name": out.stem,
        "sha256": file_sha256(out),
        "licence": "Apache-2.0 (weights); photographs under the licences in their manifest",
        "data": f"{len(photos)} photographs (split {split!r}); perceptual losses use backbone-lite0; no human score",
        "command": "python -m experiments.restoration.train, with the config below",
        "config": yaml.safe_load(config_text),
        "git_commit": git_commit(),
        "seconds": round(time.monotonic() - start),
        "networks": {name: sum(p.numel() for p in network.parameters()) for name, (_, network) in trained.items()},
    }
    with atomic_file(out.with_suffix(".json")) as stream:
        stream.write((json.dumps(card, indent=1) + "\n").encode())
    return card


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains and writes; exit code 0, or 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="python -m experiments.restoration.train", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of pristine photographs")
    parser.add_argument("--split", default="train", help="train, held_out or all")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--run", type=Path, default=Path("runs/restoration"), help="what is trained is kept here")
    parser.add_argument("--out", type=Path, default=Path("runs/restoration/networks.safetensors"), help="file")
    options = parser.parse_args(arguments)
    try:
        plan = read_plan(options.config)
        text = options.config.read_text(encoding="utf-8")
        card = train_all(options.photos, plan, options.run, options.out, text, options.split)
    except UsageError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    print(f"{len(card['networks'])} networks: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
