"""Words for what is wrong with one image follow the severities, and those from which they may be said."""

import numpy as np
import pytest

from distortion_engine.axes import AXES
from relational_iqa.results.words.single_image import (
    MOST,
    SHARP_BELOW,
    Defect,
    index_of,
    is_sharp,
    named_defects,
    said_defects,
)

DEFECTS = 2 * len(AXES)
FROM = [0.1] * DEFECTS


def severities(**by_axis: float) -> np.ndarray:
    """Of 4 x 4 cells, the same in each; more of an axis, or with a trailing underscore less of it."""
    found = np.zeros((DEFECTS, 4, 4), np.float32)
    for name, value in by_axis.items():
        found[index_of(name.rstrip("_"), not name.endswith("_"))] = value
    return found


def said(**by_axis: float) -> str:
    defects = severities(**by_axis)
    return said_defects(named_defects(defects, FROM), is_sharp(defects))


def test_every_axis_has_its_channels_and_at_least_one_word() -> None:
    channels = {index_of(one.name, more) for one in AXES for more in (True, False)}
    assert channels == set(range(DEFECTS))
    everything = named_defects(np.ones((DEFECTS, 2, 2), np.float32), FROM)
    assert {defect.axis for defect in everything} == {one.name for one in AXES}
    assert all(defect.word and defect.word == defect.word.lower() for defect in everything)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({}, ""),
        ({"noise": 0.3}, "sharp but noisy (moderate)"),
        ({"sharpness_": 0.6}, "blurred (strong)"),
        ({"noise": 0.3, "sharpness_": 0.2}, "noisy (moderate) and blurred (faint)"),
        ({"brightness_": 0.2, "blocking": 0.6}, "sharp but blocky (strong) and too dark (faint)"),
        ({"sharpness": 0.3}, "over-sharpened (moderate)"),  # of which "sharp" would be no praise
        ({"noise": 0.09}, ""),
    ],
)
def test_the_most_severe_defects_are_said_and_sharp_only_of_what_is(found: dict[str, float], sentence: str) -> None:
    assert said(**found) == sentence


def test_no_more_than_a_few_are_said() -> None:
    sentence = said(noise=0.5, blocking=0.4, haze=0.3, impulse=0.2)
    assert sentence.count("(") == MOST and "hazy" not in sentence


def test_a_defect_is_named_from_its_own_severity_on() -> None:
    levels = list(FROM)
    levels[index_of("noise", True)] = 0.4
    found = named_defects(severities(noise=0.3, haze=0.2), levels)
    assert [defect.word for defect in found] == ["hazy"]
    levels[index_of("noise", True)] = 0.3
    assert [defect.word for defect in named_defects(severities(noise=0.5, haze=0.2), levels)] == ["noisy", "hazy"]


def test_severity_and_share_are_those_of_the_cells_that_are_asked_about() -> None:
    defects, where = severities(), np.zeros((4, 4), bool)
    defects[index_of("noise", True), :2, :2] = 0.8
    where[:2] = True
    (inside,) = named_defects(defects, FROM, where)
    assert (inside.axis, inside.more) == ("noise", True)
    assert (inside.severity, inside.share) == pytest.approx((0.4, 0.5))
    (whole,) = named_defects(defects, FROM)
    assert whole.severity == pytest.approx(0.2) and whole.share == pytest.approx(0.25)
    assert named_defects(defects, FROM, np.zeros((4, 4), bool)) == []


def test_sharp_is_what_loses_next_to_nothing_by_blur_smearing_and_pixelation_together() -> None:
    assert is_sharp(severities(sharpness_=0.3 * SHARP_BELOW, smearing=0.3 * SHARP_BELOW, noise=0.9))
    assert not is_sharp(
        severities(sharpness_=0.4 * SHARP_BELOW, smearing=0.4 * SHARP_BELOW, pixelation=0.4 * SHARP_BELOW)
    )
    assert is_sharp(severities(sharpness=0.9))


def test_json_says_direction_and_word() -> None:
    content = Defect("color_cast", False, 0.25, 1.0).to_json()
    assert content == {
        "axis": "color_cast", "direction": "less", "word": "too cool", "severity": 0.25, "share": 1.0,
    }  # fmt: skip
