"""How often a defect that is named of an image is there: single distortions of held-out photographs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from experiments.pixel_perfect.map_accuracy import HIGH_SEVERITY, LOW_SEVERITY
from experiments.pixel_perfect.single_pairs import SinglePair, single_pairs
from experiments.pixel_perfect.table import Row
from relational_iqa.results.words.single_image import index_of, named_defects
from relational_iqa.systems.pmos import PMOS
from relational_iqa.training.pmos.calibration import LEAST_SEVERITY

_FEWEST = 5  # images of which a word is said, to have a row of its own


@dataclass
class NamedScores:
    """What was named.

    Args:
        right: by word, whether each image of which it was said has the defect.
        found: by word, whether it was said of each image that has the defect.
        untouched: number of defects named of each untouched crop.
    """

    right: dict[str, list[bool]] = field(default_factory=dict)
    found: dict[str, list[bool]] = field(default_factory=dict)
    untouched: list[int] = field(default_factory=list)

    def add(self, model: PMOS, pair: SinglePair) -> None:
        """One damaged image, and the photograph that it was made from."""
        true = severities(pair)
        result = model.score(pair.test)
        said = {defect.word for defect in result.named}
        for defect in result.named:
            there = float(true[index_of(defect.axis, defect.more)]) >= LEAST_SEVERITY
            self.right.setdefault(defect.word, []).append(there)
        for defect in named_defects(true[:, None, None].numpy(), [LEAST_SEVERITY] * len(true)):
            self.found.setdefault(defect.word, []).append(defect.word in said)
        self.untouched.append(len(model.score(pair.reference).named))


def severities(pair: SinglePair) -> Tensor:
    """Mean severity over the image of more, then of less of each axis, where it is known."""
    share = pair.valid.float() / pair.valid.float().sum().clamp_min(1)
    signed = torch.cat([pair.field.clamp_min(0), (-pair.field).clamp_min(0)])
    means: Tensor = (signed * share).sum((1, 2)).float()
    return means


def named_rows(
    model: PMOS, photos: Sequence[Path], high: int, low: int, size_px: int, seed: int,
    log: Callable[[str], None] = lambda text: None,
) -> list[Row]:  # fmt: skip
    """Rows about the words; the arguments are those of `map_rows`."""
    scores = NamedScores()
    for severity, count, first in ((HIGH_SEVERITY, high, seed), (LOW_SEVERITY, low, seed + 1)):
        for pair in single_pairs(photos, severity, count, size_px, first):
            scores.add(model, pair)
    log(f"words: {len(scores.untouched)} images")
    return rows_of(scores)


def rows_of(scores: NamedScores) -> list[Row]:
    """The rows of the table, the words that are said most often first."""
    often = sorted(scores.right.items(), key=lambda item: (-len(item[1]), item[0]))
    images = len(scores.untouched)
    return [
        _row("a named defect is there", _joined(scores.right.values()), "times that one was named, single distortions",
             note=f"mean severity over the image {LEAST_SEVERITY} or more"),
        *(_row(f'"{word}"', right, "times", part=True) for word, right in often if len(right) >= _FEWEST),
        _row("a defect that is there is named", _joined(scores.found.values()), f"defects of {images} images"),
        _row("an untouched crop has no named defect", [not count for count in scores.untouched], "crops"),
    ]  # fmt: skip


def _joined(lists: Iterable[list[bool]]) -> list[bool]:
    return [value for values in lists for value in values]


def _row(name: str, right: Sequence[bool], what: str, part: bool = False, note: str = "") -> Row:
    value = sum(right) / len(right) if right else None
    return Row(name, value, f"{len(right)} {what}", None, "share", None, note, part)
