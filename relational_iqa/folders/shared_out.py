"""Pairs of two folders shared out to processes of this machine or to a Ray cluster; rows come in their order.

It is the pool that `riqa generate` has (`distortion_engine.generation.workers`). A pair is a function of its files,
the weights and the options alone, so that the rows are those of a run in one process.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distortion_engine.generation.workers import Tick, Workforce
from relational_iqa.folders.compared_files import ComparedFiles
from relational_iqa.folders.comparison import FolderComparison, Row
from relational_iqa.folders.pairing import Pair

_MODELS: dict[tuple[str | None, ...], Any] = {}
"""Of this process, by what loads them: a worker compares many pairs with one."""


@dataclass(frozen=True)
class PairTask:
    """What a worker does for one pair: an index in, its row and its thumbnails out.

    Args:
        pairs: all of them.
        comparison: without its model, which each process loads.
        weights: of the model, as `relational_iqa.load` takes them.
        device: where it computes.
        precision: of its networks.
        maps: folder for the maps of each pair; None for none.
        pictures: whether thumbnails are wanted.
        folder: what relative paths are relative to.
    """

    pairs: Sequence[Pair]
    comparison: FolderComparison
    weights: str | None
    device: str | None
    precision: str | None
    maps: str | None
    pictures: bool
    folder: str

    def __call__(self, index: int, tick: Tick) -> tuple[Row, tuple[str, ...]]:
        """The row of a pair; what is wrong with its files is in it."""
        from relational_iqa.folders.index_page import thumbnails

        if os.path.isdir(self.folder) and os.getcwd() != self.folder:
            os.chdir(self.folder)  # of this process of a worker, which another machine starts elsewhere
        found: list[tuple[str, ...]] = []

        def keep(pair: Pair, compared: ComparedFiles) -> None:
            if self.maps is not None:
                compared.write_maps(Path(self.maps, pair.name))
            if self.pictures:
                found.append(thumbnails(compared))

        row = replace(self.comparison, model=self._model()).row(self.pairs[index], keep)
        tick()
        return row, found[0] if found else ()

    def _model(self) -> Any:
        key = (self.weights, self.device, self.precision)
        if key not in _MODELS:
            from relational_iqa.systems.pixel_perfect import load
            from relational_iqa.tiling.memory import keep_freed_memory

            keep_freed_memory()
            named = {"weights": self.weights, "device": self.device, "precision": self.precision}
            _MODELS[key] = load(**{name: value for name, value in named.items() if value is not None})
        return _MODELS[key]


def rows_in_order(task: PairTask, workforce: Workforce, tick: Tick) -> Iterator[tuple[Row, tuple[str, ...]]]:
    """Row and thumbnails of every pair, in the order of the pairs, as soon as those before it are there.

    Raises UsageError where a worker dies or the cluster is not reached.
    """
    waiting: dict[int, tuple[Row, tuple[str, ...]]] = {}
    following = 0
    for index, found in workforce.run(task, range(len(task.pairs)), tick):
        waiting[index] = found
        while following in waiting:
            yield waiting.pop(following)
            following += 1
