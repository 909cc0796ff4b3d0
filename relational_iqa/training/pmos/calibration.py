"""What held-back sets say of trained pMOS: how far its scores are off, and which defects it may name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from relational_iqa.networks.pmos_encoder import StageCells
from relational_iqa.networks.pmos_head import DEFECTS, NEVER, Places, image_mos
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.training.pmos.mos_labels import MosLabels, labels_of
from relational_iqa.training.pmos.stored_cells import StoredCells

COVERAGE = 0.8
"""Share of images whose score lies within the doubt."""
NAMED_RIGHT = 0.98
"""Share of the images of which a defect is named that have it. In ranked sets most images have several defects; where
there is one, words are wrong more often than this says (`experiments/pmos/README.md`)."""
LEAST_SEVERITY = 0.05
"""Mean severity over an image from which it has a defect."""
_LEAST_IMAGES = 8  # that a defect is named of, or it is never named
_MOST_SETS = 200  # of each source


@torch.no_grad()
def calibrate(network: PmosNetwork, stores: Sequence[StoredCells]) -> None:
    """Sets the factor of the doubt such that COVERAGE of the images of these sets are within it, and the severities
    from which defects are named such that NAMED_RIGHT of those named are there."""
    network.eval()
    network.doubt.factor.fill_(1.0)
    ratios, said, true = [], [], []
    for places, scene, labels in _seen(network, stores):
        off = (image_mos(places.maps).cpu() - labels.image_mos[0]).abs()
        ratios.append((off / network.doubt_of(places, scene).cpu()).numpy())
        valid = labels.valid[0].sum((2, 3)).clamp_min(1e-6)
        said.append(places.defects.mean((2, 3)).cpu().numpy())
        true.append(((labels.defects[0] * labels.valid[0]).sum((2, 3)) / valid).numpy())
    network.doubt.factor.fill_(float(np.quantile(np.concatenate(ratios), COVERAGE)))
    levels = named_from(np.concatenate(said), np.concatenate(true))
    network.head.named_from.copy_(torch.from_numpy(levels))


@torch.no_grad()
def calibrate_doubt(network: PmosNetwork, features: Tensor, scene: Tensor, target: Tensor) -> None:
    """Sets the factor of the doubt such that COVERAGE of rated images are within it.

    Args:
        network: whose doubt it is.
        features: (B, C, P, 1), features of P cells of each image.
        scene: (B, E), scene of each image.
        target: (B,), MOS in [1, 5] that people gave.
    """
    network.eval()
    network.doubt.factor.fill_(1.0)
    places = network.head.places(features, scene)
    ratios = (image_mos(places.maps) - target).abs() / network.doubt_of(places, scene)
    network.doubt.factor.copy_(torch.quantile(ratios, COVERAGE))


def named_from(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The severities from which defects are named.

    Args:
        said: (n, DEFECTS) mean severity of each defect of n images, as the maps have it.
        true: (n, DEFECTS) the same by the fields.

    Returns:
        (DEFECTS,) the least severity, at least LEAST_SEVERITY, from which on NAMED_RIGHT of the images have the defect;
            NEVER where there is none.
    """
    levels = np.full(DEFECTS, NEVER, dtype=np.float32)
    for number in range(DEFECTS):
        order = np.argsort(-said[:, number], kind="stable")
        values, right = said[order, number], np.cumsum(true[order, number] >= LEAST_SEVERITY)
        share = right / np.arange(1, len(order) + 1)
        fine = np.flatnonzero((share >= NAMED_RIGHT) & (values >= LEAST_SEVERITY))
        if len(fine) and fine[-1] + 1 >= _LEAST_IMAGES:
            levels[number] = values[fine[-1]]
    return levels


def _seen(network: PmosNetwork, stores: Sequence[StoredCells]) -> Iterator[tuple[Places, Tensor, MosLabels]]:
    device = next(network.parameters()).device  # training leaves it where it was trained
    for store in stores:
        for number in range(min(len(store.sets), _MOST_SETS)):
            scene = network.scene(torch.from_numpy(store.late[number]).to(device))
            cells = StageCells(*(values.to(device) for values in store.cells(number)))
            yield network.places(cells, scene), scene, labels_of(store.sets, np.array([number]))
