"""What SPIPS on a frozen backbone sees of every image of ranked sets: computed once and kept, so that training what
fuses the streams takes minutes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.error_maps import conventional_maps
from relational_iqa.networks.local_analysis import pool
from relational_iqa.networks.stage_maps import CELL_PX, StageComparison
from relational_iqa.training.data.pairs import to_images
from relational_iqa.training.data.stored_rows import stored_rows

SETS_A_FILE = 64


class StreamRows(NamedTuple):
    """N ranked sets of n images beside their reference, which is left out.

    Attributes:
        maps: (N, n, D, h, w) half precision: the conventional maps, then structure and mean of the stages, see
            `StageMaps`; means over cells of 16 px.
        reference: (N, C, h, w) half precision, see `StageMaps`.
        test: (N, n, C, h, w) half precision, see `StageMaps`.
        ranks: (N, n) lower is better.
        labels: (N, n, M) loss of quality by metric, in severity.
        certainty: (N,) of the order by construction.
        kinds: (N, n, K) true mean strength of every kind of difference.
        of_set: (N,) kind of the set, index in `SET_KINDS`.
    """

    maps: Tensor
    reference: Tensor
    test: Tensor
    ranks: Tensor
    labels: Tensor
    certainty: Tensor
    kinds: Tensor
    of_set: Tensor

    def rows(self, index: Tensor | slice) -> StreamRows:
        """The sets of these numbers."""
        return StreamRows(*(values[index] for values in self))


def rows_of_sets(comparison: StageComparison, sets: StoredSets, folder: Path) -> StreamRows:
    """Rows of the sets, those below `folder` after computing those that are not there yet."""
    found, state = [], comparison.state_dict()
    facts = f"{comparison.backbone.architecture.taps} {comparison.full_taps} {comparison.half_taps}"
    for start in range(0, len(sets), SETS_A_FILE):
        part = sets.range(start, min(len(sets), start + SETS_A_FILE))
        compute = partial(computed_rows, comparison, part)
        found.append(stored_rows(compute, StreamRows, facts, state, part, folder))
        print(f"streams of {start + len(part)} of {len(sets)} sets", file=sys.stderr, flush=True)
    return StreamRows(*(torch.cat(values) for values in zip(*found, strict=True)))


@torch.inference_mode()
def computed_rows(comparison: StageComparison, sets: StoredSets) -> StreamRows:
    """Rows of the sets."""
    comparison.eval()
    found = []
    for number in range(len(sets)):
        images = to_images(np.array(sets.images[number]))
        maps, reference, test = streams(comparison, images[1:], images[:1])
        kinds = np.abs(np.array(sets.fields[number]).astype(np.float32)).mean((2, 3))[1:] / 127
        found.append(
            StreamRows(
                maps.half(),
                reference[0].half(),
                test.half(),
                torch.from_numpy(sets.ranks[number][1:]),
                torch.from_numpy(sets.labels[number][1:]),
                torch.tensor(sets.certainty[number]),
                torch.from_numpy(kinds),
                torch.tensor(sets.kinds[number]),
            )
        )
    return StreamRows(*(torch.stack(values).clone() for values in zip(*found, strict=True)))


def streams(
    comparison: StageComparison, tests: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Maps, context of the references and context of the tests on the grid of cells."""
    whole = reference.repeat_interleave(len(tests) // len(reference), 0)
    conventional = pool(conventional_maps(tests, whole), CELL_PX)
    compared = comparison(tests, reference)
    maps = torch.cat([conventional, compared.structure, compared.mean], 1)
    return maps, compared.reference, compared.test
