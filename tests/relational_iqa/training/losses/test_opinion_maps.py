"""Losses of pMOS maps against slow definitions, and what the priors of the weights prefer."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from relational_iqa.training.losses.opinion_maps import dense_loss, map_correlation, roi_entropy_gap, roi_roughness


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_dense_loss_equals_its_slow_definition() -> None:
    predicted, target, valid = 1 + 4 * drawn(0, 2, 1, 3, 4), 1 + 4 * drawn(1, 2, 1, 3, 4), drawn(2, 2, 1, 3, 4)
    total = 0.0
    for p, t, v in zip(predicted.flatten(), target.flatten(), valid.flatten(), strict=True):
        error = abs(float(p - t))
        total += float(v) * (error**2 / 2 if error < 1 else error - 0.5)
    assert float(dense_loss(predicted, target, valid)) == pytest.approx(total / float(valid.sum()), rel=1e-9)


def test_invalid_cells_do_not_count() -> None:
    target = torch.full((1, 1, 2, 2), 5.0)
    predicted, valid = target.clone(), torch.ones_like(target)
    predicted[..., 0, 0], valid[..., 0, 0] = 1, 0
    assert dense_loss(predicted, target, valid) == 0
    assert dense_loss(predicted, target, torch.ones_like(valid)) == pytest.approx(3.5 / 4)
    assert dense_loss(predicted, target, 0 * valid) == 0


def test_priors_of_the_weights_equal_their_slow_definitions() -> None:
    roi = 0.1 + 3 * drawn(3, 2, 1, 3, 4)
    gap = roughness_down = roughness_right = 0.0
    for image in roi[:, 0]:
        shares = [float(value / image.sum()) for value in image.flatten()]
        gap += math.log(12) + sum(share * math.log(share) for share in shares)
        logs = [[math.log(float(value)) for value in row] for row in image]
        roughness_down += sum(abs(logs[y + 1][x] - logs[y][x]) for y in range(2) for x in range(4))
        roughness_right += sum(abs(logs[y][x + 1] - logs[y][x]) for y in range(3) for x in range(3))
    assert float(roi_entropy_gap(roi)) == pytest.approx(gap / 2, rel=1e-6)
    assert float(roi_roughness(roi)) == pytest.approx(roughness_down / 16 + roughness_right / 18, rel=1e-9)


def test_priors_are_zero_for_even_weights_and_grow_with_concentration() -> None:
    even, spot = torch.full((2, 1, 4, 4), 3.0), torch.full((1, 1, 4, 4), 1e-6)
    spot[..., 1, 1] = 1
    assert roi_entropy_gap(even).item() == pytest.approx(0, abs=1e-6) and roi_roughness(even) == 0
    assert roi_entropy_gap(spot).item() == pytest.approx(np.log(16), abs=1e-3) and roi_roughness(spot) > 1


def test_map_correlation_is_pearsons_over_valid_cells() -> None:
    predicted, target, valid = drawn(4, 2, 1, 3, 4), drawn(5, 2, 1, 3, 4), (drawn(6, 2, 1, 3, 4) > 0.4).double()
    kept = valid.numpy() > 0.5
    expected = np.corrcoef(predicted.numpy()[kept], target.numpy()[kept])[0, 1]
    assert float(map_correlation(predicted.float(), target.float(), valid)) == pytest.approx(expected, rel=1e-4)
    assert float(map_correlation(-target.float(), target.float(), valid)) == pytest.approx(-1, abs=1e-5)
