"""Fixed local statistics of one image, which distinguish damaged places from sound ones before anything is learned.

They are computed on the 1/4, 1/8 and 1/16 grids: energies of the bands, cues of luma (flatness, steps, clipping, dark
channel), moments, and traces of an 8-pixel block grid. Classical blind metrics (BRISQUE, NIQE) rest on natural-scene
statistics of this kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.local_analysis import Analysis, window
from relational_iqa.networks.pair_statistics import comb, log_energy, single_features


@dataclass(frozen=True)
class SingleStatistics:
    """Statistics of one image.

    Args:
        cells4: channels on the 1/4 grid.
        cells8: channels on the 1/8 grid.
        cells16: channels on the 1/16 grid.
        padded: the image with a margin, see `with_margin`.
    """

    cells4: Float[Tensor, "b _ h w"]
    cells8: Float[Tensor, "b _ h//2 w//2"]
    cells16: Float[Tensor, "b _ h//4 w//4"]
    padded: Float[Tensor, "b 3 4*h+4 4*w+4"]


class ImageStatistics(nn.Module):
    """(B, 3, H, W) in [0, 1], H and W multiples of 16 -> SingleStatistics. It has no parameters, and sees 60 px to each
    side."""

    def __init__(self) -> None:
        super().__init__()
        self.analysis = Analysis()
        sizes = self(torch.zeros(1, 3, 32, 32))
        self.channels: dict[str, int] = {
            name: getattr(sizes, name).shape[1] for name in ("cells4", "cells8", "cells16")
        }

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> SingleStatistics:
        found = self.analysis(image)
        fine, coarse = found.fine.square(), found.coarse.square()
        moments = torch.cat([found.means, found.means.square()], 1)
        fine8, cues8, moments8 = window(fine), window(found.cues), window(moments)
        grid = torch.cat([comb(found.right, -1), comb(found.down, -2)], 1)
        wide = _level(window(fine8), window(coarse), window(cues8), window(moments8))
        return SingleStatistics(
            cells4=torch.cat([log_energy(fine), found.means, single_features(found.cues)], 1),
            cells8=torch.cat([_level(fine8, coarse, cues8, moments8), grid], 1),
            cells16=wide,
            padded=found.padded,
        )


def _level(fine: Tensor, coarse: Tensor, cues: Tensor, moments: Tensor) -> Tensor:
    mean, square = moments.chunk(2, 1)
    spread = (square - mean * mean).clamp_min(0)
    return torch.cat([log_energy(fine), log_energy(coarse), single_features(cues), mean, log_energy(spread)], 1)
