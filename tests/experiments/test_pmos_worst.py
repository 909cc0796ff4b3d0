"""How often the worst region is the damage: the rows are counts of cases."""

import numpy as np
import pytest

from experiments.pmos.worst import Case, worst_rows
from relational_iqa.results.mos_score import MosScore


def score(*boxes: tuple[slice, slice]) -> MosScore:
    """A picture of MOS 4.5, one grade less in each of `boxes`."""
    pmos = np.full((128, 128), 4.5, np.float32)
    for box in boxes:
        pmos[box] = 3.5
    return MosScore(4.4, pmos, np.ones_like(pmos))


HERE, THERE = np.s_[:40, :40], np.s_[80:, 80:]
MASK = np.zeros((128, 128), bool)
MASK[HERE] = True


def test_rows_count_named_right_and_seen_regions():
    cases = [
        Case("a", "blur", MASK, score(), score(HERE)),  # seen, named, right
        Case("b", "blur", MASK, score(THERE), score(THERE)),  # not seen; the region that is named is another one
        Case("c", "blur", MASK, score(), score()),  # not seen, not named
    ]
    assert [case.seen for case in cases] == [True, False, False]
    assert [case.right for case in cases] == [True, False, None]
    assert [row.value for row in worst_rows(cases)] == pytest.approx([2 / 3, 1.0, 1 / 2, 1.0, 1 / 3])
