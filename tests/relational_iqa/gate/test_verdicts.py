"""A picture is worse only where margin and confidence say so; a defect is held to its limit."""

import math
from dataclasses import replace
from types import MappingProxyType

import pytest

from relational_iqa.gate.accepted import Accepted, Files, Measured, confidence_below
from relational_iqa.gate.tolerances import Tolerance, Tolerances
from relational_iqa.gate.verdicts import judge

FILES = Files("0" * 64, "1" * 64)


def accepted(margin: float, strengths: dict[str, float] | None = None) -> Accepted:
    return Accepted(FILES, margin, 0.9, strengths or {}, "w")


def literal(margin: float, confidence: float, floor: float) -> float:
    """P(true < floor) of a logistic distribution around the margin, whose part beyond 0 is 1 - confidence: by its
    quantile function and by halving, not by the closed form."""
    sign = 1 if margin > 0 else -1
    low, high = 1e-9, 1e9
    for _ in range(300):  # the scale at which the sign is right with that confidence
        scale = math.sqrt(low * high)
        right = 1 / (1 + math.exp(-sign * margin / scale)) if margin / scale * sign < 700 else 1.0
        low, high = (scale, high) if right > confidence else (low, scale)
    inside = 0.5 + 0.5 * math.tanh((floor - margin) / (2 * scale))
    return inside


@pytest.mark.parametrize("margin", [-1.3, -0.2, 0.4])
@pytest.mark.parametrize("confidence", [0.6, 0.9, 0.99])
@pytest.mark.parametrize("floor", [-0.5, 0.0, 0.3])
def test_the_confidence_beside_an_accepted_margin_is_that_of_a_logistic_error(
    margin: float, confidence: float, floor: float
) -> None:
    assert confidence_below(margin, confidence, floor) == pytest.approx(literal(margin, confidence, floor), abs=1e-6)


def test_beside_no_accepted_margin_it_is_the_confidence_of_the_comparison() -> None:
    assert confidence_below(-0.7, 0.83, 0.0) == pytest.approx(0.83)
    assert confidence_below(0.7, 0.83, 0.0) == pytest.approx(0.17)
    assert confidence_below(-0.7, None, 0.0) is None
    assert confidence_below(-0.7, 1.0, -0.1) < 1  # nothing is certain
    assert [confidence_below(0.0, 0.5, floor) for floor in (-0.1, 0.0, 0.1)] == [0.0, 0.5, 1.0]


def test_beside_a_reference_the_difference_of_two_margins_has_an_error_of_its_own() -> None:
    """Both are distances to one reference: far from it, they are no less sure of their order."""
    assert confidence_below(-3.0, 0.9999, -2.4, 0.1) == pytest.approx(1 / (1 + math.exp(-6)))
    assert confidence_below(-3.0, 0.9999, 0.0, 0.1) == pytest.approx(0.9999)
    far = Measured(-3.0, 0.9999, scale=0.1)
    assert judge(far, accepted(-2.4), Tolerance(), "R").status == "failed"
    assert judge(Measured(-3.0, 0.9999), accepted(-2.4), Tolerance(), "R").status == "undecided"
    assert judge(far, accepted(-2.88), Tolerance(), "R").status == "undecided"


@pytest.mark.parametrize(
    ("margin", "confidence", "status"),
    [
        (0.4, 0.99, "passed"),
        (-0.09, 0.99, "passed"),
        (-0.3, 0.95, "failed"),
        (-0.3, 0.79, "undecided"),
        (-0.3, None, "failed"),  # weights that know no confidence: the margin alone decides
        (0.0, None, "passed"),
    ],
)
def test_worse_by_more_than_the_tolerance_and_surely_enough_fails(
    margin: float, confidence: float | None, status: str
) -> None:
    assert judge(Measured(margin, confidence), None, Tolerance(), "OLD").status == status


def test_the_reason_has_the_numbers_and_an_undecided_picture_says_so() -> None:
    (failed,) = judge(Measured(-0.3, 0.95), None, Tolerance(margin=0.2), "OLD").problems
    assert failed == "0.3 levels worse than OLD (allowed: 0.2, 95 % sure)"
    (open_,) = judge(Measured(-0.3, 0.7), None, Tolerance(), "OLD").problems
    assert judge(Measured(-0.22, 0.95), None, Tolerance(margin=0.2), "OLD").problems[0].startswith("0.22 levels worse")
    assert open_ == "cannot tell whether it is 0.3 levels worse than OLD (allowed: 0.1, 70 % sure, needed: 80 %)"
    assert judge(Measured(-0.3, 0.7), None, Tolerance(fail_undecided=True), "OLD").status == "failed"


def test_an_accepted_margin_is_the_one_that_counts() -> None:
    assert judge(Measured(-0.45, 0.99), accepted(-0.4), Tolerance(), "OLD").status == "passed"
    assert judge(Measured(-1.4, 0.99), accepted(-0.4), Tolerance(), "OLD").status == "failed"
    (reason,) = judge(Measured(0.1, 0.99), accepted(0.9), Tolerance(), "OLD").problems
    assert reason.startswith("0.8 levels worse than the accepted state")


def test_a_defect_stronger_than_allowed_fails_whatever_the_margin() -> None:
    limited = Tolerance(strength={"blocking": 0.3})
    blocky = Measured(0.5, 0.99, {"blocking": 0.41, "noise": 0.9}, {"blocking": "blockier", "noise": "noisier"})
    verdict = judge(blocky, None, limited, "OLD")
    assert (verdict.status, verdict.problems) == ("failed", ("blockier than OLD: blocking 0.41 (allowed: 0.3)",))
    assert judge(blocky, accepted(0.5, {"blocking": 0.4}), limited, "OLD").status == "passed"
    assert judge(blocky, accepted(0.5, {"blocking": 0.35}), limited, "OLD").status == "failed"
    assert judge(blocky, accepted(0.5, {"blocking": 0.1}), limited, "OLD").status == "failed"


def test_a_small_region_is_held_to_its_limit_whatever_the_margin() -> None:
    spot = Measured(-0.05, 0.6, region=1.37, place="112 × 88 px at (112, 96)")
    assert judge(spot, None, Tolerance(), "OLD").status == "passed"
    verdict = judge(spot, None, Tolerance(region=1.0), "OLD")
    said = "1.4 levels worse than OLD in a region of 112 × 88 px at (112, 96) (allowed: 1)"
    assert (verdict.status, verdict.problems) == ("failed", (said,))
    known = replace(accepted(-0.05), region=1.3)
    assert judge(spot, known, Tolerance(region=1.0), "OLD").status == "passed"
    assert judge(replace(spot, region=1.5), known, Tolerance(region=1.0), "OLD").status == "failed"


def test_without_an_accepted_state_a_picture_beside_its_reference_fails() -> None:
    verdict = judge(Measured(-0.01, 0.6), None, Tolerance(), "R", "has no accepted state")
    assert verdict.status == "failed" and verdict.problems[0].startswith("has no accepted state")


def test_patterns_replace_values_in_their_order() -> None:
    patterns = (("night/*", {"margin": 0.3, "strength": {"noise": 0.5}}), ("night/x*", {"margin": 0.6}))
    everywhere = Tolerance(strength=MappingProxyType({"blocking": 0.2}))
    of = Tolerances(everywhere, patterns).of
    assert of("day/a") == everywhere
    assert of("night/deep/a").margin == 0.3 and of("night/x1").margin == 0.6
    assert of("night/x1").strength == {"blocking": 0.2, "noise": 0.5}
    assert of("Night/x1") == everywhere
