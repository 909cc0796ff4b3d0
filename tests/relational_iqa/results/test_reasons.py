"""Reasons are told by how much of the lead they hold, they add up, and what speaks against the verdict comes last."""

from dataclasses import replace

import numpy as np
import pytest

from relational_iqa.results.attribution import EXPLAINS, Attribution, box_mean
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.words.findings import Finding

SHAPE = (120, 160)
LEFT, RIGHT = np.s_[:, :80], np.s_[:, 80:]


def area(value: float, where: tuple[slice, slice] = np.s_[:, :]) -> np.ndarray:
    values = np.zeros(SHAPE, np.float32)
    values[where] = value
    return values


def compared(local: np.ndarray, margin: float = 1.0, **maps: np.ndarray) -> Comparison:
    full = {name: Map.from_array(values) for name, values in maps.items()}
    return Comparison(margin, full, Map.from_array(local), Map.from_array(area(1.0)))


def test_the_defect_that_holds_most_of_the_lead_comes_first_though_another_is_stronger():
    # Near the border a defect explains the lead of the other side, too: .8 and .2 would be those of sharp borders.
    result = compared(area(2.0, LEFT) + area(0.5, RIGHT), noise=area(0.3, LEFT), blocking=area(0.8, RIGHT))
    assert [(reason.axis, round(reason.share, 2)) for reason in result.told] == [("noise", 0.77), ("blocking", 0.23)]
    assert result.explained_share == pytest.approx(1.0, abs=0.01)
    assert result.reasons() == "B is noisier (moderate, left side) and blockier (strong, right side)"


def test_a_defect_where_the_better_image_does_not_lead_is_no_reason():
    result = compared(area(1.0, LEFT), noise=area(0.3, LEFT), haze=area(0.9, RIGHT))
    assert [reason.axis for reason in result.told] == ["noise"]


def test_defects_in_one_place_share_its_lead_by_their_strength():
    result = compared(area(1.0), noise=area(0.6), blocking=area(0.2))
    assert [(reason.axis, reason.share) for reason in result.told] == [
        ("noise", pytest.approx(0.75, abs=1e-3)),
        ("blocking", pytest.approx(0.25, abs=1e-3)),
    ]


def test_a_scratch_of_half_a_percent_that_makes_the_verdict_is_named_with_its_box():
    scratch = np.s_[50:58, 40:56]
    result = compared(area(3.0, scratch) + area(0.01), impulse=area(0.7, scratch))
    assert result.told[0].axis == "impulse" and result.told[0].region is not None
    assert result.reasons() == f"B is more specked (strong, {result.told[0].region.box})"
    assert result.told[0].region.left <= 40 and result.told[0].region.left + result.told[0].region.width >= 56


def test_an_image_that_is_off_in_both_directions_has_box_and_place_in_one_clause():
    spot, other = np.s_[16:40, 16:40], np.s_[80:, 100:]
    result = compared(area(6.0, spot) + area(1.0, other), brightness=area(0.5, spot) - area(0.4, other))
    assert result.reasons() == (
        f"B is brighter in {result.regions[0].box} (strong) but darker at the lower right (moderate)"
    )


def test_a_lead_that_nothing_explains_is_told_by_its_box_and_not_by_an_invented_reason():
    block = np.s_[32:56, 64:96]
    alone = compared(area(2.0, block))
    assert alone.told == () and alone.explained_share == 0
    assert alone.reasons() == f"B is worse in a box of {alone.regions[0].box} in a way that has no name"
    beside = compared(area(2.0, block) + area(0.6, np.s_[:16, :20]), noise=area(0.4, np.s_[:16, :20]))
    assert beside.reasons().startswith("B is noisier (moderate, 20 × 16 px at (0, 0)) and worse in a box of ")
    assert beside.explained_share == pytest.approx(0.11, abs=0.02)


def test_reasons_that_hold_less_than_half_of_the_lead_are_said_to_be_a_part():
    some = compared(area(1.0), noise=area(0.4, np.s_[:40, :])).reasons()
    assert some == "B is noisier (moderate, top); that explains less than half of the difference"
    assert compared(area(1.0), noise=area(0.4, np.s_[:80, :])).reasons() == "B is noisier (moderate, mostly top)"


def test_what_speaks_against_the_verdict_comes_last_and_never_on_an_axis_that_was_told():
    result = compared(
        area(1.0), noise=area(0.4, LEFT) - area(0.9, RIGHT), smearing=area(-0.5), haze=area(-0.3), blocking=area(-0.4)
    )
    assert [(reason.axis, reason.against) for reason in result.told] == [
        ("noise", False), ("smearing", True), ("blocking", True)
    ]  # fmt: skip
    assert result.reasons() == (
        "B is noisier (moderate, left side), though A is more smeared (strong, everywhere) and blockier (moderate, "
        "everywhere)"
    )


def test_where_neither_is_better_nothing_is_a_reason_for_a_verdict():
    tie = compared(area(0.01), margin=0.01, noise=area(0.4))
    unsure = replace(compared(area(1.0), noise=area(0.4)), confidence=0.55)
    for result in (tie, unsure):
        assert result.told == () and result.explained_share is None
        assert result.reasons() == "B is noisier (moderate, everywhere)"


def test_the_json_lists_reasons_with_their_shares_and_regions():
    corner = np.s_[:24, :24]
    said = compared(area(2.0, corner), noise=area(0.5, corner)).to_json()
    assert [(row["axis"], row["side"], row["against"]) for row in said["reasons"]] == [("noise", "b", False)]
    assert said["explained_share"] == pytest.approx(1.0, abs=0.01)
    assert said["regions"][0]["axis"] == "noise" and said["regions"][0]["left"] == 0
    assert set(said["regions"][0]) == {
        "left", "top", "width", "height", "share", "margin", "side", "axis", "word", "intensity", "strength"
    }  # fmt: skip


def literal_parts(lead: np.ndarray, strength: np.ndarray, sides: list[str]) -> np.ndarray:
    parts = np.zeros_like(strength)
    for y in range(lead.shape[0]):
        for x in range(lead.shape[1]):
            for side in "ab":
                own = [k for k, one in enumerate(sides) if one == side]
                together = sum(strength[k, y, x] for k in own)
                ahead = max(lead[y, x] if side == "b" else -lead[y, x], 0)
                for k in own:
                    if together > 0:
                        parts[k, y, x] = ahead * min(together / EXPLAINS, 1) * strength[k, y, x] / together
    return parts


def test_parts_of_the_lead_are_those_of_a_slow_literal_version_and_never_more_than_it():
    draw = np.random.default_rng(4)
    lead = draw.normal(size=(7, 9))
    strength = np.maximum(draw.normal(0, 0.1, (3, 7, 9)), 0)
    sides = ["a", "b", "b"]
    findings = tuple(Finding("noise", side, "noisier", 0.2, 0.5, "top") for side in sides)  # type: ignore[arg-type]
    found = Attribution(findings, lead, strength)
    assert np.allclose(found.parts, literal_parts(lead, strength, sides))
    assert (found.parts[1:].sum(0) <= found.against("b") + 1e-12).all()
    assert found.share(0) == pytest.approx(found.parts[0].sum() / np.maximum(-lead, 0).sum(), abs=1e-6)


@pytest.mark.parametrize("side", [1, 3, 7])
def test_means_of_boxes_are_over_what_of_them_is_inside(side: int):
    values = np.random.default_rng(side).normal(size=(6, 8))
    half = side // 2
    expected = [
        [
            values[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1].mean()
            for x in range(8)
        ]
        for y in range(6)
    ]  # fmt: skip
    assert np.allclose(box_mean(values, side), expected)


def test_a_small_place_where_the_better_image_is_plainly_worse_is_told_however_little_it_weighs() -> None:
    spot, noise = np.s_[32:48, 64:80], area(0.3)
    noise[32:48, 64:80] = 0.0
    lost = compared(area(1.0) - area(3.0, spot), noise=noise)
    (box,) = (region.box for region in lost.regions if region.side == "a")
    assert lost.reasons() == f"B is noisier (moderate, everywhere), though A is worse in a box of {box}"
    # With a name where one axis explains it, and silent where A is hardly behind.
    named = compared(area(1.0) - area(3.0, spot), noise=noise, pixelation=-area(0.6, spot))
    assert [(reason.axis, reason.against) for reason in named.told] == [("noise", False), ("pixelation", True)]
    assert named.reasons().endswith(f", though A is more pixelated (strong, {named.told[1].finding.where})")
    hardly = compared(area(1.0) - area(1.4, spot), noise=noise)
    assert hardly.reasons() == "B is noisier (moderate, everywhere)"


def test_a_faint_defect_in_a_small_place_where_the_better_image_leads_all_the_same_is_not_told() -> None:
    spot = np.s_[:40, :40]  # a twelfth of the picture
    faint = compared(area(1.0), noise=area(0.3), pixelation=-area(0.2, spot))
    assert [reason.axis for reason in faint.told] == ["noise"]
    stronger = compared(area(1.0), noise=area(0.3), pixelation=-area(0.3, spot))
    assert [(reason.axis, reason.against) for reason in stronger.told] == [("noise", False), ("pixelation", True)]
    larger = compared(area(1.0), noise=area(0.3), pixelation=-area(0.2, np.s_[:60, :60]))
    assert [reason.axis for reason in larger.told] == ["noise", "pixelation"]
