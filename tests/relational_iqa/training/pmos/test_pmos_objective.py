"""The loss of pMOS on ranked sets equals its formulas computed slowly, and each part pulls scores the right way."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from relational_iqa.networks.pmos_encoder import StageCells
from relational_iqa.networks.pmos_head import MosMaps, Places
from relational_iqa.training.losses.opinion_maps import roi_entropy_gap, roi_roughness
from relational_iqa.training.pmos.mos_labels import MosLabels
from relational_iqa.training.pmos.stage import PmosLossWeights, PmosObjective

SETS, MEMBERS, CELLS, DEFECTS = 2, 3, 4, 2
NAMES = ("dense", "within", "defects", "image", "order", "entropy", "shape", "doubt")
WEIGHTS = PmosLossWeights(
    dense=2.0, within=19.0, defects=13.0, image=3.0, order=5.0, entropy=7.0, shape=11.0, doubt=17.0
)


def only(part: str) -> PmosLossWeights:
    return PmosLossWeights(**{name: float(name == part) for name in NAMES})


class KnownMaps(nn.Module):
    """Says what it is given: MOS, weight (times what is said of the thumbnail) and defects of every cell are its
    inputs, and so is the doubt."""

    def scene(self, late: Tensor) -> Tensor:
        return late

    def places(self, cells: StageCells, scene: Tensor) -> Places:
        mos, roi, defects = cells.fine[:, :1], cells.fine[:, 1:2], cells.fine[:, 2:]
        return Places(MosMaps(mos, roi * scene[:, :1, None, None]), defects, mos)

    def doubt_of(self, places: Places, scene: Tensor) -> Tensor:
        return scene[:, 1]


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, MosLabels]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(SETS, MEMBERS, *shape, generator=generator)

    grid = (CELLS, CELLS)
    fine = torch.cat([1 + 4 * draw(1, *grid), 0.5 + draw(1, *grid), 0.05 + 0.9 * draw(DEFECTS, *grid)], 2)
    order = torch.zeros(SETS, MEMBERS, MEMBERS)
    order[0, 0, 1] = order[0, 0, 2] = order[1, 2, 0] = 1
    labels = MosLabels(
        1 + 4 * draw(1, *grid), 0.05 + 0.9 * draw(DEFECTS, *grid), draw(1, *grid), 1 + 4 * draw(), draw(), order
    )
    return fine, torch.zeros(SETS, MEMBERS, 1, 2, 2), 0.5 + draw(2), labels


def run(
    inputs: tuple[Tensor, Tensor, Tensor, MosLabels], weights: PmosLossWeights = WEIGHTS
) -> tuple[Tensor, dict[str, Tensor]]:
    loss, parts = PmosObjective(KnownMaps(), weights)(*inputs)  # type: ignore[arg-type]
    return loss, parts


def huber(error: float, beta: float) -> float:
    return error**2 / (2 * beta) if abs(error) < beta else abs(error) - beta / 2


def divergence(said: float, true: float) -> float:
    """Of two coins."""
    return true * math.log(true / said) + (1 - true) * math.log((1 - true) / (1 - said))


def slow_parts(inputs: tuple[Tensor, Tensor, Tensor, MosLabels]) -> dict[str, float]:
    """The formulas, cell by cell and pair by pair."""
    fine, _, late, labels = inputs
    fine, late = fine.double().numpy(), late.double().numpy()
    mos, defects, valid, image, disagreement, order = (values.double().numpy() for values in labels)
    score, roi = np.zeros((SETS, MEMBERS)), []
    wrong = apart = unlike = counted = regression = sure = doubt = 0.0
    for s, m in np.ndindex(SETS, MEMBERS):
        weight = fine[s, m, 1] * late[s, m, 0]
        score[s, m] = (weight * fine[s, m, 0]).sum() / weight.sum()
        said_mean = (valid[s, m, 0] * fine[s, m, 0]).sum() / valid[s, m, 0].sum()
        true_mean = (valid[s, m, 0] * mos[s, m, 0]).sum() / valid[s, m, 0].sum()
        for y, x in np.ndindex(CELLS, CELLS):
            less_means = (fine[s, m, 0, y, x] - said_mean) - (mos[s, m, 0, y, x] - true_mean)
            apart += valid[s, m, 0, y, x] * huber(less_means, 1.0)
            counted += valid[s, m, 0, y, x]
            wrong += valid[s, m, 0, y, x] * huber(fine[s, m, 0, y, x] - mos[s, m, 0, y, x], 1.0)
            for d in range(DEFECTS):
                unlike += valid[s, m, 0, y, x] * divergence(fine[s, m, 2 + d, y, x], defects[s, m, d, y, x])
        trust = 1 / (1 + (disagreement[s, m] / 0.6) ** 2)
        regression += trust * huber(score[s, m] - image[s, m], 0.5)
        sure += trust
        doubt += math.log(late[s, m, 1]) + abs(score[s, m] - image[s, m]) / late[s, m, 1]
        roi.append(torch.from_numpy(weight).float()[None, None])
    ordered = []
    for s, i, j in np.argwhere(order == 1):
        lead = 5 / 4 * (score[s, i] - score[s, j])  # five levels on four grades
        ordered.append(math.log1p(math.exp(-lead / 0.3)))  # RankNet at a temperature of 0.3 levels
    return {
        "dense": wrong / counted,
        "within": apart / counted,
        "defects": unlike / counted,
        "image": regression / sure,
        "order": sum(ordered) / len(ordered),
        "entropy": float(roi_entropy_gap(torch.cat(roi))),
        "shape": float(roi_roughness(torch.cat(roi))),
        "doubt": doubt / (SETS * MEMBERS),
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


@pytest.mark.parametrize("part", ["dense", "image"])
@pytest.mark.parametrize("ahead", [1.0, -1.0])
def test_the_map_is_pulled_towards_the_mos_that_is_wanted(part: str, ahead: float) -> None:
    fine, coarse, late, labels = batch()
    fine[:, :, 0] = 3
    labels = labels._replace(
        mos=torch.full_like(labels.mos, 3 + ahead), image_mos=torch.full_like(labels.image_mos, 3 + ahead)
    )
    run((fine.requires_grad_(), coarse, late, labels), only(part))[0].backward()
    assert fine.grad is not None and (fine.grad[:, :, 0] * ahead < 0).all()


def test_defects_are_pulled_towards_their_severities() -> None:
    fine, coarse, late, labels = batch()
    fine[:, :, 2:] = 0.5
    severity = torch.full_like(labels.defects, 0.1)
    severity[:, :, 1] = 0.9
    run((fine.requires_grad_(), coarse, late, labels._replace(defects=severity)), only("defects"))[0].backward()
    assert fine.grad is not None and (fine.grad[:, :, 2] > 0).all() and (fine.grad[:, :, 3] < 0).all()


def test_the_better_member_is_pulled_up_and_the_other_down() -> None:
    fine, coarse, late, labels = batch()
    fine[:, :, 0] = 3
    run((fine.requires_grad_(), coarse, late, labels), only("order"))[0].backward()
    assert fine.grad is not None
    pull = fine.grad[:, :, 0].sum((2, 3))
    assert pull[0, 0] < 0 < pull[0, 2] and pull[1, 2] < 0 < pull[1, 0]
    assert abs(pull[1, 1]) < 1e-6 * abs(pull[1, 0])


def test_the_doubt_is_pulled_towards_the_error_and_does_not_pull_the_score() -> None:
    fine, coarse, late, labels = batch()
    fine[:, :, 0] = 3
    labels = labels._replace(image_mos=torch.full_like(labels.image_mos, 4.0))  # off by one grade
    late[..., 1] = torch.tensor([0.5, 2.0, 0.5])
    run((fine.requires_grad_(), coarse, late.requires_grad_(), labels), only("doubt"))[0].backward()
    assert late.grad is not None and (late.grad[:, 1, 1] > 0).all() and (late.grad[:, [0, 2], 1] < 0).all()
    assert fine.grad is None or (fine.grad.abs() < 1e-5).all()
