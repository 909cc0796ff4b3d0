"""What joins judgement and pair scorer: odd margins, even confidence, and the weights of both parts."""

import pytest
import torch
from torch import Tensor

from relational_iqa.networks.joint_margin import JointMargin, PairVerdict

KINDS = 3


@pytest.fixture
def joint() -> JointMargin:
    torch.manual_seed(0)
    joint = JointMargin(KINDS)
    for layer in (joint.trust, joint.sure):
        layer.weight.data = torch.randn_like(layer.weight)
        layer.bias.data = torch.randn_like(layer.bias)
    return joint.requires_grad_(False)


def pairs(count: int = 16) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    a, b = (-3 * torch.rand(count, 2, generator=generator) for _ in range(2))
    related, pair = torch.randn(count, 2, generator=generator), torch.randn(count, generator=generator)
    return a, b, related, pair, 0.3 * torch.rand(count, KINDS, generator=generator)


def test_exchanged_images_negate_the_margin_and_keep_trust_and_confidence_to_the_bit(joint: JointMargin):
    a, b, related, pair, kinds = pairs()
    one, other = joint(a, b, related, pair, kinds), joint(b, a, -related, -pair, kinds)
    assert torch.equal(one.margin, -other.margin)
    assert torch.equal(one.trust, other.trust) and torch.equal(one.confidence, other.confidence)


def test_the_margin_is_the_weighted_sum_of_its_parts(joint: JointMargin):
    a, b, related, pair, kinds = pairs()
    verdict = joint(a, b, related, pair, kinds)
    expected = verdict.trust[:, 0] * (a - b).mean(1) + verdict.trust[:, 1] * related.mean(1)
    expected += verdict.trust[:, 2] * pair
    assert torch.allclose(verdict.margin, expected, atol=1e-6) and float(verdict.trust.min()) > 0


def test_untrained_it_is_the_mean_of_its_parts_and_a_margin_of_a_level_is_95_percent_sure():
    joint = JointMargin(KINDS).requires_grad_(False)
    a, b = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-2.0, -4.0]])
    verdict = joint(a, b, torch.tensor([[0.5, 1.5]]), torch.tensor([0.5]), torch.zeros(1, KINDS))
    assert float(verdict.margin) == pytest.approx((1.5 + 1.0 + 0.5) / 3)
    assert float(verdict.confidence) == pytest.approx(0.953, abs=0.01)


def test_no_margin_means_no_confidence_and_more_margin_more(joint: JointMargin):
    a, b, related, pair, kinds = pairs(1)
    nothing = joint(a, a, torch.zeros(1, 2), torch.zeros(1), kinds)
    assert float(nothing.margin) == 0 and float(nothing.confidence) == 0.5
    assert float(joint(a, b, related, pair, kinds).confidence) > 0.5
    joint.temperature.fill_(100.0)
    assert float(joint(a, b, related, pair, kinds).confidence) < 0.55


def test_cues_are_the_kinds_the_sizes_and_the_disagreement():
    apart, related, pair = torch.tensor([[1.0, -3.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([-0.5])
    found = JointMargin.cues(apart, related, pair, torch.tensor([[0.25, 0.0, 0.04]]))[0]
    # |-1|, |3.5|, |-.5|, the deviations of 1 and -3 and of 3 and 4, |-1 + .5|, |3.5 + 1|
    sizes = torch.log1p(torch.tensor([1.0, 3.5, 0.5, 2.0, 0.5, 0.5, 4.5]))
    assert torch.allclose(found, torch.cat([torch.tensor([0.5, 0.0, 0.2]), sizes]))


def test_local_margins_have_the_share_of_the_parts_that_know_places():
    verdict = PairVerdict(torch.ones(2), torch.ones(2), torch.tensor([[1.0, 0.0, 2.0], [0.5, 1.0, 0.5]]))
    judged, pair = torch.full((2, 1, 1, 1), 3.0), torch.full((2, 1, 1, 1), 5.0)
    # In the second pair the relation has half of all trust, so the others count twice.
    assert verdict.local_margin(judged, pair).flatten().tolist() == [13.0, 8.0]
    alone = PairVerdict(torch.ones(2), None, None)
    assert torch.equal(alone.local_margin(None, pair), pair)
    assert alone.local_factors().tolist() == [[0.0, 1.0], [0.0, 1.0]]
