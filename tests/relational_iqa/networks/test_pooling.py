"""Pooling of local results against slow sums, and the sign of what comes out."""

import math

import pytest
import torch
from torch import Tensor

from relational_iqa.networks.pair_scorer import LocalMargin
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.networks.pmos_head import MosMaps, image_mos
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY, Monotone
from relational_iqa.networks.reference_scorer import LocalQuality
from relational_iqa.networks.spips_quality import LocalDifference


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def soft_root(value: float) -> float:
    """The square root with a finite slope at 0."""
    return value / (math.sqrt(value + 1e-6) + 1e-3)


def test_quality_pools_the_weighted_mean_and_the_root_mean_square_of_visibilities(random_networks: Networks) -> None:
    scorer = random_networks.scoring.reference
    visibility, weight, inside = drawn(0, 1, 8, 3, 4), 0.1 + drawn(1, 1, 1, 3, 4), drawn(2, 1, 1, 3, 4)
    cells = [(y, x, float(weight[0, 0, y, x] * inside[0, 0, y, x])) for y in range(3) for x in range(4)]
    total = sum(w for _, _, w in cells)
    means = [sum(w * float(visibility[0, g, y, x]) for y, x, w in cells) / total for g in range(8)]
    squares = [sum(w * float(visibility[0, g, y, x]) ** 2 for y, x, w in cells) / total for g in range(8)]
    pooled = torch.tensor([*means, *map(soft_root, squares)])
    expected = -5.0 * float(scorer.pool(pooled[None]))
    found = float(scorer.quality(LocalQuality(visibility, weight).sums(inside)))
    assert found == pytest.approx(expected, rel=1e-4) and found < 0
    assert LEVELS_PER_SEVERITY == 5.0


def test_margin_blends_the_mean_and_the_root_of_the_signed_mean_square(random_networks: Networks) -> None:
    scorer = random_networks.scoring.pair
    margin, weight, inside = 4 * drawn(3, 1, 1, 3, 4) - 1, 0.1 + drawn(4, 1, 1, 3, 4), drawn(5, 1, 1, 3, 4)
    embedding = drawn(6, 1, 32, 3, 4)
    cells = [(y, x, float(weight[0, 0, y, x] * inside[0, 0, y, x])) for y in range(3) for x in range(4)]
    total = sum(w for _, _, w in cells)
    values = [(float(margin[0, 0, y, x]), w) for y, x, w in cells]
    mean = sum(w * m for m, w in values) / total
    square = sum(w * m * abs(m) for m, w in values) / total
    share = 1 / (1 + math.exp(-float(scorer.blend)))
    expected = share * mean + (1 - share) * math.copysign(soft_root(abs(square)), square)
    sums = LocalMargin(margin, weight, embedding).sums(inside)
    assert float(scorer.margin(sums)) == pytest.approx(expected, rel=1e-4) and expected > 0
    mean_of_first = sum(w * float(embedding[0, 0, y, x]) for y, x, w in cells) / total
    assert float(scorer.embedding(sums)[0, 0]) == pytest.approx(mean_of_first, rel=1e-4)


def test_a_monotone_function_equals_its_slow_definition() -> None:
    torch.manual_seed(0)
    function = Monotone(3, 4)
    with torch.no_grad():
        for parameter in function.parameters():
            parameter.copy_(torch.randn_like(parameter))
    function.requires_grad_(False)
    x = [0.3, 0.0, 1.2]
    expected = sum(value * math.log1p(math.exp(float(d))) for value, d in zip(x, function.direct, strict=True))
    for unit in range(4):
        bias = float(function.bias[unit])
        weights = [math.log1p(math.exp(float(w))) for w in function.first[unit]]
        pre = bias + sum(w * value for w, value in zip(weights, x, strict=True))
        active = (lambda z: math.log1p(math.exp(z))) if unit < 2 else math.tanh
        expected += (active(pre) - active(bias)) * math.log1p(math.exp(float(function.second[unit])))
    assert float(function(torch.tensor([x]))) == pytest.approx(expected, rel=1e-4)


def test_spips_sums_the_weighted_maps_and_their_squares() -> None:
    maps, fusion, inside = drawn(7, 2, 3, 4, 5), torch.softmax(drawn(8, 2, 3, 4, 5), 1), drawn(9, 1, 1, 4, 5)
    local = LocalDifference(drawn(10, 2, 0, 16, 20), maps, fusion)
    sums = local.sums(inside)
    for b in range(2):
        assert float(sums.weight[b]) == pytest.approx(float(inside.sum()), rel=1e-5)
        for s in range(3):
            terms = [
                (float(inside[0, 0, y, x]), float(maps[b, s, y, x] * fusion[b, s, y, x]))
                for y in range(4)
                for x in range(5)
            ]
            assert float(sums.value[b, s]) == pytest.approx(sum(w * v for w, v in terms), rel=1e-4)
            assert float(sums.square[b, s]) == pytest.approx(sum(w * v * v for w, v in terms), rel=1e-4)
    fused = sum(maps[:, s] * fusion[:, s] for s in range(3))
    torch.testing.assert_close(local.fused[:, 0], fused)


def test_image_mos_is_the_weighted_mean_of_the_map() -> None:
    mos, roi = 1 + 4 * drawn(11, 2, 1, 3, 4), 0.1 + drawn(12, 2, 1, 3, 4)
    for found, m, w in zip(image_mos(MosMaps(mos, roi)), mos, roi, strict=True):
        pairs = list(zip(m.flatten().tolist(), w.flatten().tolist(), strict=True))
        assert float(found) == pytest.approx(sum(a * b for a, b in pairs) / sum(b for _, b in pairs), rel=1e-5)
