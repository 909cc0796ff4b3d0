"""What the page of a league shows, as plain data: rows of the table, cells of the matrix, sentences of the pairs.

No number stands alone with its sign: the image that is better is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distortion_engine.axes import AXES
from distortion_engine.reading.file_facts import FileFacts
from relational_iqa.report.strip import byte_size
from relational_iqa.report.views import scale_position, unbroken
from relational_iqa.results.league import AXIS_SHOWN, League
from relational_iqa.results.ranking import Ranking
from relational_iqa.results.words.confidence import CANNOT_TELL, can_tell, percent
from relational_iqa.results.words.margins import TIE_MARGIN, levels, margin_word
from relational_iqa.results.words.strengths import strength_word
from relational_iqa.results.words.visibility import is_unseen

MOST_DEFECTS = 3
LONGEST_NAME = 60
"""Characters of a name in headline and sentence; the table has the whole name."""


@dataclass(frozen=True)
class Defect:
    """One thing that sets an image apart.

    Args:
        said: in words, "blurrier (moderate)".
        about: the number behind it, for a tooltip.
    """

    said: str
    about: str


@dataclass(frozen=True)
class Row:
    """One image of the table.

    Args:
        index: of the image among the names.
        place: "1", or "=2" where it is shared.
        name: of the image.
        file: what is known of its file, in words; empty where nothing is.
        score: in words, with the image that it is compared with.
        wins: how many of the others it is better than.
        ties: how many are as good, or cannot be told apart from it.
        losses: how many are better.
        over_next: how far and how sure it is ahead of the next image; empty for the last one.
        defects: what sets it apart, strongest first.
    """

    index: int
    place: str
    name: str
    file: str
    score: str
    wins: int
    ties: int
    losses: int
    over_next: str
    defects: tuple[Defect, ...]


@dataclass(frozen=True)
class Cell:
    """One pair of the matrix.

    Args:
        winner: name of the better image; empty where there is none.
        size: by how much, or why none is better.
        side: "a" where the image of the row is better, "b" where that of the column is, else "".
        strength: how strongly the cell is coloured, 0 to 70 %.
        said: the verdict as a sentence.
    """

    winner: str
    size: str
    side: str
    strength: float
    said: str


def league_rows(league: League, files: Sequence[FileFacts | None]) -> list[Row]:
    """The rows of the table, best first; `files` in the order of the names."""
    ranking, rows = league.ranking, []
    for position, (index, place) in enumerate(zip(ranking.order, ranking.places_said(), strict=True)):
        others = np.delete(ranking.told[index], index)
        wins, losses = int((others >= TIE_MARGIN).sum()), int((others <= -TIE_MARGIN).sum())
        file = files[index]
        rows.append(
            Row(
                index, place, ranking.names[index], "" if file is None else file_line(file), score_said(league, index),
                wins, len(others) - wins - losses, losses, _over_next(ranking, position), _defects(league, index),
            )
        )  # fmt: skip
    return rows


def matrix(ranking: Ranking) -> dict[tuple[int, int], Cell]:
    """(i, j) -> the cell of row i and column j, for all i != j."""
    count = len(ranking.names)
    return {(i, j): _cell(ranking, i, j) for i in range(count) for j in range(count) if i != j}


def pair_said(ranking: Ranking, i: int, j: int) -> str:
    """The verdict of a pair: "b.png is clearly better than a.png by 0.7 levels (95 % sure)."."""
    a, b, margin = ranking.names[i], ranking.names[j], float(ranking.pairwise[i, j])
    sure = None if ranking.confidences is None else float(ranking.confidences[i, j])
    if margin == 0:
        return f"{a} and {b} are equally good: nothing sets them apart."
    if _unseen(ranking, i, j):
        return f"{a} and {b} look the same: nothing that differs is visible."
    if not can_tell(sure):
        return f"Cannot tell which of {a} and {b} is better ({unbroken(levels(margin))} apart)."
    if abs(margin) < TIE_MARGIN:
        return f"{a} and {b} look equally good ({unbroken(levels(margin))} apart)."
    better, worse = (a, b) if margin > 0 else (b, a)
    how_sure = "" if sure is None else f" ({percent(sure)} sure)"
    return unbroken(f"{better} is {margin_word(margin).word} than {worse} by {levels(margin)}{how_sure}.")


def score_said(league: League, index: int) -> str:
    """The score of an image in words: "1.3 levels below the reference", "0.4 levels above the mean"."""
    score = float(league.scores[index])
    if league.ranking.qualities is not None:
        return unbroken(f"{levels(score)} below the reference") if score else "equal to the reference"
    return unbroken(f"{levels(score)} {'above' if score > 0 else 'below'} the mean") if score else "at the mean"


def file_line(file: FileFacts) -> str:
    """Format, size and bits per pixel of a file: "JPEG, quality 40 · 23.1 kB · 0.45 bits per pixel"."""
    kind = ", ".join(part for part in (file.format, file.setting) if part)
    parts = [kind, byte_size(file.nbytes)]
    if file.size is not None:
        parts.append(unbroken(f"{8 * file.nbytes / (file.size[0] * file.size[1]):.2f} bits per pixel"))
    return " · ".join(parts)


def cut(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that is too long, without its middle: versions differ at the end."""
    keep = longest - 1
    return name if len(name) <= longest else f"{name[: keep // 3]}…{name[len(name) - (keep - keep // 3) :]}"


def _unseen(ranking: Ranking, i: int, j: int) -> bool:
    return ranking.visible is not None and is_unseen(float(ranking.visible[i, j]))


def _over_next(ranking: Ranking, position: int) -> str:
    if position >= len(ranking.margins):
        return ""
    margin, sure = ranking.margins[position], ranking.order_confidences[position]
    if margin == 0:
        return "equal"
    if ranking.unseen[position]:
        return "looks the same"
    if ranking.untold[position]:
        return CANNOT_TELL
    how_sure = "" if sure is None else f", {percent(sure)} sure"
    if abs(margin) < TIE_MARGIN:
        return unbroken(f"equal, {levels(margin)}")
    return unbroken(f"{levels(margin)} {'ahead' if margin > 0 else 'behind'}{how_sure}")


def _defects(league: League, index: int) -> tuple[Defect, ...]:
    """With a reference, what is wrong with the image; without one, how it differs from the mean of the images."""
    with_reference = league.ranking.qualities is not None
    found = []
    for axis in AXES:
        if axis.name not in league.axes:
            continue
        value = float(league.axes[axis.name][index])
        if abs(value) < AXIS_SHOWN or (value < 0 and not axis.two_sided):
            continue  # less of what is a defect is none
        word = axis.more if value > 0 else axis.less
        beside = "the reference" if with_reference else "the mean of these images"
        about = f"{axis.name.replace('_', ' ')}: {word} than {beside}, {abs(value):.2f} on the mean over the picture"
        found.append((abs(value), Defect(f"{word} ({strength_word(value)})", about)))
    return tuple(defect for _, defect in sorted(found, key=lambda entry: -entry[0])[:MOST_DEFECTS])


def _cell(ranking: Ranking, i: int, j: int) -> Cell:
    margin, told = float(ranking.pairwise[i, j]), float(ranking.told[i, j])
    said = pair_said(ranking, i, j)
    if told == 0:
        why = "look the same" if _unseen(ranking, i, j) else CANNOT_TELL
        return Cell("", why if margin else "equal", "", 0.0, said)
    if abs(told) < TIE_MARGIN:
        return Cell("", unbroken(f"tie, {abs(told):.2f}"), "", 0.0, said)
    strength = 70 * abs(2 * scale_position(told) - 1)
    winner = ranking.names[i if told > 0 else j]
    return Cell(winner, unbroken(f"by {abs(told):.2f}"), "a" if told > 0 else "b", strength, said)
