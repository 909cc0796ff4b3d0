"""How sure a sign is, in words: never more than is known, and never "60 % sure" of what is below 60 %."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relational_iqa.results.words.confidence import MIN_CONFIDENCE, can_tell, explanation, odds, percent

NAMES = ("A", "B")


def test_the_sign_is_told_from_exactly_sixty_percent_and_wherever_no_confidence_is_known() -> None:
    assert MIN_CONFIDENCE == 0.6
    assert can_tell(0.6) and not can_tell(0.6 - 1e-9) and can_tell(None)


@pytest.mark.parametrize(
    ("confidence", "said"),
    [(0.5, "50 %"), (0.57, "57 %"), (0.599999, "59 %"), (0.6, "60 %"), (0.953, "95 %"), (0.99, "99 %"),
     (0.9901, "over 99 %"), (1.0, "over 99 %")],
)  # fmt: skip
def test_percent_is_rounded_down_and_ends_at_over_99(confidence: float, said: str) -> None:
    assert percent(confidence) == said


@given(st.floats(0.5, 1))
@example(0.57)
@example(0.6 - 2**-53)
def test_no_percentage_exceeds_the_probability_or_falls_a_whole_percent_behind(confidence: float) -> None:
    number = float(percent(confidence).removeprefix("over ").removesuffix(" %")) / 100
    assert number <= confidence and confidence - number < 0.01 + 1e-9
    assert (number >= 0.6) == can_tell(confidence)


def test_odds_favour_the_image_that_the_margin_favours() -> None:
    assert odds(0.55, 0.4, NAMES) == "A at 55 %" and odds(0.55, -0.4, NAMES) == "B at 55 %"
    assert odds(0.504, 0.4, NAMES) == odds(0.55, 0.0, NAMES) == "even odds"


def test_the_line_beside_the_number_says_what_it_is_the_probability_of() -> None:
    estimate = "the probability, by the model's own estimate, that"
    assert explanation(0.95, -1.0, NAMES) == f"95 % sure: {estimate} B is indeed the better image."
    assert explanation(0.999, 1.0, NAMES) == f"Over 99 % sure: {estimate} A is indeed the better image."
    below = "Below 60 % no image is called better."
    assert explanation(0.55, 1.0, NAMES) == f"55 %: {estimate} A is indeed the better image. {below}"
    assert explanation(0.5, 1.0, NAMES) == (
        f"Even odds: by the model's own estimate, each image is as likely as the other to be the better one. {below}"
    )
