"""The shipped weights with a judgement: the maps are those of the core, and outputs of algorithms are told apart."""

import json

import pytest
import torch
from torch import Tensor

import relational_iqa
from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256
from distortion_engine.recipe import Operation
from distortion_engine.restoration.operations import apply
from relational_iqa.results.league import play
from relational_iqa.storage.pixel_perfect_weights import load_weights, save_weights
from relational_iqa.storage.shipped import find_weights
from relational_iqa.systems.pixel_perfect import RelationalIQA

NAME, CORE = "riqa-judged", "riqa-small"
MOST_BYTES = 20_000_000


@pytest.fixture(scope="module")
def model() -> RelationalIQA:
    return relational_iqa.load(NAME)


def restored(photo: Tensor, algorithm: str, **params: float) -> Tensor:
    noise = Operation("white_noise", {"deviation": 0.08}, 3)
    return apply(photo, (noise, Operation(algorithm, dict(params))) if algorithm else (noise,))


def test_the_card_is_that_of_the_file_and_names_no_opinion():
    path = find_weights(NAME)
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == file_sha256(path) and path.stat().st_size < MOST_BYTES
    assert "no human score" in card["data"] and "ImageNet class labels" in card["data"]


def test_the_maps_are_those_of_the_core(model: RelationalIQA, photos: list[Tensor]):
    before, after = load_weights(CORE)[0].state_dict(), load_weights(NAME)[0].state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    a, b = photos[0][:, :96, :96], restored(photos[0], "")[:, :96, :96]
    assert torch.equal(model.relate(a, b), relational_iqa.load(CORE).relate(a, b))


def test_swapped_images_negate_the_margin_to_the_bit_and_equal_ones_have_none(
    model: RelationalIQA, photos: list[Tensor]
):
    a, b = photos[1], restored(photos[1], "median", side_px=3)
    one, other, same = model.compare(a, b), model.compare(b, a), model.compare(a, a)
    assert one.margin == -other.margin and one.confidence == other.confidence
    assert same.margin == 0 and same.identical and same.confidence == 0.5


def test_with_a_reference_it_has_quality_0_swapping_negates_and_the_order_has_a_confidence(
    model: RelationalIQA, photos: list[Tensor]
):
    reference, a, b = photos[2], restored(photos[2], "median", side_px=3), restored(photos[2], "")
    one, other = (model.compare(*pair, reference=reference) for pair in ((a, b), (b, a)))
    assert one.margin == -other.margin and one.confidence == other.confidence is not None
    assert one.quality_a == other.quality_b < 0 and one.quality_b < 0
    assert model.compare(reference, b, reference=reference).quality_a == 0
    assert model.score(b, reference).quality == one.quality_b
    ranking = model.rank([b, a], reference)
    assert ranking.order == ([1, 0] if one.margin > 0 else [0, 1]) and ranking.confidences is not None
    assert ranking.confidences[0, 1] == ranking.confidences[1, 0] == one.confidence
    assert float(model.score(b, reference).local_quality.full().max()) <= 0


def test_a_photograph_is_better_than_what_algorithms_make_of_its_noise(model: RelationalIQA, photos: list[Tensor]):
    for photo in photos:
        for algorithm, params in (("", {}), ("non_local_means", {"deviation": 0.25}), ("median", {"side_px": 5})):
            result = model.compare(photo, restored(photo, algorithm, **params))
            assert result.margin > 0.5, algorithm
            assert result.confidence is not None and result.confidence > 0.8, algorithm


def test_a_ranking_keeps_margin_and_confidence_of_every_comparison(model: RelationalIQA, photos: list[Tensor]):
    images = [photos[0], restored(photos[0], "median", side_px=3), restored(photos[0], "")]
    ranking, league = model.rank(images), play(model, images, ["x", "y", "z"]).ranking
    for i, j in ((0, 1), (0, 2), (1, 2), (2, 1)):
        result = model.compare(images[i], images[j])
        for found in (ranking, league):
            assert found.confidences is not None
            assert found.pairwise[i, j] == pytest.approx(result.margin, abs=1e-5)
            assert found.confidences[i, j] == pytest.approx(result.confidence, abs=1e-5)
    against = model.rank(images[1:], reference=photos[0])
    result = model.compare(*images[1:], reference=photos[0])
    assert against.confidences is not None and against.confidences[0, 1] == pytest.approx(result.confidence, abs=1e-5)


def test_an_image_is_judged_alone_and_in_tiles_alike(model: RelationalIQA, photos: list[Tensor]):
    photo, worse = (image.repeat(1, 3, 5) for image in (photos[0], restored(photos[0], "median", side_px=5)))
    found = model.judgement(photo)
    assert found > model.judgement(worse) + 0.5
    tiles = RelationalIQA(load_weights(NAME)[0], {}, tile_px=320, whole_px=0)
    assert tiles.judgement(photo) == pytest.approx(found, abs=0.01)
    with pytest.raises(UsageError, match="judge no image alone"):
        relational_iqa.load(CORE).judgement(photo)


def test_tiles_give_the_margin_of_the_whole(model: RelationalIQA, photos: list[Tensor]):
    a, b = (image.repeat(1, 3, 5) for image in (photos[0], restored(photos[0], "median", side_px=3)))
    networks, meta = load_weights(NAME)
    tiles = RelationalIQA(networks, meta, tile_px=320, whole_px=0)
    whole = model.compare(a, b)
    assert tiles.compare(a, b).margin == pytest.approx(whole.margin, abs=0.01)
    against = model.compare(b, a, reference=a)
    assert tiles.compare(b, a, reference=a).margin == pytest.approx(against.margin, abs=0.01)


def test_a_backbone_of_halves_is_written_in_half_the_bytes_and_read_back_bit_for_bit(tmp_path):
    networks, _ = load_weights(NAME)
    save_weights(tmp_path / "again.safetensors", networks)
    assert (tmp_path / "again.safetensors").read_bytes() == find_weights(NAME).read_bytes()
    networks.judgement.stages.stem.weight.data += 1e-6  # not representable in halves any more
    save_weights(tmp_path / "tuned.safetensors", networks)
    tuned = load_weights(tmp_path / "tuned.safetensors")[0]
    assert torch.equal(tuned.judgement.stages.stem.weight, networks.judgement.stages.stem.weight)
