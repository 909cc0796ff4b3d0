"""A verdict that no finding explains gets the faint difference that goes with it, or an honest "none"; never a cause
that the maps do not show."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distortion_engine.catalog import AXES
from relational_iqa.results.comparison import Comparison, Score
from relational_iqa.results.map import Map
from relational_iqa.results.words.fallback_reasons import MIN_PART_OF_ADVANTAGE, find_advantage
from relational_iqa.results.words.findings import MIN_INTENSITY, worth_saying
from relational_iqa.results.words.sentences import UNEXPLAINED

SIZE = 60
LEFT, RIGHT, TOP = np.s_[:, :30], np.s_[:, 30:], np.s_[:20, :]
ALL = np.s_[:, :]


def flat(value: float, area: tuple[slice, slice] = ALL) -> np.ndarray:
    values = np.zeros((SIZE, SIZE), np.float32)
    values[area] = value
    return values


def compare(margin: float, local: np.ndarray | None = None, **maps: np.ndarray) -> Comparison:
    full = {name: Map.from_array(values) for name, values in ({axis.name: flat(0) for axis in AXES} | maps).items()}
    local_margin = Map.from_array(flat(margin) if local is None else local)
    return Comparison(margin, full, local_margin, Map.from_array(flat(1.0)))


def mirrored(comparison: Comparison) -> Comparison:
    maps = {name: -values for name, values in comparison.maps.items()}
    return replace(comparison, margin=-comparison.margin, maps=maps, local_margin=-comparison.local_margin)


def test_where_only_merits_would_be_told_the_faint_defect_of_the_worse_image_is_the_reason():
    assert compare(0.7, noise=flat(0.05), smearing=flat(-0.4)).summary() == (
        "A is clearly better by 0.7 levels: B is noisier (faint, everywhere), "
        "though A is more smeared (moderate, everywhere)."
    )
    told = compare(0.7, noise=flat(0.05), smearing=flat(-0.4)).to_json()["reasons"]
    assert [(row["axis"], row["side"], row["share"], row["against"]) for row in told] == [
        ("noise", "b", 0.0, False), ("smearing", "a", 0.0, True),
    ]  # fmt: skip
    assert compare(0.7, noise=flat(0.05)).summary() == (
        "A is clearly better by 0.7 levels: B is noisier (faint, everywhere)."
    )


@pytest.mark.parametrize(
    ("axis", "value", "word"),
    [("sharpness", -0.05, "blurrier"), ("brightness", -0.05, "darker"),
     ("brightness", 0.05, "brighter"), ("haze", 0.05, "hazier")],
)  # fmt: skip
def test_a_faint_reason_is_told_of_the_worse_image(axis, value, word):
    assert compare(0.7, **{axis: flat(value)}).reasons() == f"B is {word} (faint, everywhere)"


@pytest.mark.parametrize(("axis", "value"), [("sharpness", 0.05), ("noise", -0.05), ("haze", -0.05), ("noise", 0.015)])
def test_what_is_no_defect_of_the_worse_image_or_hardly_there_is_no_reason(axis, value):
    assert compare(0.7, **{axis: flat(value)}).reasons().startswith(UNEXPLAINED)


def test_a_defect_elsewhere_than_the_lead_is_no_reason():
    lead = flat(1.0, LEFT)
    assert compare(0.5, lead, noise=flat(0.05, LEFT)).reasons() == "B is noisier (faint, left side)"
    assert compare(0.5, lead, noise=flat(0.05, RIGHT)).summary() == (
        "A is clearly better by 0.5 levels; no known kind of defect explains that; "
        "it is ahead on 50 % of the picture, on the left side."
    )


def test_a_defect_on_a_small_part_of_the_lead_is_no_reason():
    rows = int(SIZE * MIN_PART_OF_ADVANTAGE)
    enough, less = (flat(0.05, np.s_[:height, :]) for height in (rows + 1, rows - 1))
    assert compare(0.5, blocking=enough).reasons().startswith("B is blockier")
    assert compare(0.5, blocking=less).reasons().startswith(UNEXPLAINED)


def test_without_a_reason_the_sentence_says_so_and_how_far_the_better_image_is_ahead():
    even = flat(1.0, np.s_[:, :24]) + flat(-0.2, np.s_[:3, 30:])
    assert compare(0.4, even, smearing=flat(-0.3)).summary() == (
        "A is slightly better by 0.4 levels; no known kind of defect explains that; it is ahead on 40 % of the "
        "picture, on the left side, and behind on 2 %, though more smeared (moderate, everywhere)."
    )
    assert compare(0.4).summary() == (
        "A is slightly better by 0.4 levels; no known kind of defect explains that; it is ahead everywhere."
    )


def test_a_local_margin_that_does_not_favour_the_better_image_is_not_cited():
    """As with a mask, which the margin follows and the maps do not."""
    for local in (flat(0), flat(-1.0), flat(0.5, TOP) + flat(-0.5, np.s_[30:, :])):
        assert compare(0.4, local).reasons() == UNEXPLAINED
        more = compare(0.4, local, smearing=flat(-0.3)).reasons()
        assert more == f"{UNEXPLAINED}, and it is more smeared (moderate, everywhere)"


def test_of_several_faint_reasons_the_one_that_goes_with_most_of_the_lead_is_told():
    lead = flat(0.2) + flat(1.0, LEFT)
    result = compare(0.7, lead, noise=flat(0.06, LEFT), blocking=flat(0.04), haze=flat(0.03))
    assert result.reasons() == "B is noisier (faint, left side)"


def test_a_finding_that_was_dwarfed_is_told_with_its_own_numbers():
    corner = np.s_[:8, :8]
    result = compare(0.7, flat(1.0, corner), noise=flat(0.3, corner), smearing=flat(-0.9))
    assert [finding.axis for finding in worth_saying(result.findings)] == ["smearing"]
    assert (
        result.reasons()
        == "B is noisier (moderate, 16 × 16 px at (0, 0)), though A is more smeared (strong, everywhere)"
    )


def test_a_faint_defect_is_no_reason_where_the_better_image_has_more_of_it_elsewhere():
    local = flat(1.0, RIGHT) + flat(-0.5, LEFT)
    assert compare(0.3, local, smearing=flat(0.05, RIGHT) + flat(-0.3, LEFT)).reasons() == (
        f"{UNEXPLAINED}, and it is more smeared (moderate, left side)"
    )


def test_findings_that_explain_the_verdict_and_ties_stay_as_they_were():
    assert compare(0.7, noise=flat(0.4), haze=flat(0.05)).reasons() == "B is noisier (moderate, everywhere)"
    assert compare(0.05, haze=flat(0.05)).reasons() == ""
    assert compare(0.05, haze=flat(0.05)).summary().endswith("; no difference stands out.")


def test_a_score_below_the_reference_gives_its_faint_reason_or_says_that_there_is_none():
    def said(**maps: np.ndarray) -> str:
        own = {name: Map.from_array(values) for name, values in maps.items()}
        return Score(-0.3, Map.from_array(flat(-0.3)), dict.fromkeys(maps, 0.0), own, "x.jpg").summary()

    assert said(noise=flat(0.05)) == "x.jpg is 0.3 levels below the reference: noisier (faint, everywhere)."
    assert said(noise=flat(-0.05)) == (
        "x.jpg is 0.3 levels below the reference; no known kind of defect explains that."
    )


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
@settings(max_examples=60)
def test_a_verdict_never_stands_without_a_reason_and_never_with_one_that_the_maps_lack(seed, margin):
    draw = np.random.default_rng(seed)
    maps = {}
    for axis in draw.choice(len(AXES), 4, replace=False):
        coarse = draw.choice([-0.5, -0.06, -0.03, 0.0, 0.03, 0.06], (4, 4))
        maps[AXES[axis].name] = np.kron(coarse, np.ones((15, 15))).astype(np.float32)
    local = np.kron(draw.normal(margin, 1, (4, 4)), np.ones((15, 15))).astype(np.float32)
    result = compare(margin, local, **maps)
    why = result.reasons()
    assert why.startswith(("B is ", UNEXPLAINED))
    if result.faint is not None and result.faint.intensity < MIN_INTENSITY:
        axis = result.faint.axis
        assert why.startswith(f"B is {result.faint.word} ")
        against_b = -maps[axis] if axis == "sharpness" else np.abs(maps[axis]) if axis in TWO_SIDED else maps[axis]
        lead = np.maximum(local, 0)
        assert (lead[against_b > 0]).sum() >= MIN_PART_OF_ADVANTAGE * lead.sum() and (against_b < MIN_INTENSITY).any()
    other = mirrored(result).reasons()
    assert other == why.replace("A", "\0").replace("B", "A").replace("\0", "B")


TWO_SIDED = ("brightness", "contrast", "saturation", "color_cast")


def test_maps_on_the_grid_give_the_same_sentence_and_lead():
    draw = np.random.default_rng(3)
    size = (90, 130)
    grid = {axis.name: draw.uniform(-0.03, 0.07, (23, 33)).astype(np.float32) for axis in AXES[:5]}
    local = Map(draw.normal(0.4, 0.5, (23, 33)).astype(np.float32), size)
    kept = {name: Map(values, size, 1.0) for name, values in grid.items()}
    arrays = {name: Map.from_array(values.full()) for name, values in kept.items()}
    whole = Map.from_array(local.full())
    lazy = Comparison(0.4, kept, local, local)  # the weight plays no part
    full = Comparison(0.4, arrays, whole, whole)
    assert lazy.summary() == full.summary() and lazy.faint is not None
    lead = find_advantage(local, "a")
    assert lead == find_advantage(whole, "a")
    assert lead.ahead == pytest.approx((local.full() >= 0.1).mean()) and lead.behind > 0


@pytest.mark.parametrize(("columns", "is_reason"), [(18, False), (24, True)])
def test_a_faint_defect_needs_a_third_of_the_lead(columns: int, is_reason: bool) -> None:
    """The lead is even, so its share is that of the columns: 0.3 and 0.4."""
    why = compare(0.7, noise=flat(0.05, (slice(None), slice(0, columns)))).reasons()
    assert why.startswith("B is noisier (faint" if is_reason else UNEXPLAINED)
