"""Margins and rankings with and without a reference."""

import itertools

import numpy as np
import pytest
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.systems.pixel_perfect import RelationalIQA


def test_margins_with_a_reference_are_differences_of_qualities(
    random_model: RelationalIQA, versions: list[Tensor]
) -> None:
    reference = versions[0]
    a, b = versions[1], versions[2]
    result = random_model.compare(a, b, reference)
    qualities = [random_model.score(image, reference).quality for image in (a, b)]
    assert [result.quality_a, result.quality_b] == qualities
    assert result.margin == pytest.approx(qualities[0] - qualities[1], abs=1e-6)
    assert random_model.compare(a, b).quality_a is None
    assert random_model.compare(reference, b, reference).margin == pytest.approx(-qualities[1], abs=1e-6)


def test_ranking_with_a_reference_is_transitive_and_antisymmetric(
    random_model: RelationalIQA, versions: list[Tensor]
) -> None:
    ranking = random_model.rank(versions[1:], reference=versions[0])
    table = ranking.pairwise
    assert np.array_equal(table, -table.T)
    for i, j, k in itertools.permutations(range(4), 3):
        assert table[i, j] + table[j, k] == pytest.approx(table[i, k], abs=1e-9)
    assert ranking.qualities is not None
    assert [ranking.qualities[i] for i in ranking.order] == sorted(ranking.qualities, reverse=True)
    assert all(margin >= 0 for margin in ranking.margins)
    direct = random_model.compare(versions[1], versions[3], versions[0]).margin
    assert table[0, 2] == pytest.approx(direct, abs=1e-6)


def test_ranking_does_not_depend_on_the_order_of_the_images(
    random_model: RelationalIQA, versions: list[Tensor]
) -> None:
    images = versions[1:]
    for reference in (None, versions[0]):
        forward, backward = random_model.rank(images, reference), random_model.rank(images[::-1], reference)
        assert list(forward.order) == [3 - index for index in backward.order]
        np.testing.assert_allclose(forward.pairwise, backward.pairwise[::-1, ::-1], atol=1e-6)


def test_ranking_without_a_reference_holds_the_margins_of_its_pairs(
    random_model: RelationalIQA, versions: list[Tensor]
) -> None:
    ranking = random_model.rank(versions[1:])
    assert ranking.qualities is None and np.array_equal(ranking.pairwise, -ranking.pairwise.T)
    assert ranking.pairwise[1, 3] == random_model.compare(versions[2], versions[4]).margin
    with pytest.raises(UsageError, match="two images or more, got 1"):
        random_model.rank(versions[:1])
