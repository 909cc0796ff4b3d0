"""Fixed local statistics of one image, which distinguish damaged places from sound ones before anything is learned:
energies of bands, cues of luma (flatness, steps, clipping, dark channel), moments, and traces of an 8-pixel block grid.

Classical blind metrics rest on natural-scene statistics of this kind (BRISQUE: Mittal, Moorthy and Bovik, IEEE TIP
2012; NIQE: Mittal, Soundararajan and Bovik, IEEE SPL 2013).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.local_analysis import Analysis, window
from relational_iqa.networks.pair_statistics import comb, log_energy, single_features

REACH_PX = 80
"""No pixel farther away to any side matters."""


class SingleStatistics(nn.Module):
    """(B, 3, H, W) in [0, 1], H and W multiples of 16 -> statistics on the grids of 8 and of 16 px. It has no
    parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.analysis = Analysis()
        fine, coarse = self(torch.zeros(1, 3, 32, 32))
        self.fine_channels: int = fine.shape[1]
        self.coarse_channels: int = coarse.shape[1]

    def forward(
        self, image: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b fine h//8 w//8"], Float[Tensor, "b coarse h//16 w//16"]]:
        found = self.analysis(image)
        fine, coarse = found.fine.square(), found.coarse.square()
        moments = torch.cat([found.means, found.means.square()], 1)
        fine8, cues8, moments8 = window(fine), window(found.cues), window(moments)
        grid = torch.cat([comb(found.right, -1), comb(found.down, -2)], 1)
        return (
            torch.cat([_level(fine8, coarse, cues8, moments8), grid], 1),
            _level(window(fine8), window(coarse), window(cues8), window(moments8)),
        )


def _level(fine: Tensor, coarse: Tensor, cues: Tensor, moments: Tensor) -> Tensor:
    mean, square = moments.chunk(2, 1)
    spread = (square - mean * mean).clamp_min(0)
    return torch.cat([log_energy(fine), log_energy(coarse), single_features(cues), mean, log_energy(spread)], 1)
