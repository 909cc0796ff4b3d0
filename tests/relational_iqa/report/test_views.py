"""What the template shows: places on the margin scale, bands, signed numbers."""

import pytest

from relational_iqa.report.views import scale_bands, scale_position, signed


def test_the_margin_scale_is_monotone_symmetric_and_clamped():
    margins = [-9, -5, -3, -1.5, -0.5, -0.1, 0, 0.1, 0.5, 1.5, 3, 5, 9]
    positions = [scale_position(m) for m in margins]
    expected = [1, 1] + [k / 9 for k in (8, 7, 6, 5, 4.5, 4, 3, 2, 1, 0)] + [0]
    assert positions == pytest.approx(expected)


def test_the_bands_run_from_far_better_a_over_equal_to_far_better_b():
    bands = scale_bands()
    assert [band["side"] for band in bands] == ["a"] * 4 + ["tie"] + ["b"] * 4
    words = ["far", "much", "clearly", "slightly", "equal", "slightly", "clearly", "much", "far"]
    assert [band["word"] for band in bands] == words
    assert [band["edge"] for band in bands] == ["3", "1.5", "0.5", "0.1", "0.1", "0.5", "1.5", "3", ""]


def test_signed_numbers_have_a_typographic_minus_and_zero_has_no_sign():
    assert [signed(x) for x in (1.234, -1.234, 0.0, -0.001)] == ["+1.23", "\N{MINUS SIGN}1.23", "0.00", "0.00"]
