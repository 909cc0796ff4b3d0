"""Noise that is seen in the pixels is told, whatever the networks say of it."""

import cv2
import numpy as np
import pytest

from distortion_engine.catalog import AXES, AXIS_INDEX
from distortion_engine.severity import severity_for
from relational_iqa import load
from relational_iqa.results.words.confidence import can_tell
from relational_iqa.systems.known_noise import _SCALE, doubted, noise_of, raise_noise
from relational_iqa.systems.known_pixels import KnownPixels
from relational_iqa.tiling.stored_image import open_image


def maps_with(**values: float) -> np.ndarray:
    maps = np.zeros((len(AXES) + 2, 16, 24), np.float32)
    for name, value in values.items():
        maps[AXIS_INDEX[name]] = value
    return maps


def measured(value: float) -> np.ndarray:
    return np.full((1, 2), value, np.float32)


@pytest.mark.parametrize(
    ("noise", "colour", "expected"),
    [
        (0.1, 0.0, 0.5),  # the map says less
        (0.7, 0.0, 0.7),  # the map says more
        (-0.2, 0.0, 0.5),  # the map says it of the other picture
        (0.0, 0.3, 0.4),  # noise of colour is a part of it
        (0.0, 0.6, 0.0),  # or all
        (0.0, -0.6, 0.5),  # but not that of the other picture
    ],
)  # fmt: skip
@pytest.mark.parametrize("sign", [1, -1])
def test_the_map_of_noise_says_at_least_what_is_measured(noise: float, colour: float, expected: float, sign: int):
    maps = maps_with(noise=sign * noise, chroma_noise=sign * colour, blocking=0.2)
    raise_noise(maps, measured(sign * 0.5), (64, 96))
    others = maps_with(noise=sign * expected, chroma_noise=sign * colour, blocking=0.2)
    np.testing.assert_allclose(maps, others, atol=1e-6)


def test_where_nothing_is_measured_nothing_changes() -> None:
    maps = maps_with(noise=-0.3, chroma_noise=0.2)
    before = maps.copy()
    raise_noise(maps, measured(0.0), (64, 96))
    assert np.array_equal(maps, before)


def test_the_scale_is_that_of_the_engine() -> None:
    for amount, severity in zip(*_SCALE, strict=True):
        assert severity_for("white_noise", amount) == pytest.approx(severity, abs=1e-9)


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """A wall in front of a sky, smooth and full of noise."""
    clean = np.full((192, 256, 3), 150.0) + np.linspace(0, 30, 256)[:, None]
    clean[64:160:24, 32:224] = 60
    clean[64:160, 32:224:32] = 60
    noise = np.random.default_rng(3).normal(0, 7, clean.shape[:2])[..., None]
    smooth = cv2.GaussianBlur(clean, (0, 0), 1.2)
    return np.rint(smooth).astype(np.uint8), np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


def test_the_noise_of_the_reference_is_none_of_what_is_compared_with_it(pictures) -> None:
    smooth, noisy = (open_image(picture) for picture in pictures)
    found, exchanged = noise_of(smooth, noisy), noise_of(noisy, smooth)
    assert found is not None and exchanged is not None and found.min() >= 0 and found.max() > 0.25
    assert np.array_equal(exchanged, -found)
    assert noise_of(smooth, noisy, noisy) is None
    assert noise_of(smooth, noisy, smooth) is not None
    assert noise_of(smooth, smooth) is None


def test_steps_of_equal_blocks_are_no_noise(pictures) -> None:
    smooth, noisy = pictures
    blocks = noisy[::2, ::2].repeat(2, 0).repeat(2, 1)
    known = KnownPixels.of(open_image(smooth), open_image(blocks))
    assert known.blocks == (1, 2) and known.noise is None


def test_a_sentence_tells_of_the_noise_of_either_image_and_never_of_the_reference(pictures) -> None:
    model = load()
    smooth, noisy = pictures
    there = model.compare(smooth, noisy, names=("A", "B"))
    assert "noisier" in there.summary() and there.maps["noise"].max() >= 0.25
    back = model.compare(noisy, smooth, names=("A", "B"))
    for name, values in there.maps.items():
        assert np.array_equal(np.asarray(back.maps[name]), -np.asarray(values)), name
    beside = model.compare(smooth, noisy, noisy, names=("A", "B"))
    assert beside.better == "b" and "B is noisier" not in beside.summary()


@pytest.mark.parametrize(("margin", "missed", "sure"), [
    (0.5, (0.3, 0.0), 0.59), (-0.5, (0.3, 0.0), 0.9), (-0.5, (0.0, 0.3), 0.59), (0.5, (0.05, 0.3), 0.9),
    (1.5, (0.3, 0.0), 0.9),
])  # fmt: skip
def test_noise_of_the_better_image_that_was_missed_puts_a_small_lead_in_doubt(
    margin: float, missed: tuple[float, float], sure: float
) -> None:
    assert doubted(0.9, margin, missed) == sure and not can_tell(doubted(0.9, 0.5, (0.3, 0.0)))
    assert doubted(0.55, margin, missed) == 0.55


def test_shares_of_missed_noise_are_those_of_the_noisier_image() -> None:
    maps, measured = np.zeros((len(AXIS_INDEX), 16, 16), np.float32), np.full((1, 1), -0.3, np.float32)
    assert raise_noise(maps.copy(), measured, (64, 64)) == (1.0, 0.0)
    assert raise_noise(maps.copy(), -measured, (64, 64)) == (0.0, 1.0)
    maps[AXIS_INDEX["noise"]] = -0.4  # the networks have seen it
    assert raise_noise(maps, measured, (64, 64)) == (0.0, 0.0)
