"""SPIPS on a small random backbone, for tests."""

import torch
from torch import Tensor

from relational_iqa.networks.backbone import BackboneArchitecture, random_weights
from relational_iqa.networks.spips_stages import StageSpips, StageSpipsArchitecture

SMALL = StageSpipsArchitecture(
    backbone=BackboneArchitecture(width=0.25, taps=(0, 2, 4, 7)), full_taps=2, half_taps=4, hidden=8
)


def small_stage_spips(versions: list[Tensor], architecture: StageSpipsArchitecture = SMALL) -> StageSpips:
    """An untrained network, calibrated on `versions`, with shares that differ from place to place."""
    torch.manual_seed(0)
    network = StageSpips(architecture)
    photos = torch.stack(versions)
    random_weights(network.comparison.backbone, photos, 0)
    network.comparison.calibrate(photos)
    with torch.no_grad():
        for parameter in network.shares.last.parameters():
            parameter.copy_(0.8 * torch.randn_like(parameter))
    network.calibrate(photos[1:], photos[:1])
    return network.eval()
