"""Where nothing that differs is visible: a tie without reasons, whatever was measured."""

import json
from dataclasses import replace

import numpy as np
import pytest

from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from relational_iqa.folders.comparison import COLUMNS, Row
from relational_iqa.folders.pairing import Pair
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.ranking import Ranking


def compared(visible: float | None, margin: float = 0.4, confidence: float | None = 0.9) -> Comparison:
    maps = {axis.name: Map.from_array(np.zeros((64, 64), np.float32)) for axis in AXES}
    maps["noise"] = Map.from_array(np.full((64, 64), 0.5 if margin else 0.0, np.float32))
    local, weight = (Map.from_array(np.full((64, 64), value, np.float32)) for value in (margin, 1.0))
    return Comparison(margin, maps, local, weight, confidence=confidence, visible_difference=visible)


def test_below_the_threshold_the_verdict_is_a_tie_with_its_reason_and_no_other() -> None:
    result = compared(0.629)
    assert result.looks_the_same and result.better == "tie" and result.told_margin == 0 and result.margin == 0.4
    assert result.summary() == (
        "A and B look the same: no difference above the threshold of visibility (the largest has 0.62 of it)."
    )
    assert not (result.reasons() or result.told or result.regions or result.findings or result.faint)
    assert result.explained_share is None
    data = result.to_json()
    assert json.loads(json.dumps(data)) == data and data["word"] == "looks the same"
    assert data["visible_difference"]["largest"] == 0.629 and data["visible_difference"]["visible"] is False
    assert data["margin"] == 0.4 and data["told_margin"] == 0 and data["reasons"] == data["regions"] == []
    assert not any(axis["matters"] for axis in data["axes"])


def test_nothing_visible_is_told_before_what_cannot_be_told_and_its_size_is_never_rounded_up_to_the_threshold() -> None:
    assert compared(0.3, confidence=0.5).better == "tie"
    assert "has 0.99 of it" in compared(0.9999).summary() and "has 0.01 of it" in compared(1e-6).summary()
    assert compared(0.0).summary() == "A and B look the same: no difference where pixels count."


def test_what_is_visible_or_unknown_is_told_as_ever() -> None:
    known, unknown = compared(1.0), compared(None)
    assert known.better == unknown.better == "a" and known.told_margin == 0.4 and known.reasons()
    assert known.summary() == unknown.summary() and unknown.to_json()["visible_difference"] is None
    assert known.to_json()["visible_difference"]["visible"] is True


def test_identical_images_stay_identical() -> None:
    result = replace(compared(0.0, margin=0.0))
    assert result.identical and not result.looks_the_same and result.summary() == "A and B are identical."


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_visible_difference_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="visible_difference is"):
        compared(value)


def test_a_row_of_a_folder_counts_as_nothing_where_nothing_is_visible() -> None:
    row = Row(Pair("x", "x", "x"), verdict="tie", margin=0.4, visible_difference=0.5)  # type: ignore[arg-type]
    assert row.told_margin == 0 and replace(row, visible_difference=1.0).told_margin == 0.4
    assert row.to_json()["visible_difference"] == 0.5 and set(row.cells()) == set(COLUMNS)


def test_images_of_a_ranking_that_look_the_same_share_a_place() -> None:
    pairs = {(0, 1): (0.2, 0.9), (0, 2): (1.0, 0.9), (1, 2): (0.8, 0.9)}
    visible = np.array([[0, 0.4, 1], [0.4, 0, 1], [1, 1, 0]])
    ranking = replace(Ranking.by_pairs(["x", "y", "z"], pairs, {}), visible=visible)
    assert ranking.places == [1, 1, 3] and ranking.unseen == [True, False] and ranking.untold == [False, False]
    assert ranking.told[0, 1] == 0 and ranking.told[0, 2] == 1.0 and ranking.pairwise[0, 1] == 0.2
    assert "then y (looks the same as the one above), then z (0.8 levels behind" in ranking.summary()
    assert [row["looks_like_above"] for row in ranking.to_json()["ranking"]] == [False, True, False]
    assert ranking.to_json()["visible_differences"][0][1] == 0.4
    unsure = replace(ranking, confidences=None)
    assert unsure.places == [1, 1, 3]
    with pytest.raises(ValueError, match="visible is of shape"):
        replace(ranking, visible=np.zeros((2, 2)))
