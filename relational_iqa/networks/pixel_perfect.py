"""The networks of the core, which belong together: distortion network, scoring network and, where the architecture has
one, the judgement of one image with what joins it to the margin of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from relational_iqa.networks.blocks import channels_last
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.joint_margin import JointMargin, LocalPair, PairSums, PairVerdict
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture
from relational_iqa.networks.scoring_network import LocalMargin, ScoringNetwork

MAX_CHANNELS = 512  # a header that asks for more is not ours, and would take the memory before it is found out


@dataclass(frozen=True)
class Architecture:
    """Sizes of the networks.

    Args:
        width: channels of the trunk at 1/8 resolution.
        encoder_channels: channels of the learned encoders.
        judgement: sizes of the judgement of one image; None for a margin without a reference that is the pair scorer's
            alone, without a backbone.
    """

    width: int = 96
    encoder_channels: int = 24
    judgement: JudgementArchitecture | None = None

    def __post_init__(self) -> None:
        for name in ("width", "encoder_channels"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= MAX_CHANNELS:
                raise UsageError(f"architecture {name} is {value!r}, expected a whole number from 1 to {MAX_CHANNELS}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; without the judgement where there is none, as in files of former releases."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Architecture:
        """The inverse of `to_dict`."""
        judged = facts.get("judgement")
        return cls(**{**facts, "judgement": JudgementArchitecture.from_dict(judged) if judged else None})


class Networks(nn.Module):
    """The networks that belong together; untrained when built."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.distortion = DistortionNetwork(len(AXES), architecture.width, architecture.encoder_channels)
        self.scoring = ScoringNetwork(self.distortion)
        self.judgement = None if architecture.judgement is None else Judgement(architecture.judgement)
        self.joint = None if architecture.judgement is None else JointMargin(len(AXES))
        channels_last(self)

    def local_pair(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> LocalPair:
        """Maps, local margin and judgements of pairs without a reference."""
        judged = None
        if self.judgement is not None:
            # In float32 always, one image after the other: then a and b are treated alike to the last bit. Before the
            # rest, whose features would take memory meanwhile.
            with torch.autocast(a.device.type, enabled=False):
                judged = self.judgement(a.float()), self.judgement(b.float())
        relation = self.distortion(a, b)
        local = self.scoring.pair.local(relation)
        margin = LocalMargin(local.margin.float(), local.weight.float(), local.embedding.float())
        return LocalPair(relation.maps.float(), margin, judged)

    def verdict(self, sums: PairSums) -> PairVerdict:
        """Margin, confidence and trust of pooled sums."""
        pair = self.scoring.pair.margin(sums.pair)
        if self.judgement is None or self.joint is None or sums.judged is None:
            return PairVerdict(pair, None, None)
        a, b = (self.judgement.quality(one) for one in sums.judged)
        related = self.judgement.relation(*sums.judged)
        verdict: PairVerdict = self.joint(a, b, related, pair, sums.kinds / sums.share)
        return verdict
