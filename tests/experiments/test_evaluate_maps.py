"""Map rows: axis, direction, strength and place are scored as they should be on maps whose answers are known."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.severity import max_severity
from experiments.pixel_perfect.map_accuracy import BINS, HIGH_SEVERITY, MapScores, iou, map_rows, score_single_pairs
from experiments.pixel_perfect.order import KINDS, measure_order
from experiments.pixel_perfect.single_pairs import SinglePair, out_of_reach, single_pairs
from relational_iqa.systems.pixel_perfect import RelationalIQA


def example(held_out: list[Path], names: tuple[str, ...], repetitions: int = 4) -> list[SinglePair]:
    return list(single_pairs(held_out, (0.5, 1.0), repetitions, 64, names=names))


def test_pairs_are_reproducible_and_cover_whole_images_blobs_and_polygons(held_out: list[Path]) -> None:
    first, second = (example(held_out, ("white_noise", "darken")) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.test, b.test) and torch.equal(a.field, b.field)
    assert {"whole", "blobs", "polygon"} < {pair.mask for pair in first}
    for pair in first:
        spec = DISTORTIONS[pair.distortion]
        own = pair.field[AXIS_INDEX[spec.axis]] * spec.sign
        assert float(own.max()) == pytest.approx(pair.severity, abs=0.05) and pair.severity >= 0.5
        assert float(pair.field.abs().sum()) == pytest.approx(float(own.sum()))


class Oracle:
    """Answers with the true fields of the pairs it was shown, changed by `how`."""

    def __init__(self, pairs: list[SinglePair], how: Callable[[Tensor], Tensor]) -> None:
        self.answers = {pair.test.numpy().tobytes(): how(pair.field) for pair in pairs}

    def relate_batch(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.stack([self.answers[image.numpy().tobytes()] for image in b])


@pytest.mark.parametrize(
    ("how", "axis", "sign", "intensity", "overlap"),
    [
        (lambda field: 0.5 * field, 1.0, 1.0, 1.0, 0.95),
        (lambda field: -field, 1.0, 0.0, 1.0, 0.95),
        (lambda field: field.roll(1, 0), 0.0, None, 1.0, 0.95),
        (torch.zeros_like, 0.0, None, None, 0.0),
    ],
    ids=["truth, fainter", "wrong way round", "wrong axis", "silence"],
)
def test_map_scores_of_known_answers(
    held_out: list[Path],
    by_name: Any,
    how: Any,
    axis: float,
    sign: float | None,
    intensity: float | None,
    overlap: float,
) -> None:
    pairs = example(held_out, ("white_noise", "darken"))
    scores = score_single_pairs(Oracle(pairs, how), pairs)
    rows = by_name(map_rows(scores, MapScores(), MapScores()))
    assert rows["dominant axis of single distortions (severity >= .4), inside the mask"].value == axis
    assert rows["sign of that axis"].value == sign
    masked = rows["correlation of predicted and true intensity, masked"].value
    assert masked == (None if intensity is None else pytest.approx(intensity))
    measured = rows["IoU of thresholded intensity with the mask"].value
    assert measured is not None and (measured >= overlap if overlap else measured == 0)
    json.dumps(scores.to_json())


def test_distortions_that_do_not_reach_a_severity_are_left_out_and_named(held_out: list[Path]) -> None:
    weak = [name for name in DISTORTIONS if max_severity(name) < HIGH_SEVERITY[0]]
    assert out_of_reach(HIGH_SEVERITY[0]) == weak
    assert not list(single_pairs(held_out, (1.1, 1.2), 1, 48, names=("darken",)))


def test_the_confusion_counts_true_axes_in_rows_and_silence_in_the_last_column() -> None:
    field = torch.zeros(len(AXES), 4, 4)
    field[2] = 0.8
    predicted = torch.zeros_like(field)
    predicted[5, :2] = 0.3
    scores = MapScores()
    scores.add(predicted, field, torch.ones(1, 4, 4, dtype=torch.bool), "x", masked=False)
    assert scores.confusion[2, 5] == 8 and scores.confusion[2, len(AXES)] == 8 and scores.pixels == 16


def test_pixels_without_evidence_do_not_count() -> None:
    field = torch.zeros(len(AXES), 4, 4)
    field[0] = -0.8
    valid = torch.zeros(1, 4, 4, dtype=torch.bool)
    valid[:, :1] = True
    scores = MapScores()
    scores.add(torch.where(valid, field, -field.roll(1, 0)), field, valid, "x", masked=True)
    assert scores.pixels == 4 and scores.axis == 1 and scores.sign == 1


def test_the_iou_threshold_does_not_depend_on_the_scale_of_the_prediction() -> None:
    maps = torch.zeros(len(AXES), 8, 8)
    maps[1, :4] = 0.01
    truth = torch.zeros(8, 8, dtype=torch.bool)
    truth[:2] = True
    valid = torch.ones(8, 8, dtype=torch.bool)
    assert iou(maps, truth, valid) == iou(50 * maps, truth, valid) == 0.5
    assert iou(maps, torch.zeros_like(truth), valid) is None


def test_pixels_of_masked_pairs_are_binned_by_predicted_intensity() -> None:
    field, predicted = torch.zeros(len(AXES), 4, 4), torch.zeros(len(AXES), 4, 4)
    field[0], predicted[0, :2], predicted[3, 2:] = 0.8, 0.52, -1.7
    scores = MapScores()
    scores.add(predicted, field, torch.ones(1, 4, 4, dtype=torch.bool), "x", masked=False)
    assert not scores.reliability.any()
    scores.add(predicted, field, torch.ones(1, 4, 4, dtype=torch.bool), "x", masked=True)
    pixels, said, true = scores.reliability
    assert list(pixels.nonzero()[0]) == [10, BINS - 1] and pixels[10] == pixels[-1] == 8
    assert said[10] / 8 == pytest.approx(0.52) and said[-1] / 8 == pytest.approx(1.7)
    assert true[[10, -1]] / 8 == pytest.approx([0.8, 0.8])
    assert scores.to_json()["reliability"]["pixels"] == pixels.tolist()


def test_the_mean_iou_leaves_scattered_spots_out() -> None:
    assert MapScores(iou=[("blobs", False, 0.5), ("blobs", True, 0.1), ("ramp", False, 0.9)]).overlap == 0.7
    assert math.isnan(MapScores().overlap)


def test_different_distortions_of_one_seed_can_share_their_crop(held_out: list[Path]) -> None:
    def pair(name: str, seed: int, same: bool) -> SinglePair:
        return next(single_pairs(held_out, (0.5, 1.0), 1, 48, seed, [name], same_crop=same))

    blurred, darker, other = pair("gaussian_blur", 3, True), pair("darken", 3, True), pair("darken", 4, True)
    assert torch.equal(blurred.reference, darker.reference) and not torch.equal(blurred.test, darker.test)
    assert not torch.equal(darker.reference, other.reference)
    assert not torch.equal(pair("gaussian_blur", 3, False).reference, pair("darken", 3, False).reference)
    assert blurred.mask == darker.mask == "whole"


def test_untrained_networks_go_through_order_and_maps(
    random_model: RelationalIQA, held_out: list[Path], no_judge: Any
) -> None:
    with torch.inference_mode():
        assert len(measure_order(random_model, held_out, no_judge, 1, 48).kept) == len(KINDS)
        pairs = single_pairs(held_out, (0.5, 1.0), 2, 48, names=("white_noise", "darken"))
        scores = score_single_pairs(random_model, pairs)
    assert scores.pair_count == 4 and 0 <= scores.axis <= 1
