"""Score against file size: where each image lies, which ones no other beats in both, and where their names fit.

Places across are shares of the width, so that the picture is as wide as the screen and letters keep their size; places
down are pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT_PX = 320
_NARROW_PX = 270  # width of the plot on a phone: names are placed so that they do not overlap there
_LETTER_PX, _LINE_PX = 6.6, 16
_LONGEST_NAME = 18
_MOST_NAMES = 14  # with more images only their places are written
_LOG_RATIO = 5.0  # with sizes that differ by more the scale is logarithmic
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis.

    Args:
        at: share of the width, or px from the top.
        label: what stands there.
    """

    at: float
    label: str


@dataclass(frozen=True)
class Point:
    """An image in the plot.

    Args:
        index: of the image.
        x: share of the width, 0 to 1.
        y: px from the top.
        label: what stands beside it.
        right: whether the label stands at its right.
        shift: how far the label is moved down, px.
        best: whether no other image is both smaller and better.
    """

    index: int
    x: float
    y: float
    label: str
    right: bool
    shift: float
    best: bool


@dataclass(frozen=True)
class Plot:
    """Everything that is drawn.

    Args:
        points: the images.
        front: the points that no other beats, from the smallest file to the largest.
        across: ticks of the size.
        down: ticks of the score.
        logarithmic: whether equal distances across are equal ratios of sizes.
        numbered: whether the labels are places in the table, because there are too many names.
    """

    points: tuple[Point, ...]
    front: tuple[Point, ...]
    across: tuple[Tick, ...]
    down: tuple[Tick, ...]
    logarithmic: bool
    numbered: bool


def plot_of(
    nbytes: Sequence[int], scores: Sequence[float], names: Sequence[str], order: Sequence[int], below_zero: bool
) -> Plot:
    """The plot of images.

    Args:
        nbytes: size of each file.
        scores: of each image, in levels.
        names: of each image.
        order: indices, best first.
        below_zero: whether scores are levels below a reference, so that the axis counts downwards from 0.
    """
    logarithmic = max(nbytes) / max(min(nbytes), 1) > _LOG_RATIO
    low, high = _padded(min(nbytes), max(nbytes), logarithmic)
    bottom, top = min(scores), max(scores)
    room = max(0.12 * (top - bottom), 0.05)
    bottom, top = bottom - room, top + room

    def x_of(size: float) -> float:
        if logarithmic:
            return math.log(size / low) / math.log(high / low)
        return (size - low) / (high - low)

    def y_of(score: float) -> float:
        return HEIGHT_PX * (top - score) / (top - bottom)

    front = [i for i in range(len(nbytes)) if not any(_beats(j, i, nbytes, scores) for j in range(len(nbytes)))]
    numbered = len(order) > _MOST_NAMES
    places = [(x_of(nbytes[i]), y_of(scores[i])) for i in range(len(nbytes))]
    taken = [_box(x, y, 0, True, 0.0) for x, y in places]
    points = []
    for rank, i in enumerate(order, start=1):
        label = str(rank) if numbered else _short(names[i])
        right = places[i][0] < 0.5
        shift = _free_shift(places[i], len(label), right, taken)
        taken.append(_box(*places[i], len(label), right, shift))
        points.append(Point(i, *places[i], label, right, shift, i in front))
    drawn = {point.index: point for point in points}
    return Plot(
        tuple(points),
        tuple(drawn[i] for i in sorted(front, key=lambda i: nbytes[i])),
        tuple(Tick(x_of(value), _size(value)) for value in _size_ticks(low, high, logarithmic)),
        tuple(
            Tick(y_of(value), _score(abs(value) if below_zero else value))
            for value in _even_ticks(bottom, top, 5)
            if value < 1e-9 or not below_zero
        ),
        logarithmic,
        numbered,
    )


def _beats(j: int, i: int, nbytes: Sequence[int], scores: Sequence[float]) -> bool:
    """Whether image j is as small and as good as i, and better in one of the two."""
    as_good = nbytes[j] <= nbytes[i] and scores[j] >= scores[i]
    return as_good and (nbytes[j] < nbytes[i] or scores[j] > scores[i])


def _padded(low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    if logarithmic:
        room = (high / low) ** 0.08
        return low / room, high * room
    room = max(0.1 * (high - low), 0.05 * high, 1)
    return max(low - room, 0), high + room


Box = tuple[float, float, float, float]


def _box(x: float, y: float, letters: int, right: bool, shift: float) -> Box:
    """Left, top, right and bottom of a label on a phone, or without letters of the point itself; px."""
    at = x * _NARROW_PX
    if not letters:
        return at - 6, y - 6, at + 6, y + 6
    near, far = (at + 9, at + 9 + letters * _LETTER_PX) if right else (at - 9 - letters * _LETTER_PX, at - 9)
    return near, y + shift - _LINE_PX / 2, far, y + shift + _LINE_PX / 2


def _free_shift(place: tuple[float, float], letters: int, right: bool, taken: Sequence[Box]) -> float:
    """The smallest move down or up at which a label overlaps nothing; none where no place is free."""
    for step in range(2 * HEIGHT_PX // _LINE_PX):
        shift = (step + 1) // 2 * _LINE_PX * (1 if step % 2 else -1)
        box = _box(*place, letters, right, shift)
        inside = 4 <= place[1] + shift <= HEIGHT_PX - 4
        if inside and not any(_overlap(box, other) for other in taken):
            return float(shift)
    return 0.0


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _size_ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if not logarithmic:
        return _even_ticks(low, high, 4)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5) if low <= step * 10.0**decade <= high]
    if len(ticks) > 5:
        ticks = [tick for tick in ticks if f"{tick:e}"[0] == "1"]
    return ticks


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most about `most` of them."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in _STEPS if step * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _size(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} MB"
    return f"{value / 1e3:g} kB" if value >= 1e3 else f"{value:g} B"


def _score(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if abs(value) > 1e-9 else "0"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:5]}…{name[len(name) - _LONGEST_NAME + 6 :]}"
