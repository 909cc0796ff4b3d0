"""Confidence: the calibration error has the numbers worked out by hand, and the surest pairs are the surest."""

import json

import numpy as np
import pytest

from experiments.pixel_perfect.confidence import (
    MEASURED,
    NO_CONFIDENCE,
    Answer,
    confidence_rows,
    expected_calibration_error,
    least_expected_error,
    plain,
    pooled_rows,
)
from experiments.pixel_perfect.order import KINDS, OrderResult, Pair, order_answers


def test_the_calibration_error_is_that_of_a_case_computed_by_hand() -> None:
    # Sorted: .6 .7 | .8 .9 | 1. 1. with 1 0 | 1 1 | 1 0 right (the last two are equally sure, so half right each).
    # Gaps: |.65 - .5| = .15, |.85 - 1| = .15, |1 - .5| = .5; a third of the answers in each bin.
    confidence, right = [0.9, 0.6, 1.0, 0.7, 0.8, 1.0], [True, True, True, False, True, False]
    assert expected_calibration_error(confidence, right, 3) == pytest.approx((0.15 + 0.15 + 0.5) / 3)
    # One bin: |5 / 6 - 4 / 6|.
    assert expected_calibration_error(confidence, right, 1) == pytest.approx(1 / 6)
    # Bins of two and one: |.65 - .5| * 2 / 3 + |.9 - 1| / 3.
    assert expected_calibration_error([0.6, 0.7, 0.9], [True, False, True], 2) == pytest.approx(0.4 / 3)


def test_the_calibration_error_does_not_depend_on_the_order_of_answers_equally_sure_or_not() -> None:
    rng = np.random.default_rng(1)
    confidence, right = rng.choice([0.6, 0.8, 0.9], 50), rng.random(50) < 0.7
    shuffled = rng.permutation(50)
    assert expected_calibration_error(confidence[shuffled], right[shuffled], 7) == pytest.approx(
        expected_calibration_error(confidence, right, 7)
    )


@pytest.mark.parametrize(("confidence", "right", "bins"), [([], [], 5), ([0.5], [True, False], 5), ([0.5], [True], 0)])
def test_without_answers_or_with_more_of_one_than_of_the_other_there_is_no_error_to_speak_of(
    confidence: list[float], right: list[bool], bins: int
) -> None:
    with pytest.raises(ValueError, match="expected as many of both"):
        expected_calibration_error(confidence, right, bins)


def test_what_a_perfect_confidence_would_show_falls_with_the_number_of_answers_and_is_0_where_all_is_sure() -> None:
    few, many = (least_expected_error(np.linspace(0.5, 1, count).tolist()) for count in (50, 1000))
    assert 0.05 < few < 0.2 and 0.01 < many < few / 3
    assert least_expected_error([1.0] * 40) == 0


def test_the_surest_pairs_are_those_of_the_highest_confidence_and_equal_ones_stay_together() -> None:
    answers = [Answer(right=True, confidence=0.9), Answer(right=True, confidence=0.8), Answer(True, 0.95),
               Answer(right=False, confidence=0.7), Answer(right=False, confidence=0.55)]  # fmt: skip
    error, surest, every = confidence_rows("pairs", [answers[:3], answers[3:]], "of a test")
    assert surest.value == pytest.approx(0.75) and surest.samples == "4 pairs, of confidence 0.700 or more"
    assert every.value == pytest.approx(0.6) and surest.part and every.part and not every.asked
    # As many bins as answers: the mean of .1 .2 .05 .7 .55.
    assert error.value == pytest.approx(0.32) and error.holds is False and (error.most, error.aim) == (0.04, 0.02)
    assert (surest.must, surest.aim) == (0.97, 0.99)
    tied = [Answer(right=number < 5, confidence=0.9) for number in range(10)]
    assert confidence_rows("pairs", [tied], "")[1].value == 0.5


def test_the_answers_of_all_seeds_are_measured_together() -> None:
    first, second = [Answer(True, 0.7), Answer(False, 0.8)], [Answer(True, 0.9)]
    runs = [{name: plain([answers]) for name, *_ in MEASURED} for answers in (first, second)]
    outputs, surest, _, kinds, *_ = pooled_rows(json.loads(json.dumps(runs)))
    assert outputs.value == kinds.value == pytest.approx((0.3 + 0.8 + 0.1) / 3)
    assert outputs.samples.startswith("3 pairs, those of the row of outputs of algorithms, 2 seeds together")
    assert surest.value == pytest.approx(2 / 3) and kinds.name != outputs.name
    alone = pooled_rows(runs[:1])[0]
    assert alone.value == pytest.approx(0.55) and "seeds" not in alone.samples


def test_weights_without_a_confidence_are_said_to_have_none() -> None:
    rows = confidence_rows("pairs", [[Answer(right=True, confidence=None)]], "of a test")
    assert [row.value for row in rows] == [None, None] and all(row.note == NO_CONFIDENCE for row in rows)
    assert all(row.asked and row.holds is None for row in rows)


def test_answers_on_the_engines_kinds_are_those_of_the_row_of_the_order_whose_truth_is_sure() -> None:
    counted = Pair(False, 1.0, 1.0, right=False, right_alone=True, confidence=0.8)
    near = Pair(False, 0.9, 1.0, right=True, right_alone=True, confidence=0.7)
    unsure = Pair(False, 2.0, 1.0, right=True, right_alone=True, certain=False, confidence=0.6)
    unasked = Pair(False, 2.0, 1.0, right=True, right_alone=None)
    kept = {kind: [[counted, near], [unsure, unasked]] for kind in KINDS}
    assert order_answers(OrderResult(kept, {}, {})) == [[Answer(True, 0.8)], []] * len(KINDS)
