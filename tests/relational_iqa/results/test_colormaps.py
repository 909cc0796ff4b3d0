"""Colours: the ends of the palette, opacity, and layers and overlays by a literal version."""

import numpy as np
import pytest

from relational_iqa.results.colormaps import DIVERGING, colour_of, legend_gradient, overlay, tint

BLUE = {"weakest": (0x7F, 0xB2, 0xE5), "strongest": (0x08, 0x3C, 0x90)}  # A
ORANGE = {"weakest": (0xF6, 0xB7, 0x7A), "strongest": (0xA8, 0x44, 0x00)}  # B


def rgb_of(value: float) -> tuple[int, ...]:
    colour, _ = colour_of(np.array([value], np.float32))
    return tuple(round(float(part) * 255) for part in colour[0])


def test_the_ends_are_dark_blue_for_a_and_dark_orange_for_b() -> None:
    assert rgb_of(-1.0) == rgb_of(-7.0) == BLUE["strongest"]
    assert rgb_of(1.0) == rgb_of(7.0) == ORANGE["strongest"]
    for value, weakest in ((-1e-6, BLUE["weakest"]), (1e-6, ORANGE["weakest"])):  # at most a row of the palette away
        assert max(abs(one - other) for one, other in zip(rgb_of(value), weakest, strict=True)) <= 3


def test_the_palette_runs_through_its_colours_in_order() -> None:
    through = {
        0: "#083c90", 42: "#0c55b3", 85: "#2f7fd0", 127: "#7fb2e5",
        128: "#f6b77a", 170: "#ee8420", 213: "#d06000", 255: "#a84400",
    }  # fmt: skip
    for row, colour in through.items():
        expected = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(DIVERGING[row] * 255 - expected).max() < 1  # a row lies within a 127th of its colour


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 0.0), (0.0625, 0.88 * 0.125), (-0.0625, 0.88 * 0.125), (1.0, 0.88)]
)
def test_opacity_rises_with_the_power_of_three_quarters(value: float, expected: float) -> None:
    """1/16 to the power of 3/4 is 1/8."""
    _, opacity = colour_of(np.array([value], np.float32))
    assert float(opacity[0]) == pytest.approx(expected, abs=1e-6)


def test_a_layer_is_colour_and_opacity_in_8_bits() -> None:
    layer = tint(np.array([[-1.0, 0.0, 1.0]], np.float32))
    assert layer.shape == (1, 3, 4) and layer.dtype == np.uint8
    assert layer[0, 0].tolist() == [*BLUE["strongest"], 224] and layer[0, 2].tolist() == [*ORANGE["strongest"], 224]
    assert layer[0, 1, 3] == 0


def test_an_overlay_is_that_of_a_literal_version() -> None:
    draw = np.random.default_rng(0)
    values = draw.uniform(-1, 1, (5, 7)).astype(np.float32)
    picture = draw.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    shown = overlay(values, picture)
    colours, opacities = colour_of(values)
    for y in range(5):
        for x in range(7):
            red, green, blue = (int(part) / 255 for part in picture[y, x])
            luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # ITU-R BT.709
            share = float(opacities[y, x])
            for channel in range(3):
                shaded = float(colours[y, x, channel]) * (1 + 0.5 * (luma - 0.5))
                expected = (1 - share) * (0.25 + 0.6 * luma) + share * shaded
                assert abs(int(shown[y, x, channel]) - 255 * min(max(expected, 0), 1)) < 0.51


def test_the_legend_runs_from_a_to_b() -> None:
    stops = [tuple(map(int, stop.split(")")[0].split())) for stop in legend_gradient().split("rgb(")[1:]]
    assert len(stops) == 21
    assert stops[0][2] > stops[0][0] and stops[-1][0] > stops[-1][2] and len(set(stops[10])) == 1


def test_the_palette_darkens_towards_both_ends() -> None:
    luma = DIVERGING @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luma[:128]) > 0).all() and (np.diff(luma[128:]) < 0).all()


def test_an_empty_map_shows_the_grey_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    shown = overlay(np.zeros((40, 64), np.float32), picture)
    assert shown.dtype == np.uint8 and (shown == shown[..., :1]).all()
