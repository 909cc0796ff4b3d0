"""The losses of both stages of the core: weighted sums of their parts, with the images on the sides they belong to."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.training.losses.ranked_sets import pair_losses, reference_losses
from relational_iqa.training.losses.relation_maps import distortion_losses
from relational_iqa.training.pixel_perfect.distortion_stage import DistortionLossWeights, DistortionObjective
from relational_iqa.training.pixel_perfect.scoring_stage import ScoringLossWeights, ScoringObjective

WEIGHTS = ScoringLossWeights(order=2.0, agreed=3.0, consensus=5.0, contrast=7.0, nothing=11.0)


class Darkness(ScoringObjective):
    """Takes every image for the darker the worse, in levels; `side` -1 takes it for the better."""

    def __init__(self, networks: Networks, side: float = 1.0) -> None:
        super().__init__(networks.distortion, networks.scoring, WEIGHTS)
        self.side = side

    def _quality(self, test: Tensor, reference: Tensor) -> Tensor:
        return 5 * self.side * (test - reference).mean((1, 2, 3))

    def _margin(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        margin = 5 * self.side * (a - b).mean((1, 2, 3))
        return margin, margin[:, None].expand(-1, 3)


@pytest.fixture
def batch() -> dict[str, Tensor]:
    """Two sets of a grey reference and three darker and darker members; all metrics see that."""
    severity = torch.tensor([[0.0, 0.1, 0.3, 0.6], [0.0, 0.2, 0.45, 0.75]])
    images = (0.9 - severity)[:, :, None, None, None].expand(-1, -1, 3, 16, 16)
    return {
        "images": images,
        "ranks": torch.arange(-1, 3).expand(2, -1),
        "labels": severity[:, :, None].expand(-1, -1, 2),
        "certainty": torch.ones(2),
        "pairs": torch.tensor([[[0, 1], [3, 2]], [[1, 3], [2, 0]]]),
        "lossless": torch.stack([images[:1, 1], images[:1, 1] - 0.02], 1),
    }


def test_the_scoring_loss_is_the_weighted_sum_of_its_parts(random_networks: Networks, batch: dict[str, Tensor]) -> None:
    loss, parts = Darkness(random_networks)(**batch)
    quality = -5 * batch["labels"].mean(-1)
    expected: dict[str, Tensor] = reference_losses(quality, batch["ranks"], batch["labels"], batch["certainty"])
    better = torch.tensor([0.1, -0.3, 0.55, -0.45]) * 5  # the first member of each pair is better by so much
    rest = batch["ranks"], batch["labels"], batch["certainty"], quality
    expected |= pair_losses(better, better[:, None].expand(-1, 3), batch["pairs"], *rest)
    expected["nothing"] = torch.tensor(0.1**2)  # squared error over 2 beta, beta half a level
    for name, value in expected.items():
        assert float(parts[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), name
    factors = {
        "order": 2,
        "pair_order": 2,
        "agreed": 3,
        "consensus": 5,
        "pair_consensus": 5,
        "contrast": 7,
        "nothing": 11,
    }
    total = sum(factor * float(parts[name]) for name, factor in factors.items())
    assert float(loss) == pytest.approx(total, rel=1e-5)


def test_a_scorer_that_takes_worse_for_better_pays_in_every_part(
    random_networks: Networks, batch: dict[str, Tensor]
) -> None:
    _, right = Darkness(random_networks)(**batch)
    _, wrong = Darkness(random_networks, side=-1.0)(**batch)
    for name in ("order", "pair_order", "agreed", "consensus", "pair_consensus"):
        assert right[name] < wrong[name], name
    assert right["order_right"] == right["pair_right"] == 1 and wrong["order_right"] == wrong["pair_right"] == 0


def test_the_scorers_are_asked_for_the_test_image_against_its_reference_and_for_a_against_b(
    random_networks: Networks, versions: list[Tensor]
) -> None:
    objective = ScoringObjective(random_networks.distortion, random_networks.scoring, WEIGHTS)
    a, b = versions[1][None], versions[2][None]
    relation = random_networks.distortion(b, a)
    local = random_networks.scoring.reference.local(a, b, relation)
    quality = random_networks.scoring.reference.quality(local.sums(torch.ones(1, 1, *local.weight.shape[-2:])))
    torch.testing.assert_close(objective._quality(a, b), quality)
    there, back = objective._margin(a, b)[0], objective._margin(b, a)[0]
    assert torch.equal(there, -back) and there.abs() > 0
    pair = random_networks.scoring.pair.local(random_networks.distortion(a, b))
    margin = random_networks.scoring.pair.margin(pair.sums(torch.ones(1, 1, *pair.weight.shape[-2:])))
    torch.testing.assert_close(there, margin)


class FixedRelation(nn.Module):
    """Says the same of every pair."""

    def __init__(self, **said: Tensor) -> None:
        super().__init__()
        self.said = said

    def forward(self, a: Tensor, b: Tensor) -> Any:
        return SimpleNamespace(**self.said)


def test_the_distortion_loss_is_the_weighted_sum_of_its_parts_and_counts_axes_in_strong_places() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(channels: int) -> Tensor:
        return torch.rand(2, channels, 2, 2, generator=generator) * 2 - 1

    said = {"maps": draw(2), "type_logits": draw(3), "magnitude": draw(1), "direction": 0.9 * draw(2)}
    target, valid = draw(2), torch.ones(2, 1, 2, 2)
    target[0, :, 0, 0] = 0.29  # too faint to be counted
    valid[1, 0, 1, 1] = 0.5  # and this place is not sure
    weights = DistortionLossWeights(type=2.0, magnitude=3.0, sign=5.0, map=7.0)
    objective = DistortionObjective(FixedRelation(**said), weights)  # type: ignore[arg-type]
    loss, parts = objective(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8), target, valid)
    expected = distortion_losses(*said.values(), target, valid)
    total = 2 * expected["type"] + 3 * expected["magnitude"] + 5 * expected["sign"] + 7 * expected["map"]
    assert float(loss) == pytest.approx(float(total), rel=1e-5)
    hits = places = 0
    for b in range(2):
        for y in range(2):
            for x in range(2):
                truth = target[b, :, y, x].abs()
                if truth.max() >= 0.3 and valid[b, 0, y, x] > 0.5:
                    places += 1
                    hits += int(said["type_logits"][b, :2, y, x].argmax() == truth.argmax())
    assert 0 < places < 8 and float(parts["axis_right"]) == pytest.approx(hits / places)
