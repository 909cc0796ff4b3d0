"""The tables of pMOS in experiments/pmos: maps against their truth, sets, people, and what their commands refuse."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import experiments.pmos.evaluate as evaluate_command
from distortion_engine.catalog import AXES, AXIS_INDEX
from distortion_engine.reading.image_io import save_image
from distortion_engine.reading.photos import is_held_out
from experiments.pixel_perfect.single_pairs import SinglePair
from experiments.pixel_perfect.table import Row
from experiments.pmos import maps
from experiments.pmos.maps import MapScores, score_pairs
from experiments.pmos.named import NamedScores, rows_of
from experiments.pmos.people import people_rows
from relational_iqa.networks.pmos_head import DEFECTS, MosMaps
from relational_iqa.results.mos_score import MosScore
from relational_iqa.results.words.single_image import index_of
from relational_iqa.systems.pmos import PMOS, load
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.pmos.fit_mos_config import FITTED, FitConfig


@pytest.fixture(scope="module")
def model(pmos_weights: Path) -> PMOS:
    return load(pmos_weights)


# -- riqa score IMAGE --------------------------------------------------------------------------------------------------


def test_picture_is_orange_where_mos_is_lost(model: PMOS) -> None:
    result = model.score(torch.full((3, 32, 32), 0.5))
    pmos = np.full((32, 32), 5, np.float32)
    pmos[:, :16] = 1
    shown = type(result)(3.0, pmos, np.ones_like(pmos)).picture(np.full((32, 32, 3), 128, np.uint8)).astype(int)
    assert (shown[:, :16, 0] - shown[:, :16, 2] > 60).all() and (np.ptp(shown[:, 16:], axis=-1) == 0).all()
    with pytest.raises(ValueError, match="give what was scored"):
        result.picture(np.zeros((8, 8, 3), np.uint8))


# -- the table ---------------------------------------------------------------------------------------------------------


def pair(kind: str = "blobs", severity: float = 0.8) -> SinglePair:
    """Noise in the upper left quarter of a 32 px image."""
    field = torch.zeros(len(AXES), 32, 32)
    field[AXIS_INDEX["noise"], :16, :16] = severity
    image = torch.full((3, 32, 32), 0.5)
    return SinglePair("white_noise", severity, kind, image, image, field, torch.ones(1, 32, 32, dtype=torch.bool))


def test_right_map_has_correlation_and_overlap_one_and_a_wrong_one_has_not() -> None:
    right, wrong = MapScores(), MapScores()
    for kind in ("blobs", "whole"):
        truth = 5 - 4 * pair(kind).field.abs().amax(0)
        right.add(truth, pair(kind))
        wrong.add(truth.flip(0), pair(kind))
    assert right.masked.value == pytest.approx(1) and [value for *_, value in right.iou] == [1.0]
    assert right.within == pytest.approx([1]) and right.whole.count == 32 * 32
    assert wrong.masked.value < 0 and [value for *_, value in wrong.iou] == [0.0]
    quarter = MapScores()
    half = torch.full((32, 32), 5.0)
    half[:, :16] = 2
    quarter.add(half, pair())
    assert quarter.iou[0][2] == pytest.approx(0.5)


def test_invalid_pixels_do_not_count() -> None:
    scores, one = MapScores(), pair()
    one.valid[:, :8] = False
    scores.add(torch.full((32, 32), 3.0), one)
    assert scores.masked.count == 24 * 32 and scores.iou[0][2] == 0


def test_model_sees_only_the_damaged_image(model: PMOS, versions: list[Tensor]) -> None:
    seen = []

    class Watched(PMOS):
        def maps_batch(self, images: Tensor) -> tuple[MosMaps, Tensor]:
            seen.append(images)
            return super().maps_batch(images)

    crop = versions[2][:, :64, :64]
    field = torch.zeros(len(AXES), 64, 64)
    field[2, :32] = 0.5
    single = SinglePair("white_noise", 0.5, "blobs", crop * 0, crop, field, torch.ones(1, 64, 64, dtype=torch.bool))
    scores = score_pairs(Watched(model.network, model.meta), [single] * 9)
    assert [len(batch) for batch in seen] == [8, 1] and torch.equal(seen[1][0], crop)
    assert scores.masked.count == 9 * 64 * 64


@pytest.fixture
def held_out(photo_paths: list[Path], tmp_path: Path) -> Path:
    """A folder with one held-out photograph."""
    folder = tmp_path / "photos"
    folder.mkdir()
    number = next(n for n in range(1000) if is_held_out(f"photo{n}.png"))
    shutil.copy(photo_paths[0], folder / f"photo{number}.png")
    return folder


def test_required_rows_are_measured_on_single_distortions(
    model: PMOS, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = maps.single_pairs
    few = ("white_noise", "gaussian_blur", "jpeg", "brighten")
    monkeypatch.setattr(maps, "single_pairs", lambda *arguments: every(*arguments, names=few))
    rows = maps.map_rows(model, sorted(held_out.iterdir()), 4, 1, 48, 0)
    required = {row.must: row for row in rows if row.must is not None}
    assert set(required) == {maps.MUST_CORRELATION, maps.MUST_IOU} == {0.6, 0.5}
    assert all(row.value is not None and -1 <= row.value <= 1 for row in required.values())
    assert required[0.5].samples == "8 images, severity >= .4"


def test_ranked_sets_give_order_and_agreement_with_the_consensus(
    model: PMOS, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def darkness(test: Tensor, reference: Tensor) -> Tensor:
        return (reference - test).abs().mean((1, 2, 3))[:, None]

    monkeypatch.setattr(maps, "metric_judge", darkness)
    rows = maps.set_rows(model, sorted(held_out.iterdir()), 2, 48, 0)
    assert [row.unit for row in rows] == ["number", "number", *["share"] * 5, "number"]
    assert rows[1].samples == "8 damaged images" and 1 <= (rows[-1].value or 0) <= 5
    assert [row.name for row in rows[2:7] if row.part] == [
        "less than two levels apart", "one level or more apart for the consensus of metrics",
    ]  # fmt: skip
    assert rows[6].samples == "10 images, references included" and "should be near 80%" in rows[6].note


def test_tiles_and_pooling_are_exact(model: PMOS, held_out: Path) -> None:
    mean, tiles = evaluate_command.exactness_rows(model, next(held_out.iterdir()))
    assert (mean.value or 0) < 1e-9 and (tiles.value or 0) <= 1e-4 and model.tile_px == 2048


def test_words_are_counted_right_where_the_field_has_the_defect(model: PMOS) -> None:
    class Says(PMOS):
        """Of every grey picture, which the references are not, that it is noisy and too dark."""

        def score(self, image: Tensor, **_: object) -> MosScore:  # type: ignore[override]
            defects, flat = np.zeros((DEFECTS, 4, 4), np.float32), np.full((32, 32), 3, np.float32)
            if image.std() == 0:
                defects[index_of("noise", True)] = defects[index_of("brightness", False)] = 0.5
            return MosScore(3.0, flat, flat, defects=defects, named_from=[0.1] * DEFECTS)

    scores, says = NamedScores(), Says(model.network, model.meta)
    for _ in range(5):
        one = pair()
        one.reference[:] = torch.rand(3, 32, 32)
        scores.add(says, replace(one, test=torch.full((3, 32, 32), 0.5)))
    assert scores.right == {"noisy": [True] * 5, "too dark": [False] * 5}
    assert scores.found == {"noisy": [True] * 5} and scores.untouched == [0] * 5
    rows = rows_of(scores)
    assert [row.value for row in rows] == [0.5, 1.0, 0.0, 1.0, 1.0]
    assert [row.name for row in rows if row.part] == ['"noisy"', '"too dark"']


def test_time_of_the_command_is_that_of_a_large_photograph(
    pmos_weights: Path, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(evaluate_command, "COMMAND_SIZE", (30, 40))
    monkeypatch.setattr(evaluate_command.subprocess, "run", lambda command, **_: asked.append(command))
    row = evaluate_command.command_row(next(held_out.iterdir()), str(pmos_weights))
    assert row.name == "time of `riqa score`, 40 x 30" and row.unit == "seconds" and (row.value or 0) > 0
    assert asked[0][1:4] == ["-m", "relational_iqa.cli", "score"] and asked[0][-2:] == ["--weights", str(pmos_weights)]


def test_table_is_printed_and_written_with_its_weights(
    pmos_weights: Path,
    held_out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(evaluate_command, "evaluate", lambda *_, **__: [Row("a row", 0.7, must=0.6)])
    monkeypatch.setattr(evaluate_command, "command_row", lambda *_: Row("time", 1.0, unit="seconds"))
    arguments = ["--weights", str(pmos_weights), "--photos", str(held_out), "--out", str(tmp_path / "out")]
    assert evaluate_command.main(arguments) == 0
    assert "1 of 1 requirements hold" in capsys.readouterr().out
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert result["rows"][0]["value"] == 0.7 and result["about"]["weights"]["name"] == "untrained"
    assert evaluate_command.main(["--weights", "no-such-weights", *arguments[2:]]) == 2
    assert "no-such-weights" in capsys.readouterr().err


def test_people_rows_show_the_full_system_then_what_it_is_compared_with(
    model: PMOS, scene: Callable[[int, int, int], Tensor], tmp_path: Path
) -> None:
    lines = ["image,score"]
    for number in range(15):
        save_image(scene(32, 32, number), tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{number % 7}")
    (tmp_path / "scores.csv").write_text("\n".join(lines))
    quick = TrainConfig(steps=1, batch_size=4, learning_rate=1e-3, panel_every=0, accelerator="cpu", data_workers=0)
    config = FitConfig("x", str(tmp_path), str(tmp_path / "out"), quick, splits=1, cells=32)
    rows, details = people_rows(model, config)
    names = [row.name.split(": ")[-1] for row in rows]
    assert names[:3] == ["SRCC with people, opinion-unaware, as it is", "after fitting", "before fitting"]
    assert names[3:] == ["without ROI", "with dense supervision", "with FiLM", "linear head"]
    assert len(details["splits"][FITTED]) == 1 and rows[0].samples == "all 15 images"
