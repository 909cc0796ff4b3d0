"""The catalogue: axes and distortions are complete, consistent and named once."""

import numpy as np
import pytest

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS, Distortion

SIGNED_AXES = ("sharpness", "brightness", "contrast", "saturation", "color_cast", "tint", "hue")
EACH = pytest.mark.parametrize("spec", DISTORTIONS.values(), ids=DISTORTIONS.keys())


def test_the_axes_stand_in_the_documented_order():
    names = [axis.name for axis in AXES]
    assert names == [
        "sharpness", "pixelation", "noise", "chroma_noise", "impulse", "blocking", "smearing", "brightness",
        "contrast", "saturation", "color_cast", "tint", "hue", "chroma_defect", "quantization", "geometric",
        "local_damage", "haze",
    ]  # fmt: skip
    assert {name: i for i, name in enumerate(names)} == AXIS_INDEX


def test_both_directions_of_every_axis_have_their_own_words():
    words = [word for axis in AXES for word in (axis.more, axis.less)]
    assert len(set(words)) == len(words)
    assert all(word and axis.about for axis in AXES for word in (axis.more, axis.less))


def test_there_are_at_least_thirty_six_distortions():
    assert len(DISTORTIONS) >= 36


def test_every_axis_is_moved_by_some_distortion_and_signed_axes_both_ways():
    moved = {(spec.axis, spec.sign) for spec in DISTORTIONS.values()}
    assert {(axis.name, +1) for axis in AXES} <= moved
    assert {(name, -1) for name in SIGNED_AXES} <= moved
    assert {axis for axis, sign in moved if sign < 0} == set(SIGNED_AXES)


def test_names_are_unique_and_match_their_key():
    assert len({spec.apply for spec in DISTORTIONS.values()}) == len(DISTORTIONS)
    assert all(name == spec.name for name, spec in DISTORTIONS.items())


@EACH
def test_a_spec_is_consistent(spec: Distortion):
    assert spec.axis in AXIS_INDEX
    assert spec.sign in (-1, 1)
    assert spec.unit and spec.source
    assert len(spec.ladder) == 5
    assert all(low < high for low, high in zip((0.0, *spec.ladder), spec.ladder, strict=False))
    assert spec.apply.__doc__


@EACH
def test_the_same_seed_samples_the_same_parameters(spec: Distortion):
    first = spec.sample_params(np.random.default_rng(5))
    again = spec.sample_params(np.random.default_rng(5))
    assert first == again
    assert all(type(value) is float for value in first.values())


def test_parameters_do_vary_with_the_seed():
    spec = DISTORTIONS["motion_blur"]
    angles = {spec.sample_params(np.random.default_rng(seed))["angle_deg"] for seed in range(8)}
    assert len(angles) == 8
