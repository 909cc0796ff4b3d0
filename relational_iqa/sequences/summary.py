"""What all frames of one candidate say together: means with intervals, the worst moments, flicker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distortion_engine.axes import AXES
from relational_iqa.folders.summary import MAX_AXES, MIN_AXIS_MEAN, Estimate, but_single_ones
from relational_iqa.results.local_damage import LEVELS
from relational_iqa.results.words.confidence import CANNOT_TELL
from relational_iqa.results.words.margins import TIE_MARGIN, UNIT, levels, margin_word
from relational_iqa.sequences.correlated import correlated_means
from relational_iqa.sequences.flicker import MIN_FRAMES, MIN_SIZE, Flicker, find_flicker
from relational_iqa.sequences.frame_row import CELL_NAMES, CELLS, FrameRow

_PLACES = (("top left", "top", "top right"), ("left", "middle", "right"), ("bottom left", "bottom", "bottom right"))
_AXIS_SIZE = 0.01
"""Smallest size of the flicker of an axis that is named: a twentieth of the first severity level."""
AXIS_TOLD = MIN_SIZE / LEVELS
"""Smallest size of the flicker of an axis that is told where no quality of whole frames flickers: as that of a quality.
A brightness that is too high and too low in turn may have one quality all the time."""


@dataclass(frozen=True)
class SequenceSummary:
    """All frames of one candidate.

    Args:
        name: of the candidate.
        first: name of the first candidate, which the margins are of; empty for itself.
        frames: how many were compared.
        quality: mean levels below the reference; None without one.
        margin: mean margin, positive where the first candidate is better; None for the first candidate itself.
        told_mean: mean margin with 0 for the frames of which it cannot be told which is better.
        counts: frames by verdict, "a" where the first candidate is better.
        axes: mean of each axis over all frames.
        block: frames that were resampled together for the interval of `margin`, or of `quality`.
        effective: how many independent frames say as much.
        worst: the worst moments of the first candidate against this one, or of a candidate against the reference; the
            worst first, apart from each other.
        behind: the worst moments of this candidate against the first one, the worst first; empty without one.
        flicker: what alternates: the whole frame ("frame") or parts of it, the largest first.
        flicker_axes: axes that alternate, the largest first.
        flicker_looked_for: whether there were enough frames, with none left out.
    """

    name: str
    first: str
    frames: int
    quality: Estimate | None
    margin: Estimate | None
    told_mean: float
    counts: dict[str, int]
    axes: dict[str, Estimate]
    block: int
    effective: float
    worst: tuple[FrameRow, ...]
    behind: tuple[FrameRow, ...]
    flicker: tuple[Flicker, ...]
    flicker_axes: tuple[Flicker, ...]
    flicker_looked_for: bool

    def verdict(self) -> str:
        """One sentence about the first candidate against this one, or about this one against the reference."""
        over = f"the mean of {self.frames} frame{'s' if self.frames != 1 else ''}"
        if self.margin is None:
            quality = self.quality or Estimate(0.0, None)
            if abs(quality.mean) < TIE_MARGIN:
                return f"{self.name} is as good as the reference on {over}."
            return f"{self.name} is {levels(quality.mean)} below the reference on {over}."
        a, b, mean = self.first, self.name, self.margin.mean
        if mean == 0 and not any(estimate.mean for estimate in self.axes.values()):
            return f"{a} and {b} do not differ on {over}."
        size = levels(mean)
        if self.margin.interval is not None and not self.margin.differs:
            single = but_single_ones((a, self.counts["a"]), (b, self.counts["b"]))
            return f"{a} and {b}: no difference on {over} to rely on ({size}, the interval includes 0){single}."
        if self.told_mean * mean <= 0:
            untold = self.counts[CANNOT_TELL]
            said = (
                f"{size}, but {untold} of {self.frames} cannot be told" if untold else f"{size}, but nothing is visible"
            )
            return f"Cannot tell which of {a} and {b} is better on {over} ({said})."
        if abs(mean) < TIE_MARGIN:
            return f"{a} and {b} are equally good on {over} ({size} apart, below {TIE_MARGIN})."
        better, worse = (a, b) if mean > 0 else (b, a)
        return f"{better} is {margin_word(mean).word} than {worse} on {over}, by {size}."

    def lines(self, fps: float | None = None) -> list[str]:
        """What a terminal shows of it, without the worst frames; `fps` is for flicker in Hz."""
        lines = [self.verdict()]
        if self.margin is not None:
            lines.append(f"margin: mean {self.margin} {UNIT} (positive: {self.first} is better)")
            counts = self.counts
            untold = f", cannot tell in {counts[CANNOT_TELL]}" if counts[CANNOT_TELL] else ""
            lines.append(
                f"frames: {self.first} better in {counts['a']}, {counts['tie']} ties, {self.name} better in "
                f"{counts['b']}{untold}"
            )
        if self.quality is not None:
            lines.append(f"quality of {self.name}: mean {self.quality} (0 equals the reference)")
        if self.block > 1:
            lines.append(
                f"neighbours resemble each other: the frames say as much as {self.effective:.0f} independent ones "
                f"(resampled in blocks of {self.block})"
            )
        told = self.told_axes()
        if told:
            against = "the reference" if self.quality is not None else self.first
            said = ", ".join(f"{word} ({abs(mean):.2f})" for word, mean in told)
            lines.append(f"on the mean, beside {against}: {self.name} is {said}")
        return [*lines, *self.flicker_lines(fps)]

    def told_axes(self) -> list[tuple[str, float]]:
        """(word, mean) of the axes of this candidate that differ on the mean, largest first."""
        words = {axis.name: (axis.more, axis.less) for axis in AXES}
        sure = [
            (words[name][estimate.mean < 0], estimate.mean)
            for name, estimate in self.axes.items()
            if estimate.differs and abs(estimate.mean) >= MIN_AXIS_MEAN
        ]
        return sorted(sure, key=lambda entry: -abs(entry[1]))[:MAX_AXES]

    @property
    def moments(self) -> tuple[FrameRow, ...]:
        """Those of `worst`, then those of `behind`."""
        return (*self.worst, *self.behind)

    def flicker_lines(self, fps: float | None = None) -> list[str]:
        """Sentences about flicker; none where there is none."""
        whole = next((one for one in self.flicker if one.name not in CELL_NAMES), None)
        if whole is None and self.flicker_axes and self.flicker_axes[0].size >= AXIS_TOLD:
            return [self._axis_line(self.flicker_axes[0], fps)]
        if not self.flicker:
            return []
        worst = self.flicker[0]
        told = whole or worst
        how = _rhythm(told, fps)
        what = "quality" if self.quality is not None else "difference"
        who = (
            f"{self.name} flickers: its {what}"
            if self.quality is not None
            else (f"{self.first} or {self.name} flickers: their {what}")
        )
        places = [place_of(one.name) for one in self.flicker if one.name in CELL_NAMES]
        where = ""
        if whole is None:
            where = f", {', '.join(dict.fromkeys(places[:3]))} alone"
        elif places and worst is not whole:
            where = f", most {places[0]} ({levels(worst.size)})"
        words = {axis.name: axis.name.replace("_", " ") for axis in AXES}
        axes = ", ".join(words[one.name] for one in self.flicker_axes[:3])
        return [
            f"{who} {how} by {levels(told.size)}{where}"
            + (f"; what alternates: {axes}" if axes else "")
            + f" (p = {told.p_value:.3g} against shuffled order)."
        ]

    def _axis_line(self, one: Flicker, fps: float | None) -> str:
        """Of an axis that alternates between two sides of the same quality, or by more than any quality tells."""
        axis, size = one.name.replace("_", " "), levels(one.size * LEVELS)
        who = (
            f"{self.name} flickers: its {axis}"
            if self.quality is not None
            else f"{self.first} or {self.name} flickers: the difference of their {axis}"
        )
        return f"{who} {_rhythm(one, fps)} by {size} (p = {one.p_value:.3g} against shuffled order)."

    def to_json(self) -> dict[str, Any]:
        """Plain Python."""
        return {
            "name": self.name,
            "frames": self.frames,
            "verdict": self.verdict(),
            "quality": None if self.quality is None else self.quality.to_json(),
            "margin": None if self.margin is None else {**self.margin.to_json(), "told_mean": self.told_mean},
            "better": None if self.margin is None else self.counts,
            "axes": {name: estimate.to_json() for name, estimate in self.axes.items()},
            "block_frames": self.block,
            "effective_frames": self.effective,
            "worst": [row.frame for row in self.worst],
            "behind": [row.frame for row in self.behind],
            "flicker_looked_for": self.flicker_looked_for,
            "flicker": [_flicker_json(one) for one in (*self.flicker, *self.flicker_axes)],
        }


def summarise_frames(rows: Sequence[FrameRow], first: str, worst: int, consecutive: bool = True) -> SequenceSummary:
    """The summary of the rows of one candidate, in the order of the frames.

    Args:
        rows: of every frame, one or more.
        first: name of the first candidate; empty where the rows are its own.
        worst: how many of the worst moments to name.
        consecutive: whether no frame was left out between them; otherwise flicker is not looked for.
    """
    margins = np.array([0.0 if row.margin is None else row.margin for row in rows])
    qualities = np.array([0.0 if row.quality is None else row.quality for row in rows])
    has_margin, has_quality = rows[0].margin is not None, rows[0].quality is not None
    badness = margins if has_margin else qualities
    axis_means = np.array([[row.axes.get(axis.name, 0.0) for axis in AXES] for row in rows])
    leading, margin, quality, *of_axes = correlated_means(np.column_stack([badness, margins, qualities, axis_means]))
    axes = {axis.name: found.estimate for axis, found in zip(AXES, of_axes, strict=True)}
    verdicts = [row.verdict for row in rows]
    lost, won = (np.array([verdict == side for verdict in verdicts]) for side in ("b", "a"))
    # Of a candidate against its reference, the quality; of two without one, their margin.
    level = qualities if has_quality else margins
    flicker: list[Flicker] = []
    flicker_axes: list[Flicker] = []
    if consecutive:
        series = {
            "frame": level,
            **{name: np.array([row.cells[i] for row in rows]) for i, name in enumerate(CELL_NAMES)},
        }
        flicker = find_flicker(series)
        named = {axis.name: axis_means[:, index] for index, axis in enumerate(AXES)}
        flicker_axes = find_flicker(named, _AXIS_SIZE if flicker else AXIS_TOLD)
    return SequenceSummary(
        rows[0].name, first, len(rows), quality.estimate if has_quality else None,
        margin.estimate if has_margin else None, float(np.mean([row.told_margin for row in rows])),
        {side: verdicts.count(side) for side in ("a", "tie", "b", CANNOT_TELL)}, axes, leading.block,
        leading.effective, worst_moments(rows, badness, worst, lost if has_margin else None),
        worst_moments(rows, -margins, worst, won) if has_margin else (), tuple(flicker), tuple(flicker_axes),
        consecutive and len(rows) >= MIN_FRAMES,
    )  # fmt: skip


def worst_moments(
    rows: Sequence[FrameRow], values: np.ndarray, count: int, among: np.ndarray | None = None
) -> tuple[FrameRow, ...]:
    """The rows with the lowest values, lowest first, each a quarter of an even share of the sequence apart from the
    others: neighbours of a bad frame are as bad, and show the same.

    Args:
        rows: of every frame.
        values: one for each.
        count: how many to choose at most.
        among: whether each may be chosen; None for all.
    """
    apart = len(rows) // (4 * max(count, 1))
    chosen: list[int] = []
    for index in np.argsort(values, kind="stable"):
        if len(chosen) == count:
            break
        if (among is None or among[index]) and all(abs(int(index) - other) > apart for other in chosen):
            chosen.append(int(index))
    return tuple(rows[index] for index in chosen)


def place_of(cell: str) -> str:
    """Where a part of the frame lies, in words: "top left"."""
    row, column = (int(part) - 1 for part in cell.split("_")[1:])
    third = [0 if at == 0 else 2 if at == CELLS - 1 else 1 for at in (row, column)]
    return _PLACES[third[0]][third[1]]


def _rhythm(one: Flicker, fps: float | None) -> str:
    """How often it repeats: "alternates from frame to frame (12.5 Hz)"."""
    how = "alternates from frame to frame" if one.period in (2, None) else f"repeats every {one.period} frames"
    return f"{how} ({fps / one.period:.3g} Hz)" if fps is not None and one.period else how


def _flicker_json(one: Flicker) -> dict[str, Any]:
    place = place_of(one.name) if one.name in CELL_NAMES else None
    return {"of": one.name, "place": place, "period": one.period, "size": one.size, "p_value": one.p_value}
