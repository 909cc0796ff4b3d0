"""The strength of a defect in words: one table, whose words hold from one threshold to the next."""

import pytest

from relational_iqa.results.words.strengths import STRENGTH_WORDS, strength_word


@pytest.mark.parametrize(
    ("severity", "word"),
    [(0.02, "faint"), (0.2, "faint"), (0.2499, "faint"), (0.25, "moderate"), (-0.4, "moderate"), (0.4999, "moderate"),
     (0.5, "strong"), (0.6, "strong"), (-1.0, "strong")],
)  # fmt: skip
def test_one_level_is_faint_two_are_moderate_and_three_are_strong(severity: float, word: str) -> None:
    assert strength_word(severity) == word


def test_thresholds_rise_and_the_last_word_has_no_end():
    limits = [entry.below for entry in STRENGTH_WORDS]
    assert limits == sorted(set(limits)) and limits[-1] == float("inf")
