"""The two networks of the core, which belong together."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import nn

from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from relational_iqa.networks.blocks import channels_last
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.scoring_network import ScoringNetwork

MAX_CHANNELS = 512  # a header that asks for more is not ours, and would take the memory before it is found out


@dataclass(frozen=True)
class Architecture:
    """Sizes of the two networks.

    Args:
        width: channels of the trunk at 1/8 of the resolution.
        encoder_channels: channels of the learned encoders.

    Raises:
        UsageError: for sizes out of range.
    """

    width: int = 96
    encoder_channels: int = 24

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or not 1 <= value <= MAX_CHANNELS:
                raise UsageError(f"architecture {name} is {value!r}, expected a whole number from 1 to {MAX_CHANNELS}")


class Networks(nn.Module):
    """The distortion network and the scoring network that belongs to it; untrained when built."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.distortion = DistortionNetwork(len(AXES), architecture.width, architecture.encoder_channels)
        self.scoring = ScoringNetwork(self.distortion)
        channels_last(self)
