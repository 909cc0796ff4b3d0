"""Margins and rankings with and without a reference."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.networks.backbone import BackboneArchitecture
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture
from relational_iqa.networks.pixel_perfect import Architecture, Networks
from relational_iqa.systems import pixel_perfect, tiled_networks
from relational_iqa.systems.pixel_perfect import WHOLE_PX, RelationalIQA

SMALL = JudgementArchitecture(BackboneArchitecture(taps=(-1, 2, 4)), half_taps=2, hidden=8, heads=2)


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


def images_seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images are seen together with a reference, one number for each reference of a tile from now on."""
    counts: list[int] = []
    plain = Judgement.see

    def counted(self: Judgement, tests: list[Tensor], reference: Tensor) -> object:
        counts.append(len(tests))
        return plain(self, tests, reference)

    monkeypatch.setattr(Judgement, "see", counted)
    return counts


@pytest.mark.parametrize("tile_px", [None, 64])
def test_several_images_are_scored_and_ranked_as_each_alone_and_see_their_reference_once(
    tile_px: int | None, versions: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    networks = Networks(Architecture(width=24, encoder_channels=8, judgement=SMALL))
    model = RelationalIQA(networks, {}, tile_px, whole_px=WHOLE_PX if tile_px is None else 0)
    reference, images = versions[0], versions[1:]
    seen = images_seen(monkeypatch)
    alone = [model.score(image, reference) for image in images]
    tiles = len(seen) // len(images)
    assert seen == [1] * tiles * len(images) and (tiles == 1) == (tile_px is None)
    seen.clear()
    scores = list(model.scores(images, reference))
    assert seen == [len(images)] * tiles
    for score, expected in zip(scores, alone, strict=True):
        assert score.quality == pytest.approx(expected.quality, abs=1e-6) and score.quality < 0
        for axis, values in expected.maps.items():
            np.testing.assert_allclose(score.maps[axis].grid, values.grid, atol=1e-6)
        np.testing.assert_allclose(score.local_quality.grid, expected.local_quality.grid, atol=1e-6)
    seen.clear()
    ranking = model.rank(images, reference)
    assert seen == [len(images)] * tiles
    assert ranking.qualities == pytest.approx([score.quality for score in alone], abs=1e-6)
    assert ranking.confidences is not None and model.order_confidences(alone) is not None
    np.testing.assert_allclose(ranking.confidences, model.order_confidences(alone), atol=1e-6)


def test_more_images_than_are_computed_together_are_ranked_alike(
    random_model: RelationalIQA, versions: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, images = versions[0], versions[1:]
    together = random_model.rank(images, reference)
    monkeypatch.setattr(pixel_perfect, "AT_ONCE", 3)
    monkeypatch.setattr(tiled_networks, "AT_ONCE", 3)
    monkeypatch.setattr(tiled_networks, "_VIEWED_AT_ONCE", 2)
    apart = random_model.rank(images, reference)
    assert apart.qualities == pytest.approx(together.qualities, abs=1e-6)
    assert apart.visible is not None and np.array_equal(apart.visible, together.visible)
    assert [score.quality for score in random_model.scores(images, reference)] == pytest.approx(
        together.qualities, abs=1e-6
    )
