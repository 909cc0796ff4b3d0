"""Margins in words: the limits between the words, and the digits that are shown."""

import pytest

from relational_iqa.results.words.margins import TIE_MARGIN, levels, margin_word


@pytest.mark.parametrize(
    ("below", "word", "next_word"),
    [
        (0.1, "equally good", "slightly better"),
        (0.5, "slightly better", "clearly better"),
        (1.5, "clearly better", "much better"),
        (3.0, "much better", "far better"),
    ],
)
def test_a_word_ends_where_the_next_one_begins(below: float, word: str, next_word: str) -> None:
    for sign in (1, -1):
        assert margin_word(sign * (below - 1e-9)).word == word and margin_word(sign * below).word == next_word


def test_a_tie_is_less_than_a_tenth_of_a_level() -> None:
    assert TIE_MARGIN == 0.1


@pytest.mark.parametrize(
    ("margin", "said"),
    [(0.04, "0.04 levels"), (-0.19, "0.19 levels"), (0.2, "0.2 levels"), (0.26, "0.3 levels"), (-1.34, "1.3 levels")],
)
def test_small_margins_keep_a_second_digit(margin: float, said: str) -> None:
    assert levels(margin) == said


def test_a_tie_is_never_said_to_have_the_margin_that_ends_it() -> None:
    said = [levels(size) for size in (0.0199, 0.0949, 0.0951, 0.09996, -0.0972, 0.1)]
    assert said == ["0.02 levels", "0.09 levels", "0.095 levels", "0.099 levels", "0.097 levels", "0.10 levels"]
