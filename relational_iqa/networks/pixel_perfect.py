"""The networks of the core, which belong together: distortion network, scoring network and, where the architecture has
one, the judgement of one image with what joins it to the margin of a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from distortion_engine.jobs.progress import part
from relational_iqa.networks.blocks import channels_last
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.in_parts import CELL_PX, in_parts
from relational_iqa.networks.joint_margin import Findings, JointMargin, JudgedPair, LocalPair, PairSums, PairVerdict
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture
from relational_iqa.networks.local_analysis import STRIDE, pool
from relational_iqa.networks.pair_scorer import LocalMargin
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.networks.reference_joint import Evidence, LocalReferenceQuality, ReferenceJoint, ReferenceSums
from relational_iqa.networks.reference_scorer import LocalQuality
from relational_iqa.networks.scoring_network import ScoringNetwork
from relational_iqa.networks.stage_comparison import compare_stages

_FAINTEST = 1e-12  # severity
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
        self.reference_joint = self._reference_joint()
        channels_last(self)

    def local_pair(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> LocalPair:
        """Maps, local margin and judgements of pairs without a reference."""
        judged = None if self.judgement is None else self.judged_pair(a, b)
        return self.related_pair(a, b, judged)

    def judged_pair(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> JudgedPair:
        """What the judgement says of pairs, the first half of `local_pair`. ValueError where there is no judgement."""
        if self.judgement is None:
            raise ValueError("these networks have no judgement")
        # In float32 always, each image by itself: then a and b are treated alike to the last bit.
        with torch.autocast(a.device.type, enabled=False):
            with part(0.7):
                first, second = self.judgement.moments_of((_whole(a), _whole(b)))
            with part(0.3):
                one, ((other, related),) = self.judgement.pairs_from_moments(first, [second])
            return JudgedPair(one, other, related)

    def related_pair(
        self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], judged: JudgedPair | None = None
    ) -> LocalPair:
        """Maps and local margin of pairs, the second half, with what the first half found."""
        with part(0.7):
            relation = self.distortion(a, b, "pair")
        with part(0.3):
            local = self.scoring.pair.local(relation)
        margin = LocalMargin(_whole(local.margin), _whole(local.weight), _whole(local.embedding))
        return LocalPair(_whole(relation.maps), margin, judged)

    def local_quality(
        self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "b 3 h w"]
    ) -> LocalReferenceQuality:
        """Images against their references before pooling."""
        compared = None if self.judgement is None else self.stages_compared([test], reference)[0]
        return self.joined_quality(*self.scored_quality(test, reference), compared)

    def stages_compared(
        self, tests: Sequence[Float[Tensor, "b 3 h w"]], reference: Float[Tensor, "b 3 h w"]
    ) -> list[Evidence]:
        """What the backbone's stages and the heads of the judgement say of images beside their references, the first
        half of `local_quality`. ValueError where there is no judgement.

        Args:
            tests: the images, any number of each reference, which is seen once.
            reference: their references.
        """
        if self.judgement is None:
            raise ValueError("these networks have no judgement: nothing is to be joined")
        judgement = self.judgement
        with torch.autocast(reference.device.type, enabled=False):
            with part(0.7):
                *seen, other = judgement.see([_whole(test) for test in tests], _whole(reference))
            with part(0.3):
                judged, pairs = judgement.pairs_from_moments(other.moments, [one.moments for one in seen])
            found = []
            for one, (judged_test, related) in zip(seen, pairs, strict=True):
                compared = compare_stages(judgement, one, other)
                worse = JudgedPair(judged, judged_test, related).margins().clamp_min(0) / LEVELS_PER_SEVERITY
                found.append(Evidence(torch.cat([compared.distances, worse], 1), compared.activity))
        return found

    def scored_quality(
        self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b k h//4 w//4"], LocalQuality]:
        """M(reference, test) and what the reference scorer sees, the second half of `local_quality`."""
        (found,) = self.scored_qualities([test], reference)
        return found

    def scored_qualities(
        self, tests: Sequence[Float[Tensor, "b 3 h w"]], reference: Float[Tensor, "b 3 h w"]
    ) -> list[tuple[Float[Tensor, "b k h//4 w//4"], LocalQuality]]:
        """`scored_quality` of several images, with what their reference alone gives computed once. What is known of
        each is kept until all are done."""
        with part(0.7):
            relations = self.distortion.of_each(reference, tests, "reference")
        with part(0.3):
            found = self.scoring.reference.local_of_each(tests, reference, relations)
        pairs = zip(relations, found, strict=True)
        return [
            (_whole(relation.maps), LocalQuality(_whole(local.visibility), _whole(local.weight)))
            for relation, local in pairs
        ]

    def joined_quality(
        self, maps: Float[Tensor, "b k h w"], scorer: LocalQuality, compared: Evidence | None
    ) -> LocalReferenceQuality:
        """Both halves together; without the first one where there is no judgement."""
        if self.reference_joint is None or compared is None:
            return LocalReferenceQuality(maps, scorer)
        with torch.autocast(maps.device.type, enabled=False):
            inputs = (*compared, maps, scorer.visibility, scorer.weight)
            return LocalReferenceQuality(maps, scorer, LocalQuality(*in_parts(self._join_reference, inputs, 1, 0)))

    def quality(self, sums: ReferenceSums) -> Float[Tensor, " b"]:
        """Quality in levels, <= 0, of pooled sums."""
        scorer = self.scoring.reference.quality(sums.scorer)
        if self.reference_joint is None or sums.joined is None:
            return scorer
        return self.reference_joint.quality(scorer, sums.joined)

    def quality_map(self, local: LocalReferenceQuality) -> Float[Tensor, "b 1 h w"]:
        """Quality of an image that looked the same as this place everywhere; <= 0, in levels, on the 1/4 grid."""
        scorer = self.scoring.reference.local_quality(local.scorer)
        if self.reference_joint is None or local.joined is None:
            return scorer
        return self.reference_joint.local_quality(scorer, local.joined)

    def order_confidence(self, first: ReferenceSums, second: ReferenceSums) -> Float[Tensor, " b"] | None:
        """Probability that the order of two qualities is right; None where nothing tells."""
        if self.reference_joint is None:
            return None
        scorer = self.scoring.reference
        found = [(self.quality(sums), scorer.quality(sums.scorer)) for sums in (first, second)]
        return self.reference_joint.confidence(*found)

    def verdict(self, sums: PairSums) -> PairVerdict:
        """Margin, confidence and trust of pooled sums."""
        if self.joint is None:
            return PairVerdict(self.scoring.pair.margin(sums.pair), None, None)
        verdict: PairVerdict = self.joint(self.findings(sums))
        return verdict

    def findings(self, sums: PairSums) -> Findings:
        """What is known of pairs before it is joined. ValueError where there is no judgement."""
        judged = sums.judged
        if self.judgement is None or judged is None:
            raise ValueError("these networks have no judgement: nothing is to be joined")
        return Findings(
            self.judgement.quality(judged.a),
            self.judgement.quality(judged.b),
            self.judgement.relation(judged.a, judged.b),
            judged.related.margin(),
            self.scoring.pair.margin(sums.pair),
            sums.kinds / sums.share,
        )

    def _join_reference(
        self, distances: Tensor, context: Tensor, maps: Tensor, visibility: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        if self.reference_joint is None:
            raise AssertionError("asked only where there is one")
        found = joined_evidence(Evidence(distances, context), maps, LocalQuality(visibility, weight))
        joined = self.reference_joint.local(found)
        return joined.visibility, joined.weight

    def _reference_joint(self) -> ReferenceJoint | None:
        if self.judgement is None:
            return None
        stages = len(self.judgement.stages.strides) + self.judgement.architecture.half_taps
        return ReferenceJoint(self.scoring.reference.groups + 2 * stages + 2, len(AXES) + stages)


def joined_evidence(compared: Evidence, maps: Float[Tensor, "b k _ _"], scorer: LocalQuality) -> Evidence:
    """All that the joint of the mode with a reference learns about.

    Args:
        compared: what `Networks.stages_compared` gives.
        maps: M(reference, test), on the 1/4 grid.
        scorer: what the reference scorer sees, on the 1/4 grid.
    """
    side = CELL_PX // STRIDE
    distances = torch.cat([pool(scorer.visibility, side), compared.distances], 1)
    kinds = pool(maps.abs(), side).clamp_min(_FAINTEST).sqrt()  # the slope of a root is infinite at 0
    return Evidence(distances, torch.cat([kinds, compared.context], 1))


def _whole(x: Tensor) -> Tensor:
    """In float32 where autocast gave less."""
    return x if x.dtype == torch.float64 else x.float()
