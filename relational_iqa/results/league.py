"""The league table of `riqa rank`: a transitive score, every pair against every other, and the axes of each image.

With a reference the score is the quality. Without one it is the least-squares solution of score_i - score_j = margin_ij
(the potential of HodgeRank: Jiang, Lim, Yao, Ye, Math. Program. 127, 2011), which for all pairs equally weighted is the
row mean of the margins and has the order of the Borda count; `misfit` says how far the margins are from any such scale.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distortion_engine.axes import AXES
from relational_iqa.results.ranking import Ranking, pairs_of
from relational_iqa.results.words.confidence import CANNOT_TELL, MIN_CONFIDENCE, percent
from relational_iqa.results.words.margins import TIE_MARGIN

AXIS_SHOWN = 0.02
"""An axis on which no image reaches this mean is left out of the printed table: a tenth of the first severity level."""
MAX_MATRIX = 10
"""With more images the printed pairwise matrix is too wide for a terminal; CSV and JSON always have it."""
MAX_AXES = 6
_NAME_WIDTH = 32


@dataclass(frozen=True)
class League:
    """The table of several images of one scene; rows are in the order of the names, not of the ranks.

    Args:
        ranking: order and pairwise margins.
        scores: (n,) levels: <= 0 below the reference, or without a reference of mean 0.
        axes: axis -> (n,) mean signed value, compared with the reference or with the mean of the images.
    """

    ranking: Ranking
    scores: np.ndarray
    axes: dict[str, np.ndarray]

    @property
    def misfit(self) -> float:
        """Root mean square of margin_ij - (score_i - score_j), levels; 0 with a reference."""
        rest = self.ranking.pairwise - np.subtract.outer(self.scores, self.scores)
        count = len(self.scores)
        return float(np.sqrt((rest**2).sum() / max(count * (count - 1), 1)))

    def columns(self) -> tuple[str, ...]:
        """Columns of the CSV. Each image has a column for the margin over it; `over 1` is the margin over the best
        image."""
        over = [f"over {rank}" for rank in range(1, len(self.scores) + 1)]
        ranked = ("rank", "place", "name", "score", "quality", "margin_over_next", "confidence_over_next")
        return (*ranked, *(axis.name for axis in AXES), *over, "file")

    def rows(self, files: Sequence[str]) -> list[dict[str, Any]]:
        """One row for each image, best first, with the keys of `columns`; `files` are in the order of the names."""
        ranking = self.ranking
        ranked = ("rank", "place", "name", "quality", "margin_over_next", "confidence_over_next")
        rows = []
        for entry in ranking.to_json()["ranking"]:
            i = entry["index"]
            row: dict[str, Any] = {name: entry[name] for name in ranked} | {"score": float(self.scores[i])}
            row |= {axis.name: float(self.axes[axis.name][i]) if axis.name in self.axes else None for axis in AXES}
            row |= {f"over {k}": float(ranking.pairwise[i, j]) for k, j in enumerate(ranking.order, start=1)}
            rows.append(row | {"file": files[i]})
        return rows

    def to_json(self) -> dict[str, Any]:
        """The content of `Ranking.to_json`, with the score and the axes of each image, and their meaning."""
        content = self.ranking.to_json()
        for entry in content["ranking"]:
            entry["score"] = float(self.scores[entry["index"]])
            entry["axes"] = {name: float(values[entry["index"]]) for name, values in self.axes.items()}
        with_reference = self.ranking.qualities is not None
        return content | {
            "score_means": "quality: levels below the reference" if with_reference else "levels, 0 is the mean image",
            "axes_mean": f"mean signed value, more than {'the reference' if with_reference else 'the mean image'}",
            "misfit": self.misfit,
        }

    def lines(self) -> list[str]:
        """The table and the matrix for a terminal, best first."""
        ranking, order = self.ranking, list(self.ranking.order)
        shown = sorted(self.axes, key=lambda name: -float(np.abs(self.axes[name]).max()))[:MAX_AXES]
        shown = [name for name in self.axes if name in shown and float(np.abs(self.axes[name]).max()) >= AXIS_SHOWN]
        names = [_short(ranking.names[i]) for i in order]
        above = self.above()
        head = ["rank", "image", "score", "wins", "ties", "losses", *(["order"] if above else []), *shown]
        body = []
        for row, (i, place) in enumerate(zip(order, ranking.places_said(), strict=True)):
            others = np.delete(ranking.told[i], i)
            wins, losses = int((others >= TIE_MARGIN).sum()), int((others <= -TIE_MARGIN).sum())
            cells = [place, names[row], f"{self.scores[i]:+.2f}"]
            cells += [str(wins), str(len(others) - wins - losses), str(losses), *above[row : row + 1]]
            body.append(cells + [f"{self.axes[name][i]:+.2f}" for name in shown])
        zero = "the reference" if ranking.qualities is not None else "the mean of the images"
        lines = ["", *_table(head, body), f"score in severity levels, axes as mean intensity; 0 is {zero}"]
        if ranking.qualities is None and len(order) > 2:
            lines.append(f"margins of pairs are {self.misfit:.2f} levels off the differences of these scores")
        if above:
            limit = percent(MIN_CONFIDENCE)
            lines.append(f"order: how sure it is that the image above is better; below {limit} the two share a rank")
        if 2 < len(order) <= MAX_MATRIX:
            head = ["margin of row over column", *(str(rank) for rank in range(1, len(order) + 1))]
            body = [
                [f"{rank} {names[rank - 1]}", *("" if i == j else f"{ranking.pairwise[i, j]:+.2f}" for j in order)]
                for rank, i in enumerate(order, start=1)
            ]
            lines += ["", *_table(head, body, left=(0,))]
        return lines

    def above(self) -> list[str]:
        """How sure it is that the image above is better, one cell a row; nothing where that is unknown."""
        ranking = self.ranking
        if ranking.confidences is None:
            return []
        cells = [""]
        of_order = zip(ranking.order_confidences, ranking.untold, ranking.unseen, ranking.margins, strict=True)
        for sure, untold, unseen, margin in of_order:
            said = CANNOT_TELL if untold or sure is None else percent(sure) if margin else "equal"
            cells.append("same to the eye" if unseen else said)
        return cells


def play(
    model: Any,
    images: Sequence[Any],
    names: Sequence[str],
    reference: Any = None,
    tick: Callable[[], None] = lambda: None,
) -> League:
    """The league of several images of one scene and size.

    Args:
        model: has `score`, `compare` and `visible_differences` as RelationalIQA has them; every image, or pair, goes
            through the networks once. Where it has `scores` too, several images share what is computed of their
            reference; where it has `order_confidences`, the order with a reference says how sure it is.
        images: (3, H, W) each.
        names: what to call them.
        reference: the pristine image, if there is one.
        tick: is called after each image or pair.
    """
    count = len(images)
    axes = {axis.name: np.zeros(count) for axis in AXES}
    if reference is not None:
        results = []
        several = getattr(model, "scores", None)
        each = (model.score(image, reference=reference) for image in images)
        for result in each if several is None else several(images, reference):
            results.append(result)
            tick()
        for name, values in axes.items():
            values[:] = [result.distortions[name] for result in results]
        qualities = [result.quality for result in results]
        tell = getattr(model, "order_confidences", None)
        sure = None if tell is None else tell(results)
        ranking = Ranking.by_quality(names, qualities, _facts(results[0].meta), sure)
        if not any(getattr(image, "is_hdr", False) for image in images):
            ranking = ranking.with_visible(model.visible_differences(images))
        return League(ranking, np.array(qualities), axes)
    pairs: dict[tuple[int, int], tuple[float, float | None]] = {}
    seen = {}
    meta: dict[str, Any] = {}
    for i, j in pairs_of(count):
        result = model.compare(images[i], images[j])
        pairs[i, j] = result.margin, result.confidence
        if result.visible_difference is not None:
            seen[i, j] = result.visible_difference
        for name, mean in result.intensities.items():  # positive: j has more
            axes[name][i] -= mean / count
            axes[name][j] += mean / count
        meta = _facts(result.meta)
        tick()
    ranking = Ranking.by_pairs(names, pairs, meta)
    ranking = ranking.with_visible(seen) if len(seen) == len(pairs) else ranking
    return League(ranking, ranking.pairwise.sum(1) / count, axes)


def _facts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Without the seconds, which are those of one pair."""
    return {key: value for key, value in meta.items() if key != "seconds"}


def games(count: int, with_reference: bool) -> int:
    """How often `play` calls `tick`."""
    return count if with_reference else count * (count - 1) // 2


def _table(head: Sequence[str], body: Sequence[Sequence[str]], left: Sequence[int] = (1,)) -> list[str]:
    """Lines of aligned columns; `left`: those that hold text."""
    widths = [max(len(row[k]) for row in (head, *body)) for k in range(len(head))]
    lines = []
    for row in (head, *body):
        cells = [cell.ljust(widths[k]) if k in left else cell.rjust(widths[k]) for k, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return lines


def _short(name: str) -> str:
    """The end of a long name, which is where versions differ."""
    return name if len(name) <= _NAME_WIDTH else "…" + name[1 - _NAME_WIDTH :]
