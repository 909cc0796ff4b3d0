"""The scoring network: a relational quality score in severity levels, with a reference (`reference_scorer.py`) and
without one (`pair_scorer.py`)."""

from __future__ import annotations

from torch import nn

from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.pair_scorer import PairScorer
from relational_iqa.networks.reference_scorer import ReferenceScorer


class ScoringNetwork(nn.Module):
    """The scorers of both modes, which take the `Relation` that the distortion network found."""

    def __init__(self, distortion: DistortionNetwork) -> None:
        super().__init__()
        axes, channels = distortion.axes, distortion.statistics.channels
        features, odd = distortion.trunk.project.channels, distortion.trunk.odd_width
        self.reference = ReferenceScorer(axes, features, channels)
        self.pair = PairScorer(axes, features, odd, channels, distortion.encoder.out_channels, 2 * features // 3)
