"""Viewing conditions: pixels per degree of screens, and how much octaves count."""

import math

import pytest

from distortion_engine.errors import UsageError
from relational_iqa.viewing.condition import OCTAVES_PPD, contrast_sensitivity, find_viewing, octave_weights


def test_a_picture_fills_the_screen_or_is_shown_pixel_by_pixel() -> None:
    for name, wide_cm, wide_px, distance_cm in (("phone", 14.1, 2556, 30.0), ("desktop", 53.1, 1920, 60.0)):
        degree_cm = distance_cm * math.tan(math.pi / 180)
        fitted, small = find_viewing(name, 6000), find_viewing(name, 200)
        assert fitted is not None and fitted.pixels_per_degree == pytest.approx(6000 / wide_cm * degree_cm)
        assert small is not None and small.pixels_per_degree == pytest.approx(wide_px / wide_cm * degree_cm)
    phone = find_viewing("phone", 4000)
    assert phone is not None and phone.described().startswith("phone, 149 pixels per degree; compared at 60, 30, 15 ")


def test_pixel_peep_is_no_condition_and_numbers_are_taken() -> None:
    assert find_viewing(None, 100) is None and find_viewing("pixel-peep", 100) is None
    for asked in (90, "90", "90.0"):
        found = find_viewing(asked, 100)
        assert found is not None and found.pixels_per_degree == 90 and found.factor == pytest.approx(60 / 90)


@pytest.mark.parametrize("asked", ["tv", "", "0", "-60", "19.9", "1001", "nan", "inf"])
def test_other_conditions_are_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="expected phone, desktop, pixel-peep, or pixels per degree from 20 to 1000"):
        find_viewing(asked, 100)


def test_the_sensitivity_is_that_of_mannos_and_sakrison() -> None:
    values = {f: 2.6 * (0.0192 + 0.114 * f) * math.exp(-((0.114 * f) ** 1.1)) for f in (0.5, 1, 2, 4, 8, 16, 32)}
    for frequency, value in values.items():
        assert contrast_sensitivity(frequency) == pytest.approx(value, rel=1e-12)
    assert max(range(1, 40), key=contrast_sensitivity) in (7, 8) and contrast_sensitivity(8) == pytest.approx(
        1, abs=0.03
    )


def test_weights_are_the_sensitivities_in_the_middle_of_the_finest_octave() -> None:
    middles = [math.sqrt(ppd / 4 * ppd / 2) for ppd in OCTAVES_PPD]
    expected = [contrast_sensitivity(middle) for middle in middles]
    assert octave_weights(3) == pytest.approx([value / sum(expected) for value in expected])
    for count in (1, 2, 3):
        assert sum(octave_weights(count)) == pytest.approx(1)
    assert octave_weights(3)[0] < octave_weights(3)[1]  # the eye is less sensitive near what it cannot resolve
