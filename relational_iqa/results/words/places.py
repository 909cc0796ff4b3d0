"""Where something lies in a picture, in words: one of a 3 x 3 grid of places, a row, a column, or the whole."""

import math

import numpy as np

NO_PLACE = ("everywhere", "in scattered places")
"""What `place` says of what has no place that one could point at."""
TOWARDS_EDGES = "towards the edges"
WIDE = 0.305  # spread in both directions from which mass lies towards the edges; that of a uniform profile is .289
LEAST_EDGES = 0.35  # share of the picture that is needed for it; two small areas in opposite corners are scattered


def place(magnitude: np.ndarray) -> str:
    """Where the mass of a non-negative (H, W) array lies: "lower left", "mostly top", "everywhere" ...

    Per direction: a spread (standard deviation in units of the side; 0.29 is uniform) over 0.2, so mass over more than
    some 70 % of the side, is no place; else the centroid chooses the third. "mostly" is added when over a tenth of the
    mass lies outside the half that is named. Where neither direction gives a place but the mass is wider than uniform,
    as of a vignette, it lies "towards the edges". An empty array gives "nowhere".
    """
    rows, columns = (magnitude.sum(axis=axis, dtype=np.float64) for axis in (1, 0))
    return place_of(rows, columns, np.count_nonzero(magnitude) / magnitude.size)


def place_of(rows: np.ndarray, columns: np.ndarray, share: float) -> str:
    """The same from the sums over each row and each column, and the share of values that are not 0."""
    total = float(rows.sum())
    if total <= 0:
        return "nowhere"
    vertical, inside_y = _third(rows / total)
    horizontal, inside_x = _third(columns / total)
    name = _PLACES[vertical, horizontal]
    if name is None:
        if share >= LEAST_EDGES and min(_spread(rows / total), _spread(columns / total)) >= WIDE:
            return TOWARDS_EDGES
        return "everywhere" if share >= 0.5 else "in scattered places"
    return name if min(inside_y, inside_x) >= 0.9 else f"mostly {name}"


_PLACES: dict[tuple[int | None, int | None], str | None] = {
    (0, 0): "upper left", (0, 1): "top centre", (0, 2): "upper right", (0, None): "top",
    (1, 0): "middle left", (1, 1): "centre", (1, 2): "middle right", (1, None): "middle",
    (2, 0): "lower left", (2, 1): "bottom centre", (2, 2): "lower right", (2, None): "bottom",
    (None, 0): "left side", (None, 1): "middle column", (None, 2): "right side", (None, None): None,
}  # fmt: skip


def _third(profile: np.ndarray) -> tuple[int | None, float]:
    """Third (0, 1, 2) that a profile of sum 1 sits in, None if spread out, and the share of it in the half so named."""
    if _spread(profile) > 0.2:
        return None, 1.0
    position = _positions(profile.size)
    centroid = round(float(profile @ position), 9)
    third, low, high = (0, 0.0, 0.5) if centroid < 0.4 else (2, 0.5, 1.0) if centroid > 0.6 else (1, 0.25, 0.75)
    return third, round(float(profile[(position >= low) & (position <= high)].sum()), 9)


def at_place(where: str) -> str:
    """A place of `place` with its preposition: "mostly top" -> "mostly at the top"; a box stays as it is: "in
    96 × 96 px at (120, 40)"."""
    if where[:1].isdigit():
        return f"in {where}"
    if where == TOWARDS_EDGES:
        return where
    base = where.removeprefix("mostly ")
    preposition = "on" if base.endswith("side") else "in" if base in ("centre", "middle", "middle column") else "at"
    return f"{where[: len(where) - len(base)]}{preposition} the {base}"


def _spread(profile: np.ndarray) -> float:
    """Standard deviation of a profile of sum 1, in units of the side."""
    position = _positions(profile.size)
    variance = float(profile @ (position - round(float(profile @ position), 9)) ** 2)
    return round(math.sqrt(variance), 9)


def _positions(size: int) -> np.ndarray:
    # Rounded, as all that decides between two words: the order of summation must not.
    positions: np.ndarray = np.round((np.arange(size) + 0.5) / size, 9)
    return positions
