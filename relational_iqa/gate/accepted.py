"""What was accepted of a picture, as numbers and hashes of the files; and what is measured of a new one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relational_iqa.results.comparison import Comparison

DIGITS = 3
"""Decimals of numbers that are accepted: far below every tolerance, and equal on all processors but for ties."""


@dataclass(frozen=True)
class Files:
    """sha256 of the files of a picture, in hexadecimal.

    Args:
        new: the output that is judged; "" for one that is there no more.
        against: what it was compared with, the output of the former version; "" for none.
        reference: the pristine image; "" for none.
    """

    new: str
    against: str = ""
    reference: str = ""

    @property
    def others(self) -> tuple[str, str]:
        """All but the new one: where they are equal, numbers of two runs can be compared."""
        return self.against, self.reference


@dataclass(frozen=True)
class Measured:
    """What a comparison says of a new picture.

    Args:
        margin: levels, positive where the new picture is better; 0 where nothing that differs is visible.
        confidence: probability that the sign of the margin is right, .5 to 1; None where it is unknown.
        strengths: axis -> strength of the new picture's strongest defect there, 0 to 1; only those that matter.
        words: axis -> that defect as a comparative, as in "blockier".
        sentence: the verdict with its reasons.
        scale: levels, of the error of a margin beside another one; None where only the confidence tells.
        region: levels by which it is worse in the small region in which it is worst, 0 where there is none.
        place: that region in words.
    """

    margin: float
    confidence: float | None
    strengths: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    scale: float | None = None
    region: float = 0.0
    place: str = ""

    @classmethod
    def of(cls, result: "Comparison") -> "Measured":
        """Of a comparison whose first image is the new picture."""
        from relational_iqa.results.words.sentences import SMALL  # not before a picture is compared

        strengths: dict[str, float] = {}
        words: dict[str, str] = {}
        for finding in result.defects:
            if finding.side == "a" and finding.intensity > strengths.get(finding.axis, 0.0):
                strengths[finding.axis], words[finding.axis] = finding.intensity, finding.word
        margin = 0.0 if result.looks_the_same else result.margin
        scale = ORDER_SCALE if result.has_reference else None
        small = [one for one in result.regions if one.side == "a" and one.part_of(result.shape) <= SMALL]
        worst = min(small, key=lambda one: one.margin, default=None)
        region, place = (0.0, "") if worst is None else (max(0.0, -worst.margin), worst.box)
        return cls(margin, result.confidence, strengths, words, result.summary(), scale, region, place)


@dataclass(frozen=True)
class Accepted:
    """The accepted state of a picture.

    Args:
        files: hashes.
        margin: levels, as of `Measured`; None for a picture that was compared with nothing.
        confidence: as of `Measured`.
        strengths: as of `Measured`.
        weights: what the numbers were measured with.
        region: as of `Measured`.
    """

    files: Files
    margin: float | None = None
    confidence: float | None = None
    strengths: Mapping[str, float] = field(default_factory=dict)
    weights: str = ""
    region: float = 0.0

    @classmethod
    def of(cls, files: Files, measured: Measured | None, weights: str) -> "Accepted":
        """What a file of accepted states says of a picture."""
        if measured is None:
            return cls(files)
        confidence = None if measured.confidence is None else round(measured.confidence, DIGITS)
        strengths = {name: round(value, DIGITS) for name, value in sorted(measured.strengths.items())}
        region = round(measured.region, DIGITS)
        return cls(files, round(measured.margin, DIGITS) + 0.0, confidence, strengths, weights, region)

    def measures(self, files: Files, weights: str) -> bool:
        """Whether its numbers can be compared with those of a new picture: the same other files, the same weights."""
        return self.margin is not None and self.files.others == files.others and self.weights == weights


def weights_said(meta: Mapping[str, Any]) -> str:
    """Name and hash of the weights of a model: "riqa-judged 1a2b3c4d"."""
    return f"{meta.get('name', 'weights')} {str(meta.get('sha256', ''))[:8]}".strip()


MOST_SURE = 0.995  # odds of a confidence of 1 are infinite
ORDER_SCALE = 0.1
"""Levels: with a reference, the scale of the error of the difference between two margins. Margins are differences of
distances to one reference, so their difference is as sure as the order of two outputs, of which the networks know how
sure it is: a scale of 0.05 to 0.08 (`python -m experiments.gate.order_scale`)."""


def confidence_below(margin: float, confidence: float | None, floor: float, scale: float | None = None) -> float | None:
    """Probability that the true margin is below `floor`, from the confidence in the sign of the measured one.

    The error of a margin m is taken to be logistic, with the scale s at which the probability of the other sign is
    1 - confidence: logit(confidence) = |m| / s. Then P(true < floor) = 1 / (1 + exp(-(floor - m) / s)). For floor 0
    that is the confidence itself where m is negative, and 1 - confidence where it is positive. Where the scale is
    known, it is taken in place of that one.

    Args:
        margin: levels.
        confidence: that its sign is right, .5 to 1; None where it is unknown, and so is the answer.
        floor: levels.
        scale: of the error of `margin` beside a floor that is not 0, levels; None where the confidence gives it.
    """
    if confidence is None:
        return None
    if scale is not None and floor != 0:
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, (floor - margin) / scale))))
    if margin == 0:  # equal, or the same to the eye
        return 1.0 if floor > 0 else 0.0 if floor < 0 else 0.5
    if floor == 0:
        return confidence if margin < 0 else 1 - confidence
    sure = min(confidence, MOST_SURE)
    exponent = math.log(sure / (1 - sure)) * (floor - margin) / abs(margin)
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, exponent))))
