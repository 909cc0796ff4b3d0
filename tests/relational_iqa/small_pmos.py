"""Small untrained pMOS networks in which nothing is trivially zero."""

from collections.abc import Sequence

import torch
from torch import Tensor

from relational_iqa.networks.backbone import random_weights
from relational_iqa.networks.pmos_head import thumbnail
from relational_iqa.networks.pmos_network import PmosArchitecture, PmosNetwork

TINY = PmosArchitecture(0.1, width=8, deep=8, hidden=8, embedding=4)


@torch.no_grad()
def calibrated(network: PmosNetwork, images: Sequence[Tensor]) -> PmosNetwork:
    """With a random backbone that is scaled on images of one size, and the scales that training would begin with."""
    batch = torch.stack(list(images))
    random_weights(network.encoder.stages, batch, seed=0)
    network.eval().calibrate(network.encoder.see(batch), network.encoder.late(thumbnail(batch)))
    return network


def random_pmos(images: Sequence[Tensor], architecture: PmosArchitecture = TINY, seed: int = 0) -> PmosNetwork:
    """Calibrated, every parameter but those of the backbone random: also those that training starts at zero, so that
    nothing holds only because of an initial value."""
    torch.manual_seed(seed)
    network = PmosNetwork(architecture)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.3 * torch.randn_like(parameter))
            elif not parameter.any():
                parameter.add_(0.1 * torch.randn_like(parameter))
        for part in (network.head.fitted, network.head.fitted_scene):
            part.weight.mul_(0.3)  # they read hundreds of values
    calibrated(network, images)
    return network.requires_grad_(False)
