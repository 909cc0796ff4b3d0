"""The first weights of a backbone: those of a file, or random ones that are scaled on a few images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch

from distortion_engine.errors import UsageError
from relational_iqa.networks.backbone import EfficientNetLite, random_weights
from relational_iqa.storage.backbone_weights import load_backbone_weights


def fill_backbone(stages: EfficientNetLite, backbone: str, images: Sequence[np.ndarray], seed: int) -> None:
    """Gives the backbone its weights.

    Args:
        stages: the backbone.
        backbone: name or path of weights of the same width and depth; empty for random ones.
        images: (n, 3, S, S) uint8 each, with which random weights are scaled.
        seed: of random weights.

    Raises:
        UsageError: where the weights are those of another network.
    """
    if not backbone:
        random_weights(stages, images_of(images), seed)
        return
    found: EfficientNetLite = load_backbone_weights(backbone)[0]
    ours, theirs = stages.architecture, found.architecture
    if (ours.width, ours.depth) != (theirs.width, theirs.depth) or ours.taps[-1] > theirs.taps[-1]:
        raise UsageError(f"backbone {backbone} is {asdict(theirs)}, the architecture asks for {asdict(ours)}")
    state = found.state_dict()
    stages.load_state_dict({name: state[name] for name in stages.state_dict()})


def images_of(arrays: Sequence[np.ndarray]) -> torch.Tensor:
    """Arrays (n, 3, S, S) uint8 -> one batch of images in [0, 1]."""
    return torch.from_numpy(np.concatenate([np.array(array) for array in arrays])).float() / 255
