"""The losses of SPIPS on people's judgments, with a network that is a known function, and the sign of each."""

import math

import pytest
import torch
from torch import Tensor, nn

from relational_iqa.training.losses.ranking import rank_logistic
from relational_iqa.training.spips.stage import MosObjective, RankedObjective, SpipsLossWeights, TripletObjective


class Darkness(nn.Module):
    """Quality -5 times the mean difference; of n references each is that of the next tests."""

    def __init__(self, mos_range: tuple[float, float] = (0.0, 100.0)) -> None:
        super().__init__()
        self.mos_range = torch.tensor(mos_range)

    def forward(self, test: Tensor, reference: Tensor) -> Tensor:
        whole = reference.repeat_interleave(len(test) // len(reference), 0)
        return -5 * (whole - test).abs().mean((1, 2, 3))


def grey(*levels: float) -> Tensor:
    return torch.tensor(levels)[:, None, None, None].expand(-1, 3, 4, 4)


def test_the_preference_for_p1_is_the_logistic_of_its_lead() -> None:
    objective = TripletObjective(Darkness())  # type: ignore[arg-type]
    with torch.no_grad():
        objective.log_slope.fill_(math.log(2.0))
    reference, p0, p1, share = grey(0.9, 0.8), grey(0.7, 0.8), grey(0.8, 0.5), torch.tensor([0.75, 0.5])
    loss, parts = objective(reference, p0, p1, share)
    total = 0.0
    for lead, people in ((5 * 0.1, 0.75), (-5 * 0.3, 0.5)):  # quality of p1 minus that of p0
        prefer = 1 / (1 + math.exp(-2 * lead))
        total -= people * math.log(prefer) + (1 - people) * math.log(1 - prefer)
    assert loss.item() == pytest.approx(total / 2, rel=1e-4)
    assert float(parts["agreement"]) == pytest.approx((0.75 + 0.5) / 2)
    agreeing, _ = objective(reference, p0, p1, torch.tensor([1.0, 0.0]))
    opposing, _ = objective(reference, p0, p1, torch.tensor([0.0, 1.0]))
    assert agreeing < opposing


def test_the_best_score_of_people_is_quality_0_and_the_worst_is_minus_five_levels() -> None:
    objective = MosObjective(Darkness())  # type: ignore[arg-type]
    reference, score = grey(1.0, 1.0, 1.0), torch.tensor([100.0, 60.0, 0.0])
    loss, parts = objective(grey(1.0, 0.6, 0.0), reference, score)  # severity 0, .4 and 1: as people say
    assert float(parts["regression"]) == pytest.approx(0, abs=1e-6)
    leads = torch.tensor([2.0, 5.0, 3.0])  # the pairs that people put in order, better minus worse
    assert float(parts["order"]) == pytest.approx(float(rank_logistic(leads, torch.ones(3))), rel=1e-4)
    assert float(loss) == pytest.approx(0.5 * float(parts["order"]), rel=1e-4)
    wrong, parts = objective(grey(0.0, 0.6, 1.0), reference, score)
    huber = 1 - 0.025  # of two severities that are wrong by 1
    assert float(parts["regression"]) == pytest.approx(2 * huber / 3, rel=1e-4)
    assert float(parts["order"]) == pytest.approx(float(rank_logistic(-leads, torch.ones(3))), rel=1e-4)
    assert float(wrong) == pytest.approx(10 * float(parts["regression"]) + 0.5 * float(parts["order"]), rel=1e-4)


def test_scores_within_a_twentieth_of_the_scale_are_not_put_in_order() -> None:
    objective = MosObjective(Darkness())  # type: ignore[arg-type]
    _, near = objective(grey(0.5, 0.6), grey(1.0, 1.0), torch.tensor([50.0, 54.0]))
    _, far = objective(grey(0.5, 0.6), grey(1.0, 1.0), torch.tensor([50.0, 56.0]))
    assert near["order"] == 0 and far["order"] > 0


class MeanColour(nn.Module):
    """A backbone whose last stage says the colours of the image, times a parameter that can be trained."""

    channels = (3,)

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def features(self, images: Tensor) -> list[Tensor]:
        return [images.new_zeros(()), self.scale * images]


class DarknessWithBackbone(Darkness):
    """`Darkness` that claims a semantic stream."""

    streams = ("semantic",)

    def __init__(self) -> None:
        super().__init__()
        self.backbone = MeanColour()


def content_objective(weights: SpipsLossWeights) -> RankedObjective:
    torch.manual_seed(0)
    return RankedObjective(DarknessWithBackbone(), weights)  # type: ignore[arg-type]


def ranked_sets(images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The images (N, n + 1, 3, S, S) as sets whose members get worse, as two metrics see it."""
    number, members = images.shape[:2]
    labels = torch.linspace(0, 0.6, members)[None, :, None].expand(number, members, 2)
    return images, torch.arange(-1, members - 1).expand(number, members), labels, torch.ones(number)


def test_the_content_loss_is_info_nce_of_references_and_most_damaged_members() -> None:
    weights = SpipsLossWeights(order=2, agreed=3, consensus=5, content=7)
    images = torch.rand(4, 3, 3, 1, 1, generator=torch.Generator().manual_seed(1)).expand(4, 3, 3, 8, 8)
    objective = content_objective(weights)
    assert objective.content is not None
    matrix = objective.content.weight.detach()
    with torch.no_grad():
        loss, parts = objective(*ranked_sets(images))

    def embedded(number: int, member: int) -> Tensor:
        return nn.functional.normalize(matrix @ images[number, member].mean((1, 2)), dim=0)

    total = 0.0
    for i in range(4):
        likeness = [float(embedded(i, 0) @ embedded(j, 2)) / 0.1 for j in range(4)]  # reference i, last member j
        total -= math.log(math.exp(likeness[i]) / sum(map(math.exp, likeness))) / 8
        likeness = [float(embedded(j, 0) @ embedded(i, 2)) / 0.1 for j in range(4)]
        total -= math.log(math.exp(likeness[i]) / sum(map(math.exp, likeness))) / 8
    assert float(parts["content"]) == pytest.approx(total, rel=1e-4)
    expected = 2 * parts["order"] + 3 * parts["agreed"] + 5 * parts["consensus"] + 7 * parts["content"]
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


@torch.no_grad()
def test_content_is_cheaper_where_damaged_images_resemble_their_own_reference() -> None:
    colours = torch.eye(3)[:, None, :, None, None].expand(3, 2, 3, 8, 8)
    objective = content_objective(SpipsLossWeights())
    own = float(objective(*ranked_sets(colours))[1]["content"])
    exchanged = torch.stack([colours[:, 0], colours.roll(1, 0)[:, 1]], 1)
    assert own < float(objective(*ranked_sets(exchanged))[1]["content"])
    alone = objective(*ranked_sets(colours[:1]))[1]["content"]
    assert float(alone) == 0  # of one set there is nothing to tell apart
