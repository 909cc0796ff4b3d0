"""Scratches and lost lines: how much they cover, with what, and that what is hidden is what the support says."""

import numpy as np
import pytest
import torch

from distortion_engine.distortions import lines
from tests.distortion_engine.distortions.literal import array, seeded

SIZE = 192
ROW, COLUMN = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
PLACES = torch.stack([ROW, COLUMN, torch.zeros_like(ROW)]).float() / (SIZE - 1)
GREY = torch.full((3, SIZE, SIZE), 0.5)
SCRATCH = {"width_px": 2.0, "brightness": 1.0, "opacity": 0.8}


def test_scratches_have_one_colour_hide_their_share_and_lie_where_the_support_says():
    result = lines.scratches(GREY, 2.0, seeded(), **SCRATCH)
    weight = lines.scratches_support(2.0, seeded(), SIZE, SIZE, **SCRATCH)
    assert torch.equal((result != GREY).any(dim=0), weight > 0)
    # Lines of 2 px with soft edges; where they cross, they are counted once.
    assert 0.01 < float(weight.mean()) < 0.035
    solid = result[:, weight == 1.0]
    assert solid.shape[1] > 100 and torch.unique(solid, dim=1).shape[1] == 1
    hidden = (solid[:, 0] - 0.5 * 0.2) / 0.8
    assert bool((hidden <= 1.0).all()) and bool((hidden >= 1.0 - 0.08).all())  # near white


def test_a_scratch_is_thin_and_long():
    weight = array(lines.scratches_support(0.4, seeded(), SIZE, SIZE, **SCRATCH)) > 0.5
    y, x = np.nonzero(weight)
    spread = np.linalg.eigvalsh(np.cov(np.stack([y, x])))
    assert spread[1] > 20 * spread[0] and np.hypot(np.ptp(y), np.ptp(x)) > 0.15 * SIZE


@pytest.mark.parametrize("width_px", [1.0, 3.0])
def test_a_list_of_scratches_that_is_used_up_ends_there(width_px: float):
    most, more = (
        lines.scratches_support(amount, seeded(), SIZE, SIZE, width_px=width_px, brightness=0.0, opacity=1.0)
        for amount in (60.0, 100.0)
    )
    assert torch.equal(most, more)


@pytest.mark.parametrize("columns", [0.0, 1.0])
def test_lost_lines_repeat_the_line_before_their_run(columns: float):
    result = lines.dropped_lines(PLACES, 8.0, seeded(), columns=columns, copied=1.0, brightness=0.0)
    weight = lines.dropped_lines_support(8.0, seeded(), SIZE, SIZE, columns=columns, copied=1.0, brightness=0.0)
    along, across = (1, 0) if columns else (0, 1)
    assert torch.equal(weight.amax(across), weight.amin(across))  # whole lines
    lost = weight.amax(across)
    assert float(lost.sum()) == pytest.approx(0.08 * SIZE, abs=1e-4)
    source = array(result)[along].mean(axis=across) * (SIZE - 1)  # the channel that tells the line
    for line in torch.nonzero(lost == 1.0).flatten().tolist():
        assert 0 < line - source[line] <= lines.LONGEST_RUN or line < lines.LONGEST_RUN
        assert source[line] == pytest.approx(round(source[line]), abs=1e-3)


def test_lost_lines_that_are_filled_have_one_brightness():
    result = lines.dropped_lines(PLACES, 5.0, seeded(), columns=0.0, copied=0.0, brightness=1.0)
    weight = lines.dropped_lines_support(5.0, seeded(), SIZE, SIZE, columns=0.0, copied=0.0, brightness=1.0)
    assert bool((result[:, weight == 1.0] == 1.0).all()) and torch.equal(result[:, weight == 0], PLACES[:, weight == 0])
