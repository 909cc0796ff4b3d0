"""Places: a literal table of areas, and the limits at which a word changes."""

import numpy as np
import pytest

from relational_iqa.results.words.places import place

SIZE = 100
THIRDS = {"top": (0, 30), "middle": (35, 65), "bottom": (70, 100), "all": (0, 100)}
# (rows, columns) -> place
GRID = {
    ("top", "top"): "upper left", ("top", "middle"): "top centre", ("top", "bottom"): "upper right",
    ("middle", "top"): "middle left", ("middle", "middle"): "centre", ("middle", "bottom"): "middle right",
    ("bottom", "top"): "lower left", ("bottom", "middle"): "bottom centre", ("bottom", "bottom"): "lower right",
    ("top", "all"): "top", ("middle", "all"): "middle", ("bottom", "all"): "bottom",
    ("all", "top"): "left side", ("all", "middle"): "middle column", ("all", "bottom"): "right side",
    ("all", "all"): "everywhere",
}  # fmt: skip


def area(rows: tuple[int, int], columns: tuple[int, int], value: float = 1.0) -> np.ndarray:
    values = np.zeros((SIZE, SIZE), np.float32)
    values[slice(*rows), slice(*columns)] = value
    return values


@pytest.mark.parametrize(("rows", "columns"), list(GRID))
def test_rows_come_before_columns(rows: str, columns: str) -> None:
    assert place(area(THIRDS[rows], THIRDS[columns])) == GRID[rows, columns]


def test_nothing_is_nowhere() -> None:
    assert place(np.zeros((20, 20), np.float32)) == "nowhere"


@pytest.mark.parametrize(
    ("centre", "where"), [(38, "left side"), (42, "middle column"), (58, "middle column"), (62, "right side")]
)
def test_the_centroid_chooses_the_third(centre: int, where: str) -> None:
    assert place(area((0, 100), (centre - 5, centre + 5))) == where


@pytest.mark.parametrize(("width", "where"), [(68, "middle column"), (70, "everywhere")])
def test_an_even_area_of_seven_tenths_of_a_side_is_no_place(width: int, where: str) -> None:
    """Its spread is its width over the square root of 12; the limit is 0.2, which is 69 % of the side."""
    found = place(area((0, 100), (50 - width // 2, 50 + width // 2)))
    assert found.removeprefix("mostly ") == where


@pytest.mark.parametrize(("outside", "where"), [(0.09, "top"), (0.11, "mostly top")])
def test_mostly_is_said_from_a_tenth_outside_of_the_half_on(outside: float, where: str) -> None:
    values = area((10, 20), (0, 100), 1 - outside) + area((55, 65), (0, 100), outside)
    assert place(values) == where


@pytest.mark.parametrize(("step", "where"), [(1, "everywhere"), (2, "everywhere"), (3, "in scattered places")])
def test_less_than_half_of_the_picture_is_scattered(step: int, where: str) -> None:
    values = np.zeros(SIZE * SIZE, np.float32)
    values[::step] = 1.0
    assert place(values.reshape(SIZE, SIZE)) == where


def radius(power: float) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : 1.5 * SIZE * 1j]
    return (y**2 + x**2) ** power


@pytest.mark.parametrize(
    ("values", "where"),
    [
        (radius(1.0), "towards the edges"), (0.3 + 0.5 * radius(1.0), "towards the edges"),  # vignettes
        (1.0 + 0.2 * radius(1.0), "everywhere"), (2.0 - radius(0.5), "everywhere"),
        (area((0, 20), (0, 20)) + area((80, 100), (80, 100)), "in scattered places"),  # opposite corners
        (area((0, 30), (0, 100)) + area((70, 100), (0, 100)), "everywhere"),  # two bands
    ],
)  # fmt: skip
def test_what_is_wider_than_uniform_in_both_directions_lies_towards_the_edges(values: np.ndarray, where: str) -> None:
    assert place(values.astype(np.float32)) == where
