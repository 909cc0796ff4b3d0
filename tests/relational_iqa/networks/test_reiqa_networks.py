"""MoCo-v2 as it is meant: InfoNCE with its negatives, queue, momentum, shuffled batch statistics."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.networks.reiqa import ImageEncoder, MomentumContrast, ReIQAEncoders
from relational_iqa.networks.resnet import ResNet, half_scale, imagenet_normalised


def build(queue: int = 12, groups: int = 1, momentum: float = 0.9) -> MomentumContrast:
    torch.manual_seed(0)
    return MomentumContrast(ImageEncoder(ResNet(18, 2), False), queue, momentum, 0.2, groups)


@pytest.fixture()
def views() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    queries = torch.rand(6, 3, 32, 32)
    return queries, (queries + 0.2 * torch.rand(6, 3, 32, 32)).clamp(0, 1)


def oracle(model: MomentumContrast, queries: Tensor, keys: Tensor, family: list[int], weight: float = 1.0) -> float:
    """InfoNCE by a loop over queries: own key against the queue and the family's other keys."""
    q, k = (F.normalize(net(x), dim=1) for net, x in ((model.query, queries), (model.key, keys)))
    losses = []
    for i in range(len(q)):
        own = torch.exp(q[i] @ k[i] / 0.2)
        queue = sum(weight * torch.exp(q[i] @ old / 0.2) for old in model.queue)
        others = [torch.exp(q[i] @ k[j] / 0.2) for j in range(len(k)) if j != i and family and family[j] == family[i]]
        losses.append(-torch.log(own / (own + queue + sum(others))))
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("family", [[], [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2]])
def test_loss_equals_a_hand_written_infonce(family: list[int], views: tuple[Tensor, Tensor]) -> None:
    model = build()
    expected_by = copy.deepcopy(model).train()
    with torch.no_grad():
        expected_by.momentum_update()
        expected = oracle(expected_by, *views, family)
    loss, parts = model.train()(*views, torch.tensor(family) if family else None)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    assert ("hard_negatives_beaten" in parts) == bool(family) and 0 <= parts["found"] <= 1


def test_a_key_of_the_queue_counts_for_as_many_negatives_as_its_weight_says(views: tuple[Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    model = MomentumContrast(ImageEncoder(ResNet(18, 2), False), 12, 0.9, 0.2, queue_weight=0.01).eval()
    family = [0, 0, 0, 1, 1, 1]
    with torch.no_grad():
        loss, _ = model(*views, torch.tensor(family))
        assert loss.item() == pytest.approx(oracle(model, *views, family, 0.01), abs=1e-5)
        assert loss.item() < oracle(model, *views, family) - 0.01
    with pytest.raises(UsageError, match="queue_weight is 0"):
        MomentumContrast(ImageEncoder(ResNet(18, 2), False), queue_weight=0)


def test_versions_of_one_photograph_are_negatives_and_others_of_the_batch_are_not(
    views: tuple[Tensor, Tensor],
) -> None:
    queries, keys = views
    model = build().eval()
    apart, _ = model(queries, keys, torch.arange(6))  # every row alone: as without a family
    alone, _ = model(queries, keys)
    together, _ = model(queries, keys, torch.zeros(6, dtype=torch.long))
    assert apart.item() == pytest.approx(alone.item()) and together.item() > alone.item() + 0.1


def test_keys_replace_the_oldest_of_the_queue(views: tuple[Tensor, Tensor]) -> None:
    model = build(queue=10).train()
    start = model.queue.clone()
    model(*views)
    first = model.queue.clone()
    assert int(model.cursor) == 6 and torch.equal(first[6:], start[6:]) and not (first[:6] == start[:6]).all(1).any()
    assert torch.allclose(first.norm(dim=1), torch.ones(10), atol=1e-5)
    model(*views)
    second = model.queue.clone()
    assert int(model.cursor) == 2 and torch.equal(second[2:6], first[2:6])
    assert not (second[6:] == first[6:]).all(1).any() and not (second[:2] == first[:2]).all(1).any()
    small = build(queue=4).train()
    small(*views)  # more keys than room: the newest stay
    assert torch.allclose(small.queue.norm(dim=1), torch.ones(4), atol=1e-5) and int(small.cursor) == 0


def test_the_key_encoder_follows_slowly_and_gets_no_gradient(views: tuple[Tensor, Tensor]) -> None:
    model = build(momentum=0.9).train()
    with torch.no_grad():
        for parameter in model.query.parameters():
            parameter.add_(1.0)
    key, query = ([p.clone() for p in net.parameters()] for net in (model.key, model.query))
    loss, _ = model(*views)
    loss.backward()
    for slow, before, fast in zip(model.key.parameters(), key, query, strict=True):
        assert torch.allclose(slow, 0.9 * before + 0.1 * fast, atol=1e-5)
        assert slow.grad is None and not slow.requires_grad
    assert all(p.grad is not None for p in model.query.parameters())


def test_nothing_moves_in_eval_mode(views: tuple[Tensor, Tensor]) -> None:
    model = build().eval()
    before = copy.deepcopy(model.state_dict())
    model(*views)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_shuffled_groups_return_keys_in_their_own_order(views: tuple[Tensor, Tensor]) -> None:
    whole, grouped = build(groups=1).eval(), build(groups=3).eval()  # in eval mode groups cannot matter
    torch.manual_seed(9)
    assert torch.allclose(grouped._project_shuffled(views[1]), whole._project_shuffled(views[1]), atol=1e-5)
    torch.manual_seed(9)
    order = torch.randperm(6)
    grouped.train()
    keys = grouped._project_shuffled(views[1])
    fresh = build(groups=3).train()
    first = F.normalize(fresh.key(views[1][order[:2]]), dim=1)  # statistics of a group, not of the batch
    assert torch.allclose(keys[order[:2]], first, atol=1e-5)


def test_options_out_of_range_are_named() -> None:
    with pytest.raises(UsageError, match="momentum is 1.0"):
        build(momentum=1.0)


def test_the_content_encoder_normalises_and_the_quality_encoder_does_not() -> None:
    torch.manual_seed(0)
    network = ResNet(18, 2).eval()
    encoders = ReIQAEncoders(network, copy.deepcopy(network)).eval()
    image = torch.rand(2, 3, 40, 56)
    assert torch.equal(encoders.quality(image), network(image))
    assert torch.equal(encoders.content(image), network(imagenet_normalised(image)))
    both = encoders.quality.two_scales(image)
    assert torch.equal(both, torch.cat([network(image), network(half_scale(image))], 1)) and both.shape == (2, 32)
