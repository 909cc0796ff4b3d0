"""The scoring network: visibilities, monotone pooling, local quality, and what is odd or even in the margin."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from relational_iqa.networks.distortion_network import Relation
from relational_iqa.networks.pair_scorer import LocalMargin
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.networks.pooling import Monotone
from relational_iqa.networks.reference_scorer import LocalQuality
from relational_iqa.networks.similarity_maps import SimilarityMaps


@pytest.fixture
def pair(versions: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(a, b), each (2, 3, 80, 96)."""
    return torch.stack([versions[1], versions[2]]), torch.stack([versions[3], versions[0]])


# -- scoring network ---------------------------------------------------------------------------------------------------


def test_visibilities_are_exactly_zero_where_test_equals_reference_and_positive_elsewhere(
    random_networks: Networks, pair: tuple[Tensor, Tensor]
) -> None:
    test, reference = pair
    maps, cues = SimilarityMaps()(test, reference)
    assert maps.shape[1] == SimilarityMaps.channels and cues.shape[1] == SimilarityMaps.cues
    assert maps.min() >= 0 and maps.isfinite().all() and cues.isfinite().all()
    assert not SimilarityMaps()(test, test.clone())[0].any()
    scorer = random_networks.scoring.reference
    local = scorer.local(test, reference, random_networks.distortion(reference, test))
    assert local.visibility.min() >= 0 and local.visibility.max() > 0 and local.weight.min() > 0
    same = scorer.local(test, test.clone(), random_networks.distortion(test, test.clone()))
    assert not same.visibility.any() and not scorer.quality(same.sums(torch.ones(1, 1, 20, 24))).any()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**16),
    size=st.floats(-6, 2),
    rises=st.lists(st.floats(0, 3, width=32), min_size=6, max_size=6),
)
def test_monotone_pooling_never_falls_when_an_input_rises(seed: int, size: float, rises: list[float]) -> None:
    torch.manual_seed(seed)
    function = Monotone(6, 10)
    with torch.no_grad():
        for parameter in function.parameters():
            parameter.add_(torch.randn_like(parameter))
    low = torch.rand(6) * 10**size
    high = low + torch.tensor(rises) * 10**size
    values = function(torch.stack([torch.zeros(6), low, high])).detach()
    rounding = 1e-6 * (1 + float(values.abs().max()))
    assert float(values[0]) == 0 and float(values[1]) >= -rounding and float(values[2]) >= float(values[1]) - rounding


def test_quality_never_rises_when_a_visibility_does(random_networks: Networks) -> None:
    scorer = random_networks.scoring.reference
    visibility, weight = torch.rand(1, scorer.groups, 6, 6), torch.rand(1, 1, 6, 6) + 0.1
    everywhere = torch.ones(1, 1, 6, 6)
    before = scorer.quality(LocalQuality(visibility, weight).sums(everywhere))
    for group in range(scorer.groups):
        worse = visibility.clone()
        worse[:, group, 2, 3] += 0.5
        assert scorer.quality(LocalQuality(worse, weight).sums(everywhere)) < before
        local = scorer.local_quality(LocalQuality(worse, weight)) - scorer.local_quality(
            LocalQuality(visibility, weight)
        )
        assert local[0, 0, 2, 3] < 0 and local.count_nonzero() == 1


def test_local_quality_is_the_quality_of_an_image_that_looks_like_it_everywhere(random_networks: Networks) -> None:
    scorer = random_networks.scoring.reference
    local = LocalQuality(torch.rand(1, scorer.groups, 1, 1).expand(-1, -1, 6, 6), torch.rand(1, 1, 6, 6) + 0.1)
    pooled = scorer.quality(local.sums(torch.ones(1, 1, 6, 6)))
    torch.testing.assert_close(scorer.local_quality(local), pooled.view(1, 1, 1, 1).expand(1, 1, 6, 6))


def test_sums_of_parts_add_up_to_the_sums_of_the_whole() -> None:
    part = (torch.rand(1, 1, 8, 8) > 0.5).float()
    locals_ = (
        LocalQuality(torch.rand(2, 8, 8, 8), torch.rand(2, 1, 8, 8)),
        LocalMargin(torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8), torch.randn(2, 32, 8, 8)),
    )
    for local in locals_:
        whole, sums = local.sums(torch.ones(1, 1, 8, 8)), local.sums(part) + local.sums(1 - part)
        for name in ("weight", "value", "square"):
            torch.testing.assert_close(getattr(sums, name), getattr(whole, name))


def test_margin_and_embedding_are_odd_and_weights_even(random_networks: Networks, pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    scorer, everywhere = random_networks.scoring.pair, torch.ones(1, 1, 20, 24)

    def run(x: Tensor, y: Tensor) -> LocalMargin:
        relation: Relation = random_networks.distortion(x, y)
        return scorer.local(relation)

    there, back = run(a, b), run(b, a)
    assert torch.equal(there.margin, -back.margin) and torch.equal(there.weight, back.weight)
    assert torch.equal(there.embedding, -back.embedding) and there.weight.min() > 0
    sums, sums_back = there.sums(everywhere), back.sums(everywhere)
    assert torch.equal(scorer.margin(sums), -scorer.margin(sums_back)) and scorer.margin(sums).all()
    assert torch.equal(scorer.embedding(sums), -scorer.embedding(sums_back))
    assert not scorer.margin(run(a, a.clone()).sums(everywhere)).any()
