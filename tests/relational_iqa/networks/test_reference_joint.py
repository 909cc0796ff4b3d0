"""What joins reference scorer and stages: nothing for the reference, never better where more is wrong, sums of tiles,
and how sure an order is."""

import pytest
import torch
from torch import Tensor

from relational_iqa.networks.reference_joint import (
    GROUPS,
    Evidence,
    LocalReferenceQuality,
    ReferenceJoint,
)
from relational_iqa.networks.reference_scorer import LocalQuality

DISTANCES, CONTEXT = 5, 3


@pytest.fixture
def joint() -> ReferenceJoint:
    torch.manual_seed(0)
    joint = ReferenceJoint(DISTANCES, CONTEXT)
    for layer in (joint.gates, joint.weight, joint.sure):
        layer.weight.data = 0.3 * torch.randn_like(layer.weight)
    joint.calibrate(evidence(8))
    return joint.requires_grad_(False)


def evidence(count: int, seed: int = 0) -> Evidence:
    generator = torch.Generator().manual_seed(seed)
    distances = torch.rand(count, DISTANCES, 4, 6, generator=generator) ** 3
    return Evidence(distances, 2 + 3 * torch.randn(count, CONTEXT, 4, 6, generator=generator))


def quality(joint: ReferenceJoint, found: Evidence, scorer: Tensor | None = None) -> Tensor:
    local = joint.local(found)
    pooled = local.sums(torch.ones_like(local.weight[:1]))
    return joint.quality(torch.zeros(len(found.distances)) if scorer is None else scorer, pooled)


def test_equal_images_lose_exactly_nothing_and_others_something(joint: ReferenceJoint):
    found = evidence(3)
    nothing = found._replace(distances=torch.zeros_like(found.distances))
    assert (joint.local(nothing).visibility == 0).all() and (quality(joint, nothing) == 0).all()
    assert (quality(joint, found) < 0).all()


def test_calibration_brings_distances_to_one_size_and_context_to_unit_spread(joint: ReferenceJoint):
    found = evidence(8)
    distances = joint._distances(found.distances)
    assert torch.allclose(distances.square().mean((0, 2, 3)).sqrt(), torch.full((2 * DISTANCES,), 0.7), atol=1e-5)
    context = (found.context - joint.offset) * joint.scale
    assert torch.allclose(context.mean((0, 2, 3)), torch.zeros(CONTEXT), atol=1e-5)
    assert torch.allclose(context.std((0, 2, 3)), torch.ones(CONTEXT), atol=1e-5)


def test_more_visibility_never_raises_the_quality(joint: ReferenceJoint):
    local = joint.local(evidence(1))
    everywhere = torch.ones_like(local.weight)
    before = joint.quality(torch.tensor([-1.0]), local.sums(everywhere))
    for group in range(GROUPS):
        worse = local.visibility.clone()
        worse[:, group, 2, 3] += 1.0
        assert joint.quality(torch.tensor([-1.0]), LocalQuality(worse, local.weight).sums(everywhere)) < before
    assert joint.quality(torch.tensor([-2.0]), local.sums(everywhere)) < before


def test_the_share_of_the_reference_scorer_is_one_before_training():
    joint = ReferenceJoint(DISTANCES, CONTEXT)
    found = evidence(2)
    nothing = found._replace(distances=torch.zeros_like(found.distances))
    with torch.no_grad():
        assert torch.allclose(quality(joint, nothing, torch.tensor([-1.0, -3.0])), torch.tensor([-1.0, -3.0]))
        joint.share.fill_(-40.0)
        assert torch.allclose(quality(joint, nothing, torch.tensor([-1.0, -3.0])), torch.zeros(2), atol=1e-6)


def test_an_image_that_looks_the_same_everywhere_has_its_local_quality(joint: ReferenceJoint):
    found = Evidence(*(part[..., :1, :1].expand(-1, -1, 4, 6) for part in evidence(2)))
    local = joint.local(found)
    whole = quality(joint, found, torch.tensor([-1.0, -2.0]))
    scorer = torch.tensor([-1.0, -2.0])[:, None, None, None].expand(-1, 1, 16, 24)
    seen = joint.local_quality(scorer, local)
    assert seen.shape == (2, 1, 16, 24)
    assert torch.allclose(seen, whole[:, None, None, None].expand_as(seen), atol=1e-4)


def test_sums_count_the_share_of_every_cell_and_tiles_add(joint: ReferenceJoint):
    local = joint.local(evidence(1))
    scorer = LocalQuality(torch.rand(1, 2, 16, 24), torch.ones(1, 1, 16, 24))
    both = LocalReferenceQuality(torch.zeros(1, 1, 16, 24), scorer, local)
    share = torch.ones(1, 1, 16, 24)
    left, right = share.clone(), share.clone()
    left[..., 12:], right[..., :12] = 0, 0
    whole, added = both.sums(share), both.sums(left) + both.sums(right)
    assert whole.joined is not None and added.joined is not None
    assert torch.allclose(whole.joined.value, added.joined.value, rtol=1e-5)
    assert torch.allclose(whole.scorer.value, added.scorer.value, rtol=1e-5)
    # Of the grid of cells, a share of the 1/4 grid counts by its mean: half of a cell is half.
    share[..., 22:] = 0
    expected = (local.weight * local.visibility)[..., :5].sum((2, 3))
    expected += 0.5 * (local.weight * local.visibility)[..., 5].sum(2)
    found = both.sums(share).joined
    assert found is not None and torch.allclose(found.value, expected, rtol=1e-5)


def test_the_confidence_is_even_half_where_nothing_differs_and_rises_with_the_difference(joint: ReferenceJoint):
    one, other = (torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -2.5])), (torch.tensor([-1.2, -4.0]),) * 2
    assert torch.equal(joint.confidence(one, other), joint.confidence(other, one))
    assert joint.confidence(one, one).tolist() == [0.5, 0.5]
    plain = ReferenceJoint(DISTANCES, CONTEXT)
    with torch.no_grad():
        near, far = plain.confidence((torch.tensor([-1.0, -1.0]),) * 2, (torch.tensor([-1.1, -2.0]),) * 2).tolist()
    assert 0.5 < near < 0.7 and far > 0.93
