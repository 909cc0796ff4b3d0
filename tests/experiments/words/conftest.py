"""A model whose answers are known: it is told by their names which image is the original."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.words.answers import NAMES


@dataclass
class Speaker:
    """Answers every question by `say`, which is given whether there is a reference and whether anything differs.

    `say` returns the winner ("original", "edited" or "tie") and the reasons as (side, axis, word).
    """

    say: Callable[[bool, bool], tuple[str, list[tuple[str, str | None, str]]]]
    region: tuple[int, int, int, int] | None = None
    explained: float | None = 0.9
    asked: list[tuple[tuple[str, str], bool]] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=lambda: {"name": "speaker", "sha256": "0"})

    def compare(self, a: np.ndarray, b: np.ndarray, reference: Any = None, *, names: tuple[str, str]) -> Any:
        self.asked.append((names, reference is not None))
        letter = {"original": "ab"[names.index(NAMES["original"])], "edited": "ab"[names.index(NAMES["edited"])]}
        winner, reasons = self.say(reference is not None, not np.array_equal(a, b))
        told = [
            SimpleNamespace(side=letter[side], axis=axis, word=word, region=None, against=side == winner)
            for side, axis, word in reasons
        ]
        regions = []
        if self.region is not None:
            left, top, width, height = self.region
            regions = [SimpleNamespace(left=left, top=top, width=width, height=height, side=letter["edited"])]
        better = letter.get(winner, "tie")
        return SimpleNamespace(
            better=better,
            margin={"a": 1.0, "b": -1.0, "tie": 0.0}[better],
            told=tuple(told),
            faint=None,
            findings=(),
            regions=tuple(regions),
            explained_share=self.explained,
            summary=lambda: f"{winner} wins: " + "; ".join(f"{side} is {word}" for side, _, word in reasons),
            to_json=lambda: {"told": [vars(one) for one in told]},
        )


@pytest.fixture
def speaker() -> type[Speaker]:
    """The class of such models."""
    return Speaker
