"""The evaluation: each row measures what it says, on models whose answers are known."""

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import experiments.pixel_perfect.evaluate as command
from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.masks import MaskSpec
from distortion_engine.photos import is_held_out, list_photos
from distortion_engine.recipe import Recipe, Step
from distortion_engine.severity import max_severity
from experiments.pixel_perfect.agreement import OURS, measure_agreement
from experiments.pixel_perfect.evaluate import Sizes, evaluate
from experiments.pixel_perfect.external_codecs import CODECS, Codec, codec_rows, measure_codecs
from experiments.pixel_perfect.map_accuracy import HIGH_SEVERITY, MapScores, iou, map_rows, score_single_pairs
from experiments.pixel_perfect.measures import PearsonSums, share
from experiments.pixel_perfect.order import KINDS, levels_apart, measure_order, order_rows
from experiments.pixel_perfect.single_pairs import SinglePair, out_of_reach, single_pairs
from experiments.pixel_perfect.table import NOT_MEASURED, Row, markdown, verdict
from relational_iqa.conventional import METRICS
from relational_iqa.model import RelationalIQA
from relational_iqa.weights_io import Architecture, Networks

IMAGES = Path(__file__).parents[1] / "images"
TINY = Sizes(sets=1, strong=1, weak=1, members=2, codec_photos=1, alarm_photos=1, crop_px=48, codec_px=64)


class ErrorModel:
    """Quality is minus the mean absolute error; without reference it knows nothing; maps: all difference is noise."""

    meta: dict[str, Any] = {"name": "error", "sha256": "0"}

    def quality(self, image: Tensor, reference: Tensor) -> float:
        return float(self.quality_batch(image[None], reference[None])[0])

    def quality_batch(self, tests: Tensor, references: Tensor) -> Tensor:
        return -(tests - references).abs().mean((1, 2, 3))

    def margin_batch(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.zeros(len(a))

    def relate_batch(self, a: Tensor, b: Tensor) -> Tensor:
        maps = torch.zeros(len(a), len(AXES), *a.shape[-2:])
        maps[:, AXIS_INDEX["noise"]] = (b - a).abs().mean(1)
        return maps

    def compare(self, a: Any, b: Any, reference: Any = None) -> None:
        return None


def no_judge(test: Tensor, reference: Tensor) -> Tensor:
    return torch.zeros(len(test), 1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with one held-out and one training photograph."""
    folder = tmp_path / "photos"
    folder.mkdir()
    source = sorted(IMAGES.glob("*.png"))[0]
    for wanted in (True, False):
        number = next(n for n in range(1000) if is_held_out(f"photo{n}.png") == wanted)
        shutil.copy(source, folder / f"photo{number}.png")
    return folder


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.name: row for row in reversed(rows)}


# -- the table -----------------------------------------------------------------------------------------------------


def test_a_row_holds_from_its_bound_on_and_says_when_it_was_not_measured() -> None:
    rows = [Row("a", 0.9, must=0.9), Row("b", 0.89, must=0.9), Row("c", None, must=0.9), Row("d", 0.1)]
    assert [row.holds for row in rows] == [True, False, None, None]
    assert verdict(rows) == f"1 of 3 requirements hold | not met: b | {NOT_MEASURED}: c."
    lines = markdown(rows).splitlines()
    assert len({line.count("|") for line in lines[:6]}) == 1 and "NO" in lines[3] and NOT_MEASURED in lines[4]


def test_shares_are_shown_as_percentages_with_their_interval() -> None:
    assert Row("a", 0.9634, unit="share", must=0.97, spread=0.012).cells()[1:4] == ("96.3 % ± 1.2", "97 %", "NO")
    assert Row("a", float("nan")).to_json()["value"] is None


def test_a_share_counts_answers_and_its_interval_groups() -> None:
    result = share([[True, True, False], [], [True]])
    assert (result.value, result.answers, result.groups) == (0.75, 4, 2)
    assert share([[True]] * 5).spread == 0 and math.isnan(share([[]]).value)


def test_streamed_correlation_equals_that_of_all_values_at_once() -> None:
    x, y = torch.rand(2, 300, generator=torch.Generator().manual_seed(0)).double()
    y = y + x
    first, second = PearsonSums(), PearsonSums()
    first.add(x[:100], y[:100])
    second.add(x[100:], y[100:])
    assert (first + second).value == pytest.approx(float(np.corrcoef(x, y)[0, 1])) and (first + second).count == 300
    assert math.isnan(PearsonSums().value)


# -- order ---------------------------------------------------------------------------------------------------------


def recipe(severity: float, extent: float = 1.0, steps: int = 1) -> Recipe:
    mask = MaskSpec("ramp", extent) if extent < 1 else MaskSpec()
    return Recipe(tuple(Step("gaussian_blur", severity, 1.0, mask=mask) for _ in range(steps)))


def test_a_level_is_a_fifth_of_severity_summed_over_steps_and_in_extent_sets_of_severity_times_area() -> None:
    assert levels_apart("ladder", recipe(0.3, 0.5), recipe(0.5, 0.5)) == pytest.approx((1.0, 0.5))
    assert levels_apart("dominance", recipe(0.3, steps=2), recipe(0.5, steps=2)) == pytest.approx((2.0, 2.0))
    assert levels_apart("extent", recipe(0.8, 0.25), recipe(0.8, 0.5)) == pytest.approx((1.0, 1.0))
    assert levels_apart("ladder", Recipe(), recipe(0.4)) == pytest.approx((2.0, 2.0))


def test_order_counts_every_pair_of_every_set_and_a_model_that_says_nothing_is_never_right(photos: Path) -> None:
    held_out = list_photos(photos, "held_out")
    result = measure_order(ErrorModel(), held_out, no_judge, sets_per_kind=2, size_px=48)
    assert set(result.kept) == set(KINDS) and not any(result.dropped.values())
    assert all(len(pairs) == 10 for sets in result.kept.values() for pairs in sets)  # of a reference and four members
    rows = by_name(order_rows(result))
    extent = [pair for pairs in result.kept["extent"] for pair in pairs]
    assert all(pair.right for pair in extent)  # error grows with the damaged area, strictly
    assert sum(pair.pristine for pair in extent) == 8
    assert rows["order without reference, one level or more apart"].value == 0.0
    assert rows["order with reference, ladder, dominance and extent"].samples == "60 pairs of 6 sets"


def test_sets_that_the_judge_contradicts_are_counted_and_still_reported_undropped(photos: Path) -> None:
    class Contrary:
        calls = 0

        def __call__(self, test: Tensor, reference: Tensor) -> Tensor:
            """The first set of every index is contradicted: its better members look worse."""
            self.calls += 1
            return torch.linspace(1, 0, len(test))[:, None] * (self.calls % 2)

    result = measure_order(ErrorModel(), list_photos(photos, "held_out"), Contrary(), sets_per_kind=2, size_px=48)
    assert result.dropped == dict.fromkeys(KINDS, 2)
    assert all(len(result.kept[kind]) == len(result.every[kind]) == 2 for kind in KINDS)
    (row,) = [row for row in order_rows(result) if row.must == 0.97]
    assert "6 of 12 drawn sets" in row.note


# -- maps ----------------------------------------------------------------------------------------------------------


def example(photos: Path, names: tuple[str, ...], repetitions: int = 4) -> list[SinglePair]:
    return list(single_pairs(list_photos(photos, "held_out"), (0.5, 1.0), repetitions, 64, names=names))


def test_pairs_are_reproducible_and_cover_whole_images_blobs_and_polygons(photos: Path) -> None:
    first, second = (example(photos, ("white_noise", "darken")) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.test, b.test) and torch.equal(a.field, b.field)
    assert {"whole", "blobs", "polygon"} < {pair.mask for pair in first}
    for pair in first:
        spec = DISTORTIONS[pair.distortion]
        own = pair.field[AXIS_INDEX[spec.axis]] * spec.sign
        assert float(own.max()) == pytest.approx(pair.severity, abs=0.05) and pair.severity >= 0.5
        assert float(pair.field.abs().sum()) == pytest.approx(float(own.sum()))


class Oracle(ErrorModel):
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
    photos: Path, how: Any, axis: float, sign: float | None, intensity: float | None, overlap: float
) -> None:
    pairs = example(photos, ("white_noise", "darken"))
    scores = score_single_pairs(Oracle(pairs, how), pairs)
    rows = by_name(map_rows(scores, MapScores(), MapScores()))
    assert rows["dominant axis of single distortions (severity >= .4), inside the mask"].value == axis
    assert rows["sign of that axis"].value == sign
    masked = rows["correlation of predicted and true intensity, masked"].value
    assert masked == (None if intensity is None else pytest.approx(intensity))
    measured = rows["IoU of thresholded intensity with the mask"].value
    assert measured is not None and (measured >= overlap if overlap else measured == 0)
    json.dumps(scores.to_json())


def test_distortions_that_do_not_reach_a_severity_are_left_out_and_named(photos: Path) -> None:
    weak = [name for name in DISTORTIONS if max_severity(name) < HIGH_SEVERITY[0]]
    assert out_of_reach(HIGH_SEVERITY[0]) == weak
    assert not list(single_pairs(list_photos(photos, "held_out"), (1.1, 1.2), 1, 48, names=("darken",)))


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


# -- codecs --------------------------------------------------------------------------------------------------------

ENCODER = """#!{python}
import sys
from PIL import Image
Image.open(sys.argv[2]).save(sys.argv[3], "JPEG", quality=int(sys.argv[1]))
"""


def script(folder: Path, text: str) -> str:
    path = folder / "encoder"
    path.write_text(text.format(python=sys.executable), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_rising_quality_of_an_encoder_is_ordered_by_a_model_that_measures_error(photos: Path, tmp_path: Path) -> None:
    codec = Codec(script(tmp_path, ENCODER), "package", ".png", ".jpg", ("5", "30", "90", "90"), "{in} {out}")
    results = measure_codecs(ErrorModel(), list_photos(photos, "held_out"), 1, 64, [codec])
    twice = codec_rows({"encoder": next(iter(results.values())), "other": next(iter(results.values()))}, [codec])
    assert twice[0].samples == "4 adjacent pairs of 1 photographs"
    required, own, alone, *witnesses = codec_rows(results, [codec])
    assert required.value == own.value == 1.0 and required.holds and alone.value == 0.0
    assert required.samples == "2 adjacent pairs of 1 photographs" and "1 equal pairs left out" in required.note
    assert [row.value for row in witnesses] == [1.0, 1.0]


def test_a_missing_encoder_names_its_package_and_leaves_the_row_unmeasured(photos: Path) -> None:
    codec = Codec("no-such-encoder", "its-package", ".png", ".jpg", ("1",), "{in} {out}")
    rows = codec_rows(measure_codecs(ErrorModel(), list_photos(photos, "held_out"), 1, 64, [codec]), [codec])
    assert rows[0].holds is None and rows[0].cells()[1] == NOT_MEASURED
    assert all("apt-get install its-package" in row.note for row in rows[:2])


def test_an_encoder_that_fails_is_an_error_with_its_last_words(photos: Path, tmp_path: Path) -> None:
    tool = script(tmp_path, "#!{python}\nimport sys\nsys.exit('no such profile')\n")
    with pytest.raises(UsageError, match="exit code 1: no such profile"):
        codec = Codec(tool, "package", ".png", ".jpg", ("1",), "{in} {out}")
        measure_codecs(ErrorModel(), list_photos(photos, "held_out"), 1, 64, [codec])


def test_every_external_codec_has_six_settings_and_names_its_files() -> None:
    for codec in CODECS:
        assert len(set(codec.settings)) == 6
        arguments = codec.arguments(codec.settings[0], Path("i n.png"), Path("out"))
        assert arguments[0] == codec.tool and "i n.png" in arguments and "out" in arguments


# -- people --------------------------------------------------------------------------------------------------------


def rated_set(root: Path, name: str, count: int = 6) -> None:
    """Noise of rising strength with scores that fall with it; made up, no person was asked."""
    folder = root / name
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    reference = rng.integers(60, 190, (40, 48, 3)).astype(np.uint8)
    Image.fromarray(reference).save(folder / "r.png")
    lines = ["image,reference,score,scene,distortion,level"]
    for level in range(count):
        noise = rng.normal(0, 4 + 8 * level, reference.shape)
        Image.fromarray((reference + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{level}.png")
        lines.append(f"{level}.png,r.png,{9 - level},s,noise,{level}")
    (folder / "scores.csv").write_text("\n".join(lines), encoding="utf-8")


def test_agreement_turns_every_metric_so_that_higher_is_better(tmp_path: Path) -> None:
    rated_set(tmp_path, "made_up")
    rows, details = measure_agreement(ErrorModel(), tmp_path, ["made_up"])
    assert set(details["made_up"]) == {OURS, *METRICS}
    assert all(values["srcc"] == pytest.approx(1) for values in details["made_up"].values())
    assert rows[0].name == "SRCC with people, made_up" and rows[0].must is None and len(rows) == 1 + len(METRICS)


def test_agreement_tells_a_missing_set_before_anything_is_scored(tmp_path: Path) -> None:
    rated_set(tmp_path, "made_up")
    with pytest.raises(UsageError, match="absent"):
        measure_agreement(ErrorModel(), tmp_path, ["made_up", "absent"])


def test_agreement_refuses_images_without_a_reference_or_of_another_size(tmp_path: Path) -> None:
    rated_set(tmp_path, "made_up")
    table = tmp_path / "made_up" / "scores.csv"
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole.replace("0.png,r.png", "0.png,"), encoding="utf-8")
    with pytest.raises(UsageError, match="no reference"):
        measure_agreement(ErrorModel(), tmp_path, ["made_up"])
    table.write_text(whole, encoding="utf-8")
    Image.new("RGB", (20, 20)).save(tmp_path / "made_up" / "0.png")
    with pytest.raises(UsageError, match="20x20"):
        measure_agreement(ErrorModel(), tmp_path, ["made_up"])


# -- all of it -----------------------------------------------------------------------------------------------------


def test_untrained_networks_go_through_the_order_and_maps_of_the_evaluation(photos: Path) -> None:
    torch.manual_seed(0)
    model = RelationalIQA(Networks(Architecture(16, 8)), {"name": "untrained"})
    held_out = list_photos(photos, "held_out")
    with torch.inference_mode():
        assert len(measure_order(model, held_out, no_judge, 1, 48).kept) == len(KINDS)
        scores = score_single_pairs(model, single_pairs(held_out, (0.5, 1.0), 2, 48, names=("white_noise", "darken")))
    assert scores.pair_count > 0 and 0 <= scores.axis <= 1


def test_the_whole_table_is_the_same_on_every_run_and_never_asks_people_unasked(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.pixel_perfect.evaluate.measure_codecs", lambda *args, **options: {})
    held_out = list_photos(photos, "held_out")
    runs = [evaluate(ErrorModel(), held_out, TINY) for _ in range(2)]
    untimed = [[row for row in rows if row.unit != "seconds"] for rows, _ in runs]
    assert untimed[0] == untimed[1] and json.dumps(runs[0][1]) == json.dumps(runs[1][1])
    names = [row.name for row in runs[0][0]]
    assert sum(row.must is not None for row in runs[0][0]) == 8
    assert not any("people" in name for name in names) and "people" not in runs[0][1]
    identical = by_name(runs[0][0])["false alarms, total intensity: identical images"]
    assert identical.value == 0.0


def test_the_command_prints_and_writes_the_table(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[str, Any] = {}

    def fake(model: Any, held_out: list[Path], sizes: Sizes, rated: Path | None, log: Any) -> Any:
        seen.update(held_out=held_out, sizes=sizes, rated=rated)
        return [Row("a row", 0.5, must=0.4)], {"maps": {"nothing": float("nan")}}

    monkeypatch.setattr(command, "evaluate", fake)
    monkeypatch.setattr("relational_iqa.load", lambda weights, device: ErrorModel(), raising=False)
    out = tmp_path / "out"
    assert command.main(["--photos", str(photos), "--sets", "3", "--out", str(out)]) == 0
    assert "| **a row** | 0.500 | 0.40 | yes |" in capsys.readouterr().out
    assert all(is_held_out(path.name) for path in seen["held_out"]) and len(seen["held_out"]) == 1
    assert seen["sizes"].sets == 3 and seen["rated"] is None
    written = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert written["rows"][0]["holds"] is True and written["details"]["maps"]["nothing"] is None
    assert written["about"]["photos"] == [path.name for path in seen["held_out"]]
    assert (out / "table.md").read_text(encoding="utf-8").endswith("1 of 1 requirements hold.\n")


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--photos", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("evaluate: ") and "no such folder" in said[0]
