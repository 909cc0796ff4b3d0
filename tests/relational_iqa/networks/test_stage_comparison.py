"""What the stages see of an image beside its reference: the formula, cell by cell, and nothing where they are equal."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from relational_iqa.networks.backbone import BackboneArchitecture, random_weights
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture
from relational_iqa.networks.stage_comparison import compare_stages

SMALL = JudgementArchitecture(BackboneArchitecture(taps=(-1, 2)), half_taps=1, hidden=8, heads=2)
STAGES = 3  # two at full size, one at half size


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    torch.manual_seed(0)
    model = Judgement(SMALL)
    images = picture(0, 2)
    random_weights(model.stages, images, seed=1)
    model.calibrate(images)
    return model.eval().requires_grad_(False)


def picture(seed: int, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 10, generator=generator)
    fine = torch.rand(count, 3, 64, 80, generator=generator)
    return 0.7 * F.interpolate(coarse, (64, 80), mode="bilinear") + 0.3 * fine


def test_distances_and_activity_are_those_of_their_formulas(judgement: Judgement):
    test, reference = picture(1), picture(2)
    found = compare_stages(judgement, *judgement.see([test], reference))
    assert found.distances.shape == (1, 2 * STAGES, 4, 5) and found.activity.shape == (1, STAGES, 4, 5)
    # The first stage, of stride 2, around the cell (1, 2): 3 x 3 cells are 24 x 24 of its places.
    planes, other = judgement.stages(test, 1)[0], judgement.stages(reference, 1)[0]
    count = planes.shape[1]
    shift, scale = judgement.channel_mean[:count, None, None], judgement.channel_scale[:count, None, None]
    x, y = (((plane[0] - shift) * scale)[:, 0:24, 8:32].double().flatten(1) for plane in (planes, other))
    covariance = ((x - x.mean(1, keepdim=True)) * (y - y.mean(1, keepdim=True))).mean(1)
    variances = x.var(1, correction=0) + y.var(1, correction=0)
    structure = (1 - (2 * covariance + 0.01) / (variances + 0.01)).mean()
    assert float(found.distances[0, 0, 1, 2]) == pytest.approx(float(structure), rel=1e-3)
    zero = (judgement.channel_mean * judgement.channel_scale)[: x.shape[0]]
    u, v = x.mean(1) + zero, y.mean(1) + zero
    mean = (1 - (2 * u * v + 0.01) / (u * u + v * v + 0.01)).mean()
    assert float(found.distances[0, STAGES, 1, 2]) == pytest.approx(float(mean), rel=1e-3)
    activity = torch.log(y.var(1, correction=0).mean() + 0.01)
    assert float(found.activity[0, 0, 1, 2]) == pytest.approx(float(activity), abs=1e-3)


def test_equal_places_have_exactly_no_distance_and_others_do(judgement: Judgement):
    reference = picture(3)
    test = reference.clone()
    test[..., 64:] = 1 - test[..., 64:]
    found = compare_stages(judgement, *judgement.see([test], reference)).distances
    assert (found[..., 0] == 0).all() and (found[..., 4] > 0.01).all()
    same = compare_stages(judgement, *judgement.see([reference], reference.clone())).distances
    assert (same == 0).all()
