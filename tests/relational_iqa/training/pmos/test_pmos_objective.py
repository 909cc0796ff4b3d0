"""The loss of pMOS on ranked sets equals its formulas computed slowly, and each part pulls scores the right way."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from relational_iqa.networks.pmos_head import MosMaps
from relational_iqa.training.losses.opinion_maps import roi_entropy_gap, roi_roughness
from relational_iqa.training.pmos.stage import PmosLossWeights, PmosObjective

SETS, MEMBERS, SIDE, CELLS = 2, 3, 16, 4
WEIGHTS = PmosLossWeights(dense=2.0, image=3.0, order=5.0, entropy=7.0, shape=11.0)


class KnownMaps(nn.Module):
    """MOS of a cell: 1 + 4 times its mean green. Its weight: .5 + its mean red times the blue of the thumbnail."""

    def forward(self, images: Tensor, thumbnails: Tensor) -> MosMaps:
        cells = nn.functional.avg_pool2d(images, SIDE // CELLS)
        blue = thumbnails[:, 2:].mean((2, 3), keepdim=True)
        return MosMaps(1 + 4 * cells[:, 1:2], 0.5 + cells[:, :1] * blue)


def batch(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    return {
        "images": draw(SETS, MEMBERS, 3, SIDE, SIDE),
        "mos": 1 + 4 * draw(SETS, MEMBERS, 1, CELLS, CELLS),
        "valid": draw(SETS, MEMBERS, 1, CELLS, CELLS),
        "label": 1 + 4 * draw(SETS, MEMBERS),
        "ranks": torch.tensor([[-1, 0, 1], [-1, 1, 0]]),
        "certainty": torch.tensor([1.0, 1.0]),
        "thumbnail_of": torch.tensor([[0, 1, 2], [2, 2, 0]]),
    }


def run(inputs: dict[str, Tensor], weights: PmosLossWeights = WEIGHTS) -> tuple[Tensor, dict[str, Tensor]]:
    loss, parts = PmosObjective(KnownMaps(), weights)(**inputs)  # type: ignore[arg-type]
    return loss, parts


def huber(error: float, beta: float) -> float:
    return error**2 / (2 * beta) if abs(error) < beta else abs(error) - beta / 2


def enlarged(grid: np.ndarray) -> np.ndarray:
    """Bilinear by 4, cell centres in place, edges repeated."""
    at = np.clip((np.arange(SIDE) + 0.5) / 4 - 0.5, 0, CELLS - 1)
    rows = np.stack([np.interp(at, np.arange(CELLS), column) for column in grid.T], 1)
    return np.stack([np.interp(at, np.arange(CELLS), row) for row in rows])


def slow_parts(inputs: dict[str, Tensor]) -> dict[str, float]:
    """The formulas, cell by cell and pair by pair."""
    data: dict[str, Any] = {name: value.double().numpy() for name, value in inputs.items()}
    score = np.zeros((SETS, MEMBERS))
    wrong, counted, regression, roi = 0.0, 0.0, 0.0, []
    for s in range(SETS):
        for m in range(MEMBERS):
            blue = data["images"][s, int(data["thumbnail_of"][s, m]), 2].mean()
            mos, weight = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
            for y in range(CELLS):
                for x in range(CELLS):
                    cell = data["images"][s, m, :, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean((1, 2))
                    mos[y, x], weight[y, x] = 1 + 4 * cell[1], 0.5 + cell[0] * blue
                    wrong += data["valid"][s, m, 0, y, x] * huber(mos[y, x] - data["mos"][s, m, 0, y, x], 1.0)
                    counted += data["valid"][s, m, 0, y, x]
            score[s, m] = (enlarged(weight) * enlarged(mos)).sum() / enlarged(weight).sum()
            regression += huber(score[s, m] - data["label"][s, m], 0.5) / (SETS * MEMBERS)
            roi.append(torch.from_numpy(weight).float()[None, None])
    ordered = []
    for s in range(SETS):
        for i in range(MEMBERS):
            for j in range(MEMBERS):
                if data["ranks"][s, i] < data["ranks"][s, j] and data["certainty"][s] >= 0.8:
                    lead = 5 / 4 * (score[s, i] - score[s, j])  # five levels on four grades
                    ordered.append(math.log1p(math.exp(-lead / 0.3)))  # RankNet at a temperature of 0.3 levels
    return {
        "dense": wrong / counted,
        "image": regression,
        "order": sum(ordered) / len(ordered),
        "entropy": float(roi_entropy_gap(torch.cat(roi))),
        "shape": float(roi_roughness(torch.cat(roi))),
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_the_weighted_sum_of_its_slow_parts(seed: int) -> None:
    inputs = batch(seed)
    expected = slow_parts(inputs)
    loss, parts = run(inputs)
    for name, value in expected.items():
        assert float(parts[name]) == pytest.approx(value, rel=1e-3, abs=1e-6), name
    total = sum(getattr(WEIGHTS, name) * value for name, value in expected.items())
    assert float(loss) == pytest.approx(total, rel=1e-3)


def test_a_set_of_unsure_order_is_not_put_in_order() -> None:
    inputs = batch() | {"certainty": torch.tensor([1.0, 0.5])}
    assert float(run(inputs)[1]["order"]) == pytest.approx(slow_parts(inputs)["order"], rel=1e-3)
    assert float(run(inputs)[1]["order"]) != pytest.approx(float(run(batch())[1]["order"]), rel=1e-3)


@pytest.mark.parametrize("part", ["dense", "image"])
@pytest.mark.parametrize("ahead", [1.0, -1.0])
def test_green_is_pulled_towards_the_mos_that_is_wanted(part: str, ahead: float) -> None:
    inputs = batch()
    inputs["images"] = torch.full_like(inputs["images"], 0.5).requires_grad_(True)  # MOS 3 everywhere
    inputs |= {"mos": torch.full_like(inputs["mos"], 3 + ahead), "label": torch.full_like(inputs["label"], 3 + ahead)}
    only = PmosLossWeights(**{"dense": 0.0, "image": 0.0, "order": 0.0, "entropy": 0.0, "shape": 0.0, part: 1.0})
    run(inputs, only)[0].backward()
    gradient = inputs["images"].grad
    assert gradient is not None and (gradient[:, :, 1] * ahead < 0).all()


def test_the_member_of_the_lower_rank_is_pulled_up_and_the_other_down() -> None:
    inputs = batch() | {"ranks": torch.tensor([[-1, 0, 1], [1, 0, -1]])}
    inputs["images"] = torch.full_like(inputs["images"], 0.5).requires_grad_(True)
    run(inputs, PmosLossWeights(dense=0, image=0, order=1, entropy=0, shape=0))[0].backward()
    gradient = inputs["images"].grad
    assert gradient is not None
    green = gradient[:, :, 1].sum((2, 3))  # the MOS of the member
    assert green[0, 0] < 0 < green[0, 2] and green[1, 2] < 0 < green[1, 0]
