"""Sentences name an axis once, also where it differs in both directions, and never contradict themselves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distortion_engine.catalog import AXES
from relational_iqa.results.comparison import Comparison, Score
from relational_iqa.results.map import Map
from relational_iqa.results.regions import UNNAMED, Region
from relational_iqa.results.words.findings import Finding, find
from relational_iqa.results.words.margins import TIE_MARGIN
from relational_iqa.results.words.sentences import remarks, undecided_reasons

SIZE = 60
WORDS = {axis.name: (axis.more, axis.less, "oversharpened") for axis in AXES}


def smeared(side: str, where: str, intensity: float = 0.2, share: float = 0.4) -> Finding:
    value = intensity if side == "b" else -intensity
    return Finding("smearing", side, "more smeared", value, share, where)


def said(*findings: Finding) -> str:
    return undecided_reasons(findings, ("A", "B"))


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ("middle", "top", "B is more smeared in the middle (faint) and A at the top (faint)"),
        ("left side", "mostly top", "B is more smeared on the left side (faint) and A mostly at the top (faint)"),
        ("in scattered places", "in scattered places", ""),
        ("everywhere", "in scattered places", ""),
        ("in scattered places", "everywhere", ""),
        ("everywhere", "upper left", "B is more smeared in most places (faint) and A at the upper left (faint)"),
        ("centre", "everywhere", "B is more smeared in the centre (faint) and A elsewhere (faint)"),
        ("top", "mostly top", "B is more smeared in some places at the top (faint) and A in others (faint)"),
    ],
)  # fmt: skip
def test_an_axis_that_differs_in_both_directions_is_told_once_with_two_places_or_not_at_all(first, second, sentence):
    assert said(smeared("b", first, share=0.5), smeared("a", second)) == sentence


def test_a_remark_of_both_images_stands_beside_those_of_one():
    noise = Finding("noise", "a", "noisier", -0.4, 0.1, "top centre")
    blocks = Finding("blocking", "b", "blockier", 0.3, 0.1, "bottom")
    both = (smeared("b", "everywhere"), smeared("a", "top", share=0.3))
    assert said(*both, noise, blocks) == (
        "B is more smeared in most places (faint) and A at the top (faint); B is blockier (moderate, bottom); "
        "A is noisier (moderate, top centre)"
    )


def test_a_remark_of_both_images_begins_with_the_more_salient_finding():
    pair = (smeared("b", "everywhere", 0.5, 0.5), smeared("a", "top", 0.3))
    assert said(*pair) == "B is more smeared in most places (strong) and A at the top (moderate)"
    noise = Finding("noise", "a", "noisier", -0.6, 0.9, "everywhere")
    assert said(noise, *pair) == (
        "A is noisier (strong, everywhere); A is more smeared at the top (moderate) and B elsewhere (strong)"
    )


def region(side: str, axis: str | None, left: int = 0) -> Region:
    words = {"noise": "noisier", "smearing": "more smeared"}
    return Region(left, 8, 20, 16, 0.3, 2.0 if side == "b" else -2.0, side, axis, words.get(axis, UNNAMED), 0.6)


@pytest.mark.parametrize(
    ("findings", "regions", "sentence"),
    [
        ([], [region("b", None)], "B is worse in a box of 20 × 16 px at (0, 8) in a way that has no name"),
        ([], [region("a", "noise")], "A is noisier (strong, 20 × 16 px at (0, 8))"),
        (
            [smeared("b", "everywhere")], [region("a", "noise"), region("b", None, 40), region("b", None, 70)],
            "B is more smeared (faint, everywhere), worse in a box of 20 × 16 px at (40, 8) in a way that has no name "
            "and worse in a box of 20 × 16 px at (70, 8) in a way that has no name; "
            "A is noisier (strong, 20 × 16 px at (0, 8))",
        ),
        (  # the same axis all over the picture: the box is worse still
            [smeared("b", "everywhere")], [region("b", "smearing")],
            "B is more smeared (faint, everywhere) and worse in a box of 20 × 16 px at (0, 8)",
        ),
        (  # a small finding is the box
            [smeared("b", "lower left", share=0.05)], [region("b", "smearing")],
            "B is more smeared (strong, 20 × 16 px at (0, 8))",
        ),
    ],
)  # fmt: skip
def test_where_neither_image_is_better_boxes_in_which_one_is_plainly_worse_are_told(findings, regions, sentence):
    assert undecided_reasons(findings, ("A", "B"), regions) == sentence


def test_an_undecided_answer_names_a_small_box_that_is_levels_worse_and_no_faint_one():
    def undecided(levels: float) -> Comparison:
        local = np.full((SIZE, SIZE), 0.05, np.float32)
        local[8:24, 8:24] = -levels
        flat = {"noise": Map.from_array(np.zeros((SIZE, SIZE)))}
        return Comparison(0.02, flat, Map.from_array(local), Map.from_array(np.ones((SIZE, SIZE))), confidence=0.55)

    told = undecided(3.0).summary()
    assert told.startswith("Cannot tell which of A and B is better (A at 55 %, margin 0.02 levels): A is worse in a ")
    assert told.endswith("in a way that has no name.")
    assert "box" not in undecided(0.5).summary()


def test_where_one_image_is_better_an_axis_is_told_of_the_worse_one_alone():
    """Noise all over both, more of it in A, which is the worse one: "noisier in some places and B in others" would say
    nothing."""
    rows = np.zeros((SIZE, SIZE), np.float32)
    rows[::2], rows[1::2] = -0.5, 0.4
    local = Map.from_array(np.where(rows < 0, -2.0, 1.0))
    result = Comparison(-0.9, {"noise": Map.from_array(rows)}, local, Map.from_array(np.ones((SIZE, SIZE))))
    assert result.reasons() == "A is noisier (strong, everywhere)"


def test_one_image_that_is_off_in_both_directions_is_told_so_in_one_clause():
    left, right = np.zeros((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), np.float32)
    left[:, :30], right[:, 30:] = 0.5, -0.3
    maps = {"brightness": Map.from_array(left + right)}
    worse = Map.from_array(np.full((SIZE, SIZE), 1.0))
    assert Comparison(1.0, maps, worse, worse).reasons() == (
        "B is brighter on the left side (strong) but darker on the right side (moderate)"
    )
    assert Score(-1.0, -worse, {"brightness": 0.1}, maps, "x.jpg").summary() == (
        "x.jpg is 1.0 levels below the reference: brighter on the left side (strong) but darker on the right side "
        "(moderate)."
    )


def test_a_score_says_nothing_of_the_reference():
    values = np.full((SIZE, SIZE), -0.4, np.float32)
    values[:20] = 0.4
    local = Map.from_array(np.full((SIZE, SIZE), -1.0))
    assert Score(-1.0, local, {"noise": -0.1}, {"noise": Map.from_array(values)}, "x.jpg").summary() == (
        "x.jpg is 1.0 levels below the reference: noisier (moderate, top)."
    )


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3, allow_nan=False))
@settings(max_examples=60, deadline=None)
def test_no_sentence_names_an_axis_twice_or_says_the_same_of_both_images(seed, margin):
    draw = np.random.default_rng(seed)
    maps = {}
    for axis in draw.choice(len(AXES), 4, replace=False):
        coarse = draw.choice([-0.5, -0.3, 0.0, 0.3, 0.5], (4, 4))
        maps[AXES[axis].name] = Map.from_array(np.kron(coarse, np.ones((15, 15))))
    local = Map.from_array(np.kron(draw.normal(size=(4, 4)), np.ones((15, 15))))
    result = Comparison(margin, maps, local, Map.from_array(np.ones((SIZE, SIZE))))
    sentence, findings = result.reasons(), find(maps, local, margin)
    assert sentence or abs(margin) < TIE_MARGIN
    assert {finding.value > 0 for finding in findings} == {True, False}
    for remark in remarks(findings):
        assert sum(sentence.count(f"is {word} ") for word in WORDS[remark.finding.axis]) <= 1
        if remark.opposite is not None:
            assert remark.finding.value * remark.opposite.value < 0
            here, there = remark.clause(("", "")).split(" and " if remark.of_both else " but ")
            assert here.split(" (")[0].split("is ")[1] != there.split(" (")[0].strip()


def test_a_long_name_is_said_once_and_then_the_image_is_called_the_other():
    noise, haze = (np.full((SIZE, SIZE), value, np.float32) for value in (0.4, -0.3))
    maps = {"noise": Map.from_array(noise), "haze": Map.from_array(haze)}
    local = Map.from_array(np.ones((SIZE, SIZE)))
    result = Comparison(1.0, maps, local, local, names=("old.png", "new.png"), confidence=0.9)
    assert result.summary() == (
        "old.png is clearly better by 1.0 levels (90 % sure): new.png is noisier (moderate, everywhere), "
        "though the other is hazier (moderate, everywhere)."
    )
    assert result.summary(("A", "B")).endswith("B is noisier (moderate, everywhere), though A is hazier (moderate, "
                                               "everywhere).")  # fmt: skip
    assert replace(result, confidence=0.55).summary() == (
        "Cannot tell which of old.png and new.png is better (the first at 55 %, margin 1.0 levels): "
        "the second is noisier (moderate, everywhere); the first is hazier (moderate, everywhere)."
    )
    assert replace(result, margin=-0.05).verdict() == (
        "old.png and new.png look equally good (margin 0.05 levels, below 0.1; 90 % sure that the second is ahead)"
    )


def test_defects_that_agree_in_strength_and_place_share_them():
    noise, haze = (Finding(axis, "b", word, 0.6, 0.9, "everywhere") for axis, word in
                   (("noise", "noisier"), ("haze", "hazier")))  # fmt: skip
    blocks = Finding("blocking", "b", "blockier", 0.3, 0.9, "everywhere")
    assert (
        said(noise, haze, blocks) == "B is noisier and hazier (strong, everywhere) and blockier (moderate, everywhere)"
    )
    assert said(noise, blocks, haze) == (
        "B is noisier (strong, everywhere), blockier (moderate, everywhere) and hazier (strong, everywhere)"
    )
