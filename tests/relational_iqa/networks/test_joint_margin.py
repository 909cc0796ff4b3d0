"""What joins judgement and pair scorer: odd margins, even confidence, and the weights of both parts."""

import pytest
import torch

from relational_iqa.networks.joint_margin import PARTS, Findings, JointMargin, PairVerdict

KINDS = 3


@pytest.fixture
def joint() -> JointMargin:
    torch.manual_seed(0)
    joint = JointMargin(KINDS)
    for layer in (joint.trust, joint.sure):
        layer.weight.data = torch.randn_like(layer.weight)
        layer.bias.data = torch.randn_like(layer.bias)
    return joint.requires_grad_(False)


def pairs(count: int = 16) -> Findings:
    generator = torch.Generator().manual_seed(1)
    a, b = (-3 * torch.rand(count, 2, generator=generator) for _ in range(2))
    related, placed = (torch.randn(count, 2, generator=generator) for _ in range(2))
    pair = torch.randn(count, generator=generator)
    return Findings(a, b, related, placed, pair, 0.3 * torch.rand(count, KINDS, generator=generator))


def test_exchanged_images_negate_the_margin_and_keep_trust_and_confidence_to_the_bit(joint: JointMargin):
    one, other = joint(pairs()), joint(pairs().exchanged())
    assert torch.equal(one.margin, -other.margin)
    assert torch.equal(one.trust, other.trust) and torch.equal(one.confidence, other.confidence)


def test_the_margin_is_the_weighted_sum_of_its_parts(joint: JointMargin):
    found = pairs()
    verdict = joint(found)
    parts = ((found.judged_a - found.judged_b).mean(1), found.related.mean(1), found.placed.mean(1), found.pair)
    expected = sum(verdict.trust[:, number] * part for number, part in enumerate(parts))
    assert len(parts) == len(PARTS)
    assert torch.allclose(verdict.margin, expected, atol=1e-6) and float(verdict.trust.min()) > 0


def test_untrained_it_is_the_mean_of_its_parts_and_a_margin_of_a_level_is_95_percent_sure():
    joint = JointMargin(KINDS).requires_grad_(False)
    a, b = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-2.0, -4.0]])
    related, placed = torch.tensor([[0.5, 1.5]]), torch.tensor([[2.0, 0.0]])
    verdict = joint(Findings(a, b, related, placed, torch.tensor([0.5]), torch.zeros(1, KINDS)))
    assert float(verdict.margin) == pytest.approx((1.5 + 1.0 + 1.0 + 0.5) / 4)
    assert float(verdict.confidence) == pytest.approx(0.953, abs=0.01)


def test_no_margin_means_no_confidence_and_more_margin_more(joint: JointMargin):
    found = pairs(1)
    nothing = found._replace(
        judged_b=found.judged_a, related=torch.zeros(1, 2), placed=torch.zeros(1, 2), pair=torch.zeros(1)
    )
    assert float(joint(nothing).margin) == 0 and float(joint(nothing).confidence) == 0.5
    assert float(joint(found).confidence) > 0.5
    joint.temperature.fill_(100.0)
    assert float(joint(found).confidence) < 0.55


def test_cues_are_the_kinds_the_sizes_and_the_disagreement():
    a, b = torch.tensor([[1.0, -3.0]]), torch.zeros(1, 2)
    related, placed, pair = torch.tensor([[3.0, 4.0]]), torch.tensor([[-2.0, -2.0]]), torch.tensor([-0.5])
    found = Findings(a, b, related, placed, pair, torch.tensor([[0.25, 0.0, 0.04]])).cues()[0]
    # |-1|, |3.5|, |-2|, |-.5|, the deviations of 1 and -3, of 3 and 4, of -2 and -2, and the gaps
    # |-1 + .5|, |3.5 + 1|, |-2 - 3.5|, |-2 + .5|
    sizes = torch.log1p(torch.tensor([1.0, 3.5, 2.0, 0.5, 2.0, 0.5, 0.0, 0.5, 4.5, 5.5, 1.5]))
    assert torch.allclose(found, torch.cat([torch.tensor([0.5, 0.0, 0.2]), sizes]))


def test_local_margins_have_the_share_of_the_parts_that_know_places():
    trust = torch.tensor([[1.0, 0.0, 0.5, 2.0], [0.25, 1.0, 0.25, 0.5]])
    verdict = PairVerdict(torch.ones(2), torch.ones(2), trust)
    placed = torch.tensor([3.0, 4.0, 5.0])[None, :, None, None].expand(2, -1, 1, 1)
    # In the second pair the relation of whole images has half of all trust, so the others count twice.
    assert verdict.local_margin(placed).flatten().tolist() == [15.0, 2 * 4.25]
    alone = PairVerdict(torch.ones(2), None, None)
    assert torch.equal(alone.local_margin(placed[:, :1]), placed[:, :1])
