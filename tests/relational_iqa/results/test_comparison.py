"""What a comparison says: the verdict, the sentence, the JSON; and that swapping the inputs mirrors all of them."""

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distortion_engine.catalog import AXES, AXIS_INDEX
from relational_iqa.results.comparison import Comparison, Ranking, Score
from relational_iqa.results.map import Map
from relational_iqa.results.words.findings import MIN_SHARE, TWO_SIDED
from relational_iqa.results.words.margins import MARGIN_WORDS, margin_word
from relational_iqa.results.words.places import place

HEIGHT, WIDTH = 60, 90
LOWER_LEFT = (slice(30, 60), slice(0, 45))
TOP = (slice(0, 20), slice(0, 90))
ALL = (slice(None), slice(None))


def flat(value: float = 0.0, area: tuple[slice, slice] = ALL) -> np.ndarray:
    values = np.zeros((HEIGHT, WIDTH), np.float32)
    values[area] = value
    return values


def compare(margin: float, local: np.ndarray | None = None, **maps: np.ndarray) -> Comparison:
    full = {name: Map.from_array(values) for name, values in ({axis.name: flat() for axis in AXES} | maps).items()}
    local_margin = Map.from_array(flat(margin) if local is None else local)
    return Comparison(margin, full, local_margin, Map.from_array(flat(1.0)))


def swapped(comparison: Comparison) -> Comparison:
    return replace(
        comparison,
        margin=-comparison.margin,
        maps={name: -values for name, values in comparison.maps.items()},
        local_margin=-comparison.local_margin,
        quality_a=comparison.quality_b,
        quality_b=comparison.quality_a,
    )


def mirrored(sentence: str) -> str:
    return sentence.replace("A", "\0").replace("B", "A").replace("\0", "B").replace("B and A", "A and B")


def test_the_sentence_of_the_design_is_said():
    local = flat(-0.3) + flat(-3.0, LOWER_LEFT) + flat(-0.8, TOP)
    result = compare(-1.3, local, sharpness=flat(0.4, LOWER_LEFT), noise=flat(-0.2, TOP), blocking=flat(0.14))
    assert result.summary() == (
        "B is clearly better by 1.3 levels: A is blurrier (moderate, lower left) and noisier (faint, top), "
        "though B is blockier (faint, everywhere)."
    )


def test_the_json_says_how_sure_the_sign_is_where_that_is_known():
    assert compare(1.0).to_json()["confidence"] is None
    assert replace(compare(1.0), confidence=0.75).to_json()["confidence"] == 0.75
    for wrong in (0.4, 1.1, float("nan")):
        with pytest.raises(ValueError, match="expected a probability from .5 to 1"):
            replace(compare(1.0), confidence=wrong)


def sure(confidence: float | None, margin: float = -1.3, **maps: np.ndarray) -> Comparison:
    return replace(compare(margin, **maps), confidence=confidence)


def test_the_sentence_says_how_sure_the_sign_is_and_never_that_it_is_certain():
    why = "A is noisier (faint, everywhere)"
    assert sure(0.953, noise=flat(-0.2)).summary() == f"B is clearly better by 1.3 levels (95 % sure): {why}."
    assert sure(1.0, noise=flat(-0.2)).summary() == f"B is clearly better by 1.3 levels (over 99 % sure): {why}."
    assert sure(None, noise=flat(-0.2)).summary() == f"B is clearly better by 1.3 levels: {why}."


def test_below_sixty_percent_no_image_is_better_and_the_sentence_says_so_with_the_odds():
    result = sure(0.55, blocking=flat(0.4, LOWER_LEFT), noise=flat(-0.2, TOP))
    assert result.better == "cannot tell" and result.told_margin == 0
    assert result.summary() == (
        "Cannot tell which of A and B is better (B at 55 %, margin 1.3 levels): "
        "B is blockier (moderate, lower left); A is noisier (faint, top)."
    )
    assert sure(0.5).summary() == (
        "Cannot tell which of A and B is better (even odds, margin 1.3 levels); no difference stands out."
    )


def test_the_better_image_is_told_from_exactly_sixty_percent():
    assert sure(0.6).better == "b" and sure(0.6).told_margin == -1.3
    assert sure(0.6).verdict() == "B is clearly better by 1.3 levels (60 % sure)"
    assert sure(0.6 - 1e-9).better == "cannot tell" and "(B at 59 %, " in sure(0.6 - 1e-9).verdict()


def test_a_tie_says_who_is_ahead_only_where_that_is_told():
    said = "A and B look equally good (margin 0.03 levels, below 0.1"
    assert sure(0.62, -0.03).better == "tie" and sure(0.62, -0.03).verdict() == f"{said}; 62 % sure that B is ahead)"
    assert sure(0.62, 0.03).verdict() == f"{said}; 62 % sure that A is ahead)"
    assert sure(0.62, 0.03).told_margin == 0.03
    assert (
        sure(0.59, -0.03).better == "cannot tell" and "(B at 59 %, margin 0.03 levels)" in sure(0.59, -0.03).verdict()
    )


def test_identical_images_are_a_tie_though_nobody_can_tell_which_is_better():
    result = sure(0.5, 0.0)
    assert result.better == "tie" and result.summary() == "A and B are identical."
    assert sure(0.5, 0.0, noise=flat(0.3)).verdict() == (
        "Cannot tell which of A and B is better (even odds, margin 0.00 levels)"
    )


def test_the_json_names_the_verdict_its_word_and_the_limit():
    data = sure(0.55).to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert (data["better"], data["word"], data["confidence"]) == ("cannot tell", "cannot tell", 0.55)
    assert data["cannot_tell_below"] == 0.6 and data["margin"] == -1.3 and data["verdict"] == sure(0.55).verdict()
    assert data["confidence_means"] == "probability that the sign of the margin is right"
    assert (sure(0.95).to_json()["better"], sure(0.95).to_json()["word"]) == ("b", "clearly better")


@given(st.floats(-3, 3), st.one_of(st.none(), st.floats(0.5, 1)), st.integers(-10, 10))
@settings(max_examples=150, deadline=None)
def test_a_swapped_pair_has_the_same_confidence_and_the_mirrored_verdict(margin, confidence, noise):
    result = sure(confidence, margin, noise=flat(noise / 10, LOWER_LEFT), haze=flat(0.3))
    other = swapped(result)
    assert other.confidence == result.confidence and other.told_margin == -result.told_margin
    assert other.better == {"a": "b", "b": "a"}.get(result.better, result.better)
    assert other.summary() == mirrored(result.summary()).replace("which of B and A", "which of A and B")
    if confidence is not None and confidence < 0.6:
        assert result.better == "cannot tell" and result.told_margin == 0


def test_a_comparison_is_frozen():
    with pytest.raises(FrozenInstanceError):
        setattr(compare(1.0), "margin", 2.0)  # noqa: B010


@pytest.mark.parametrize(
    ("margin", "word"),
    [(0.0, "equally good"), (0.0999, "equally good"), (0.1, "slightly better"), (-0.49, "slightly better"),
     (0.5, "clearly better"), (-1.49, "clearly better"), (1.5, "much better"), (3, "far better"), (-40, "far better")],
)  # fmt: skip
def test_margins_have_words(margin, word):
    assert margin_word(margin).word == word


def test_margin_words_rise_and_cover_everything():
    limits = [entry.below for entry in MARGIN_WORDS]
    assert limits == sorted(limits) and limits[-1] == float("inf")


@pytest.mark.parametrize(("margin", "better"), [(0.1, "a"), (-0.1, "b"), (0.09, "tie"), (-0.09, "tie"), (0.0, "tie")])
def test_positive_margin_means_a_is_better(margin, better):
    assert compare(margin).better == better


def test_a_tie_names_margin_and_limit():
    assert compare(-0.03).verdict() == "A and B look equally good (margin 0.03 levels, below 0.1)"


def test_a_tie_still_says_how_the_images_differ():
    result = compare(0.03, local=flat(), noise=flat(0.5), blocking=flat(-0.3))
    assert result.summary() == (
        "A and B look equally good (margin 0.03 levels, below 0.1): B is noisier (strong, everywhere); "
        "A is blockier (moderate, everywhere)."
    )


def test_identical_images_are_called_identical():
    result = compare(0.0)
    assert result.identical and result.summary() == "A and B are identical."
    assert not compare(0.0, noise=flat(0.3)).identical


def test_file_names_are_used_and_equal_names_told_apart():
    result = compare(1.0, noise=flat(0.4))
    said = replace(result, names=("x.png", "y.png")).summary()
    assert said == "x.png is clearly better by 1.0 levels: y.png is noisier (moderate, everywhere)."
    assert replace(result, names=("x.png", "x.png")).summary().startswith("A (x.png) is clearly better")


def test_at_most_three_defects_and_two_trade_offs_are_named():
    names = [axis.name for axis in AXES if axis.name not in TWO_SIDED]
    maps = {name: flat(0.5 if index < 5 else -0.4) for index, name in enumerate(names)}
    sentence = compare(2.0, **maps).reasons()
    worse, better = sentence.split(", though ")
    words = [axis.more for axis in AXES if axis.name in names]
    assert [sum(f"{word} " in f"{part.replace(',', ' ')} " for word in words) for part in (worse, better)] == [3, 2]


def test_faint_and_tiny_differences_are_not_mentioned_beside_one_that_matters():
    tiny = flat(0.9, (slice(0, 2), slice(0, 5)))
    assert 10 / (HEIGHT * WIDTH) < MIN_SHARE
    assert (
        compare(1.0, blocking=flat(0.4), noise=flat(0.09), impulse=tiny).reasons()
        == "B is blockier (moderate, everywhere)"
    )
    assert compare(0.0, noise=flat(0.09), impulse=tiny).reasons() == ""


def test_a_finding_dwarfed_by_another_stays_out_of_the_sentence():
    reasons = compare(1.0, noise=flat(0.9), impulse=flat(0.2, (slice(0, 8), slice(0, 12)))).reasons()
    assert reasons == "B is noisier (strong, everywhere)"


def test_both_signs_of_one_axis_are_two_findings():
    both = flat(0.6, (slice(0, 60), slice(0, 45))) + flat(-0.4, (slice(0, 60), slice(45, 90)))
    result = compare(1.0, noise=both)
    assert [(finding.side, finding.where) for finding in result.findings] == [("b", "left side"), ("a", "right side")]
    assert result.reasons() == "B is noisier (strong, left side)"  # where one is better, the worse one alone
    assert (
        compare(0.05, noise=both).reasons()
        == "B is noisier on the left side (strong) and A on the right side (moderate)"
    )


@pytest.mark.parametrize(
    ("axis", "value", "local", "expected"),
    [
        ("sharpness", 0.5, -1.0, "A is blurrier"),  # B sharper and B better there
        ("sharpness", -0.5, 1.0, "B is blurrier"),
        ("sharpness", 0.5, 1.0, "B is oversharpened"),  # B sharper, A better there, nothing else explains it
        ("brightness", 0.5, -1.0, "A is darker"),
        ("brightness", 0.5, 1.0, "B is brighter"),
        ("contrast", -0.5, 1.0, "B is flatter"),
        ("color_cast", -0.5, -1.0, "A is warmer"),
        ("haze", -0.5, 1.0, "A is hazier"),  # one-sided: the image that has more, whatever the margin
    ],
)
def test_two_sided_axes_are_told_of_the_image_that_is_worse_there(axis, value, local, expected):
    result = compare(local, **{axis: flat(value)})
    side, word = expected.split(" is ")
    assert (result.findings[0].side, result.findings[0].word) == (side.lower(), word)
    speaks_for_the_verdict = (side == "B") == (local > 0)
    assert (expected if speaks_for_the_verdict else f"it is ahead everywhere, though {word}") in result.reasons()


def test_blur_stays_a_trade_off_where_noise_explains_the_verdict():
    result = compare(1.0, noise=flat(0.6), sharpness=flat(0.3))
    assert result.reasons() == "B is noisier (strong, everywhere), though A is blurrier (moderate, everywhere)"


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        ((0, 60), (0, 90), "everywhere"), ((0, 20), (0, 90), "top"), ((40, 60), (0, 90), "bottom"),
        ((0, 60), (0, 30), "left side"), ((0, 60), (60, 90), "right side"), ((20, 40), (30, 60), "centre"),
        ((0, 30), (0, 45), "upper left"), ((30, 60), (45, 90), "lower right"), ((20, 40), (0, 90), "middle"),
        ((0, 15), (35, 55), "top centre"), ((0, 60), (35, 55), "middle column"), ((0, 36), (0, 90), "mostly top"),
        ((0, 0), (0, 0), "nowhere"),
    ],
)  # fmt: skip
def test_places_have_words(rows, columns, expected):
    assert place(flat(1.0, (slice(*rows), slice(*columns)))) == expected


def test_scattered_spots_are_called_scattered():
    assert place(flat(1.0, (slice(0, 60, 10), slice(0, 90, 10)))) == "in scattered places"


@given(st.integers(0, 2**32 - 1), st.integers(16, 40), st.integers(16, 40))
@settings(max_examples=60, deadline=None)
def test_a_mirrored_map_is_said_to_lie_on_the_mirrored_side(seed, height, width):
    draw = np.random.default_rng(seed)
    values = np.zeros((height, width))
    top, left = draw.integers(0, height), draw.integers(0, width)
    values[top : top + draw.integers(1, height), left : left + draw.integers(1, width)] = draw.uniform(0.1, 1)
    swap = str.maketrans({"\1": "right", "\2": "left"})
    assert place(values[:, ::-1]) == place(values).replace("left", "\1").replace("right", "\2").translate(swap)


@given(
    st.floats(-6, 6, allow_nan=False),
    st.dictionaries(st.sampled_from(sorted(AXIS_INDEX)), st.integers(-10, 10), max_size=6),
    st.integers(-20, 20),
)
@settings(max_examples=100, deadline=None)
def test_swapping_the_inputs_mirrors_the_sentence(margin, values, local):
    # Different areas keep saliences apart, so that the order of the parts is decided.
    maps = {
        name: flat(value / 10, (slice(0, 60), slice(0, 20 + 4 * AXIS_INDEX[name]))) for name, value in values.items()
    }
    result = compare(margin, local=flat(local / 10), **maps)
    other = swapped(result)
    assert other.summary() == mirrored(result.summary())
    assert {"a": "b", "b": "a", "tie": "tie"}[result.better] == other.better


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_json_survives_a_round_trip_and_agrees_with_the_object(seed):
    draw = np.random.default_rng(seed)
    maps = {axis.name: Map.from_array(draw.uniform(-1, 1, (HEIGHT, WIDTH))) for axis in AXES}
    half, one = Map.from_array(flat(0.5)), Map.from_array(flat(1.0))
    meta = {"seconds": np.float32(1.5), "size": (90, 60), "bad": float("nan"), "steps": np.arange(3)}
    result = Comparison(float(draw.normal()), maps, half, one, True, -1.0, np.float32(-2.0), meta=meta)
    data = result.to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["margin"] == result.margin and data["better"] == result.better and data["sentence"] == result.summary()
    assert data["quality"] == {"a": -1.0, "b": -2.0} and data["size"] == {"width": WIDTH, "height": HEIGHT}
    assert data["meta"] == {"seconds": 1.5, "size": [90, 60], "bad": None, "steps": [0, 1, 2]}
    assert {row["name"]: row["mean"] for row in data["axes"]} == result.intensities


def test_the_axes_table_gives_strength_where_present_share_and_place():
    result = compare(-1.0, sharpness=flat(0.4, LOWER_LEFT))
    row = result.to_json()["axes"][AXIS_INDEX["sharpness"]]
    assert row["mean"] == pytest.approx(0.1) and row["intensity"] == pytest.approx(0.4) and row["share"] == 0.25
    assert row["where"] == "lower left" and row["matters"] is True
    assert result.to_json()["quality"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 100.1, -85655.0])
def test_levels_that_no_images_have_are_refused(value):
    with pytest.raises(ValueError, match="within ±100: check images and weights"):
        compare(value)
    with pytest.raises(ValueError, match="quality is .*within ±100"):
        Score(value, Map.from_array(flat()), {}, {}, "x.jpg")
    with pytest.raises(ValueError, match="the largest margin is .*within ±100"):
        Ranking.by_pairs(["x", "y"], {(0, 1): (value, None)}, {})
    assert compare(99.9).margin == 99.9


def test_maps_of_unknown_axes_or_other_sizes_are_refused():
    with pytest.raises(ValueError, match="unknown axis 'sparkle'"):
        compare(1.0, sparkle=flat())
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        compare(1.0, noise=np.zeros((3, 3), np.float32))


def test_an_array_in_place_of_a_map_is_refused_with_the_remedy():
    array: Any = flat()
    with pytest.raises(ValueError, match=r"noise is of type ndarray, expected a Map: Map\.from_array\(array\)"):
        replace(compare(1.0), maps={"noise": array})
    with pytest.raises(ValueError, match="local_quality is of type ndarray"):
        replace(score(-1.0), local_quality=array)


def score(quality: float, **maps: np.ndarray) -> Score:
    full = {name: Map.from_array(values) for name, values in ({axis.name: flat() for axis in AXES} | maps).items()}
    means = {name: values.mean() for name, values in full.items()}
    return Score(quality, Map.from_array(flat(quality)), means, full, "x.jpg")


def test_a_score_says_how_far_below_the_reference_and_why():
    result = score(-1.3, sharpness=flat(-0.4, LOWER_LEFT), noise=flat(0.2, TOP))
    why = "blurrier (moderate, lower left) and noisier (faint, top)"
    assert result.summary() == f"x.jpg is 1.3 levels below the reference: {why}."
    assert score(0.0).summary() == "x.jpg is identical to the reference."
    assert score(-0.05, noise=flat(0.01)).summary() == "x.jpg is as good as the reference."
    assert json.loads(json.dumps(result.to_json(), allow_nan=False)) == result.to_json()


def test_a_ranking_is_said_best_first():
    pairwise = np.array([[0, -0.8, -0.78], [0.8, 0, 0.02], [0.78, -0.02, 0]])
    ranking = Ranking([1, 2, 0], ["a.png", "b.png", "c.png"], [0.02, 0.78], None, pairwise)
    assert ranking.summary() == "b.png is best, then c.png (equal, 0.02 levels), then a.png (0.8 levels behind)."
    data = ranking.to_json()
    assert [row["name"] for row in data["ranking"]] == ["b.png", "c.png", "a.png"]
    assert [row["margin_over_next"] for row in data["ranking"]] == [0.02, 0.78, None]
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_a_ranking_that_is_no_permutation_is_refused():
    with pytest.raises(ValueError, match="permutation"):
        Ranking([0, 0], ["a", "b"], [1.0], None, np.zeros((2, 2)))
