"""Whose judgments are in weights: every fit adds its own."""

import pytest

from relational_iqa.storage.opinions import joined_opinions


@pytest.mark.parametrize(
    ("fits", "told"),
    [
        (["none", "none"], "none"),
        (["none", "A"], "A"),
        (["A", "B"], "A; B"),
        (["B; A", "A"], "B; A"),
        (["A; B", "none", "C; B"], "A; B; C"),
    ],
)
def test_opinions_of_several_fits_are_named_in_their_order_each_once(fits: list[str], told: str) -> None:
    assert joined_opinions(*fits) == told
