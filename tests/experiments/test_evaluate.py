"""The evaluation as a whole: one table on every run, written down, and no person asked unasked."""

import json
from pathlib import Path
from typing import Any

import pytest

import experiments.pixel_perfect.evaluate as command
from distortion_engine.reading.photos import is_held_out
from experiments.pixel_perfect.confidence import NO_CONFIDENCE, pooled_rows
from experiments.pixel_perfect.evaluate import SEED, Sizes, evaluate
from experiments.pixel_perfect.table import Row

TINY = Sizes(sets=1, strong=1, weak=1, members=2, cross_type=1, compositions=1, foreign=1, codec_photos=1,
             alarm_photos=1, real_sets=1, crop_px=48, codec_px=64)  # fmt: skip


@pytest.fixture
def few_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """No external programs, three distortions and three foreign operators: the rest is the same again."""
    import experiments.pixel_perfect.foreign as foreign
    import experiments.pixel_perfect.single_pairs as single_pairs

    monkeypatch.setattr("experiments.pixel_perfect.evaluate.measure_codecs", lambda *args, **options: {})
    monkeypatch.setattr("experiments.pixel_perfect.sanity._RUNS", 1)
    monkeypatch.setattr(single_pairs, "_trained", lambda: ("white_noise", "darken", "gaussian_blur"))
    monkeypatch.setattr(foreign, "OPENCV", foreign.OPENCV[::7])
    monkeypatch.setattr(foreign, "MAGICK", ())
    monkeypatch.setattr(foreign, "LATER", foreign.LATER[::6])
    monkeypatch.setattr(foreign, "CODECS", ())


def test_the_whole_table_is_the_same_on_every_run_and_never_asks_people_unasked(
    few_kinds: None, error_model: Any, held_out: list[Path], by_name: Any
) -> None:
    runs = [evaluate(error_model, held_out, TINY) for _ in range(2)]
    untimed = [[row for row in rows if row.unit != "seconds" and "times of VSI" not in row.name] for rows, _ in runs]
    assert untimed[0] == untimed[1] and json.dumps(runs[0][1]) == json.dumps(runs[1][1])
    names = [row.name for row in runs[0][0]]
    assert not any("people" in name for name in names) and "people" not in runs[0][1]
    identical = by_name(runs[0][0])["false alarms, total intensity: identical images"]
    assert identical.value == 0.0 and identical.holds
    assert set(runs[0][1]) == {"maps", "foreign", "dropped_sets", "confidence"}


def test_everything_that_is_required_has_a_row(
    few_kinds: None, error_model: Any, held_out: list[Path], by_name: Any
) -> None:
    measured, details = evaluate(error_model, held_out, TINY)
    rows = by_name(measured)
    required = {
        "order with reference, all kinds of sets": (0.993, None),
        "order without reference, one level or more apart": (0.97, None),
        "different distortions on which all conventional metrics agree, with reference": (0.97, None),
        "without reference: the verdict of the mode with it, one level or more apart": (0.95, None),
        "outputs of algorithms two by two, with reference": (0.99, None),
        "outputs of algorithms two by two, without reference": (0.92, None),
        "dominant axis of single distortions (severity >= .4), inside the mask": (0.94, None),
        "compositions: true axes among as many predicted ones": (0.82, None),
        "correlation of predicted and true intensity, whole image": (0.90, None),
        "IoU of thresholded intensity with the mask": (0.78, None),
        "sign of that axis": (0.99, None),
        "external codecs at rising quality, with reference": (0.95, None),
        "false alarms, total intensity: identical images": (None, 0.0),
        "noise of one 8-bit step": (None, 0.03),
        "time to score one image against its reference, maps included, in times of VSI": (None, 1.0),
    }
    assert {name: (rows[name].must, rows[name].most) for name in required} == required
    assert rows["implementations the engine does not contain: dominant axis"].note.startswith("engine's own: ")
    sure = by_name(pooled_rows([details["confidence"]]))
    for of_what in ("outputs of algorithms", "the engine's own kinds"):
        row = sure[f"confidence, {of_what}: expected calibration error"]
        assert (row.value, row.most) == (None, 0.04) and row.note == NO_CONFIDENCE
    assert sure["right among the 80 % of pairs with the highest confidence"].must == 0.97


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch, error_model: Any) -> list[dict[str, Any]]:
    """The command without its measurements: what they were asked, in turn; they answer .5, .6 and so on."""
    asked: list[dict[str, Any]] = []

    def fake(model: Any, photos: list[Path], sizes: Sizes, seed: int, log: Any) -> Any:
        asked.append({"photos": photos, "sizes": sizes, "seed": seed})
        return [Row("a row", 0.4 + 0.1 * len(asked), must=0.4)], {
            "maps": {"nothing": float("nan")},
            "confidence": {"outputs": [[(True, 0.9)]], "own kinds": [[(True, 1.0)]]},
        }

    monkeypatch.setattr(command, "evaluate", fake)
    monkeypatch.setattr("relational_iqa.load", lambda weights, device: error_model, raising=False)
    return asked


def test_the_command_prints_and_writes_the_table(
    photo_folder: Path, tmp_path: Path, answered: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command.main(["--photos", str(photo_folder), "--processed", "none", "--sets", "3", "--out", str(out)]) == 0
    assert "| **a row** | 0.500 | ≥ 0.40 | yes |" in capsys.readouterr().out
    (asked,) = answered
    assert all(is_held_out(path.name) for path in asked["photos"]) and len(asked["photos"]) == 1
    assert asked["sizes"].sets == 3 and asked["seed"] == SEED
    written = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert written["rows"][0]["holds"] is True
    assert written["details"]["seeds"][str(SEED)]["maps"]["nothing"] is None and "people" not in written["details"]
    assert written["about"]["photos"] == [path.name for path in asked["photos"]]
    assert (
        (out / "table.md")
        .read_text(encoding="utf-8")
        .endswith(
            "4 of 5 requirements hold | not met: confidence, outputs of algorithms: expected calibration error.\n"
        )
    )


def test_several_seeds_are_different_ones_and_give_mean_and_spread(
    photo_folder: Path, tmp_path: Path, answered: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command.main(["--photos", str(photo_folder), "--processed", "none", "--seeds", "3", "--out", str(out)]) == 0
    assert "| **a row** | 0.600 ± 0.100 |" in capsys.readouterr().out
    seeds = [asked["seed"] for asked in answered]
    written = json.loads((out / "result.json").read_text(encoding="utf-8"))
    table = (out / "table.md").read_text(encoding="utf-8")
    assert "confidence, outputs of algorithms: expected calibration error** | 0.100 |" in table
    assert "3 pairs, those of the row of outputs of algorithms, 3 seeds together" in table
    assert len(set(seeds)) == 3 and written["about"]["seeds"] == seeds
    assert list(written["details"]["seeds"]) == [str(seed) for seed in seeds]


def test_people_are_asked_once_however_many_seeds(
    photo_folder: Path, tmp_path: Path, answered: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def fake(model: Any, root: Path, log: Any) -> Any:
        looks.append(root)
        return [Row("SRCC with people", 0.9)], {"set": {}}

    monkeypatch.setattr(command, "measure_agreement", fake)
    options = [
        "--photos",
        str(photo_folder),
        "--processed",
        "none",
        "--seeds",
        "2",
        "--people",
        "--rated",
        "r",
        "--out",
        str(tmp_path),
    ]
    assert command.main(options) == 0 and looks == [Path("r")]
    assert "SRCC with people" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--photos", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("evaluate: ") and "no such folder" in said[0]
