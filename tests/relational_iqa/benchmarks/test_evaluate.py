"""riqa evaluate on miniature sets with known answers: what is printed, written, refused, and counted."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image, save_image
from relational_iqa import conventional
from relational_iqa.benchmarks.correlation import srcc
from relational_iqa.benchmarks.metrics import METRICS, Loaded, QualityMetric, choose, register
from relational_iqa.benchmarks.shrinking import shrink
from relational_iqa.commands import evaluate as command
from relational_iqa.commands.parser import Command, parse
from relational_iqa.systems.pixel_perfect import RelationalIQA

NOISE_AMOUNTS = (0.02, 0.05, 0.1, 0.2)


def run(*arguments: object) -> None:
    """The command as the shell calls it."""
    commands = {"evaluate": Command(command.evaluate, command.EvaluateOptions)}
    _, options = parse(commands, ["evaluate", *map(str, arguments)])
    command.evaluate(options)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def rated(tmp_path: Path, scene: Callable[..., Tensor]) -> Path:
    """Six scenes of four noisy versions; people's score falls with the noise alone."""
    root = tmp_path / "set"
    root.mkdir()
    rows = ["image,reference,score,scene,distortion,level"]
    for number in range(6):
        photo = scene(40, 48, number)
        save_image(photo, root / f"r{number}.png")
        for level, amount in enumerate(NOISE_AMOUNTS):
            noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(number))
            save_image((photo + amount * noise).clamp(0, 1), root / f"i{number}_{level}.png")
            kind = "fine" if level < 2 else "coarse"
            rows.append(f"i{number}_{level}.png,r{number}.png,{9 - 20 * amount},s{number},{kind},{level}")
    (root / "scores.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch, random_model: RelationalIQA) -> RelationalIQA:
    """The shipped model replaced by an untrained one, so that these tests say nothing about its agreement."""
    monkeypatch.setattr("relational_iqa.systems.pixel_perfect.load", lambda weights=None, device="cpu": random_model)
    return random_model


@pytest.fixture
def own_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of metrics to add to."""
    monkeypatch.setattr("relational_iqa.benchmarks.metrics.METRICS", dict(METRICS))


def test_tables_csv_json_and_plot_tell_the_same(
    rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run("csv", rated, "--metric", "psnr,gmsd", "--csv", out / "scores.csv", "--json", out / "result.json",
        "--plot", out / "scatter.png", "--bootstrap", 30, "--splits", 3)  # fmt: skip
    printed = capsys.readouterr().out
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    rows = read_rows(out / "scores.csv")
    scores = [float(row["score"]) for row in rows]
    psnr, gmsd = result["metrics"]["psnr"], result["metrics"]["gmsd"]
    assert psnr["overall"]["srcc"] == pytest.approx(srcc([float(row["psnr"]) for row in rows], scores))
    assert psnr["overall"]["srcc"] > 0.9
    # the CSV has gmsd in its own direction, the result with higher better
    assert gmsd["overall"]["srcc"] == pytest.approx(-srcc([float(row["gmsd"]) for row in rows], scores))
    assert gmsd["higher_is_better"] is False and psnr["unit"] == "dB" and psnr["needs_reference"] is True
    assert f"{psnr['overall']['srcc']:.3f}" in printed and f"{gmsd['overall']['rmse']:.3f}" in printed
    assert set(psnr["by_distortion"]) == {"fine", "coarse"} and len(psnr["by_scene"]) == 6
    assert psnr["srcc_within_scenes"] == pytest.approx(1) == psnr["pair_accuracy"]
    assert psnr["intervals"]["srcc"][0] <= psnr["intervals"]["srcc"][1]
    assert len(psnr["on_splits"]["splits"]) == 3 and psnr["on_splits"]["median"]["srcc"] > 0.8
    assert result["resampled"] == "scenes" and "30 bootstrap draws of scenes" in printed
    assert "nothing resized" in printed and result["settings"]["resize_rule"] == "original size, nothing resized"
    assert result["counted"] == 24 == len(rows) and result["failures"] == []
    assert load_image(out / "scatter.png").shape[0] == 3


def test_scores_are_those_of_the_metric_itself(rated: Path, tmp_path: Path) -> None:
    run("csv", rated, "--metric", "ssim,mdsi", "--csv", tmp_path / "s.csv", "--bootstrap", 0)
    for row in read_rows(tmp_path / "s.csv")[::7]:
        test, reference = (load_image(rated / row[name])[None] for name in ("image", "reference"))
        assert float(row["ssim"]) == pytest.approx(float(conventional.ssim(test, reference)[0]), rel=1e-6)
        assert float(row["mdsi"]) == pytest.approx(float(conventional.mdsi(test, reference)[0]), rel=1e-6)


def test_another_process_gives_the_numbers_and_the_order_of_this_one(rated: Path, tmp_path: Path) -> None:
    for workers in (0, 1):
        run("csv", rated, "--metric", "psnr", "--csv", tmp_path / f"{workers}.csv", "--bootstrap", 0,
            "--workers", workers)  # fmt: skip
    here, there = read_rows(tmp_path / "0.csv"), read_rows(tmp_path / "1.csv")
    assert [row["image"] for row in here] == [row["image"] for row in there]
    for one, other in zip(here, there, strict=True):
        assert float(one["psnr"]) == pytest.approx(float(other["psnr"]), rel=1e-6)


def test_ours_scores_with_the_reference_and_compares_without(
    rated: Path, tmp_path: Path, ours: RelationalIQA, capsys: pytest.CaptureFixture[str]
) -> None:
    run("csv", rated, "--metric", "ours,ours-nr", "--csv", tmp_path / "s.csv", "--json", tmp_path / "r.json",
        "--bootstrap", 25)  # fmt: skip
    rows = read_rows(tmp_path / "s.csv")
    images = [load_image(rated / row["image"]) for row in rows[:4]]
    reference = load_image(rated / rows[0]["reference"])
    assert float(rows[0]["ours"]) == pytest.approx(ours.quality(images[0], reference), rel=1e-5)
    margins = [ours.compare(images[1], other).margin if other is not images[1] else 0.0 for other in images]
    assert float(rows[1]["ours-nr"]) == pytest.approx(np.mean(margins), rel=1e-4, abs=1e-6)
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["metrics"]
    # without a reference there is no score that holds across scenes, so no number over all of them
    assert result["ours-nr"]["overall"] is None and result["ours"]["overall"]["n"] == 24
    assert len(result["ours-nr"]["by_scene"]) == 6 and 0 <= result["ours-nr"]["pair_accuracy"] <= 1
    assert result["ours"]["facts"]["sha256"] == ours.meta["sha256"]
    assert "no score holds across scenes" in capsys.readouterr().out


def test_a_partner_metric_that_sees_the_truth_is_right_in_every_pair(
    rated: Path, tmp_path: Path, own_metrics: None
) -> None:
    def sharper(weights: str | None) -> Loaded:
        return Loaded(lambda image, second: float((second if second is not None else image).std() - image.std()))

    register(QualityMetric("calm", sharper, True, (-1, 1), "levels", True, "partner", "less noise has less variance"))
    for partners in ([], ["--partners", 2]):
        run("csv", rated, "--metric", "calm", "--json", tmp_path / "r.json", "--bootstrap", 0, *partners)
        result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["metrics"]["calm"]
        assert result["pair_accuracy"] == 1 and result["srcc_within_scenes"] == pytest.approx(1)


def test_features_are_fitted_on_the_training_share_of_ten_splits(
    rated: Path, tmp_path: Path, own_metrics: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def features(weights: str | None) -> Loaded:
        return Loaded(lambda image, second: np.array([float(image.diff(dim=-1).abs().mean()), float(image.mean())]))

    register(QualityMetric("own", features, True, (0, 1), "unit of the opinion", False, "nothing", "test", fitted=True))
    run(
        "csv",
        rated,
        "--metric",
        "own,psnr",
        "--json",
        tmp_path / "r.json",
        "--bootstrap",
        0,
        "--csv",
        tmp_path / "s.csv",
    )
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["metrics"]
    assert "overall" not in result["own"] and len(result["own"]["on_splits"]["splits"]) == 10
    assert result["own"]["on_splits"]["median"]["srcc"] > 0.7
    assert "own (fitted)" in capsys.readouterr().out
    held_out = [row["own"] for row in read_rows(tmp_path / "s.csv")]
    assert any(held_out) and all(text == "" or np.isfinite(float(text)) for text in held_out)


def test_a_file_that_fails_is_named_and_counted_and_the_command_fails(
    rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rated / "i2_1.png").write_bytes(b"no image")
    save_image(torch.rand(3, 30, 30), rated / "i3_0.png")
    with pytest.raises(UsageError, match="2 images or pairs of set could not be scored"):
        run("csv", rated, "--metric", "psnr,ssim", "--json", tmp_path / "r.json", "--csv", tmp_path / "s.csv",
            "--bootstrap", 0)  # fmt: skip
    told = capsys.readouterr()
    assert "i2_1.png" in told.err and "30x30 px" in told.err and "2 images left out" in told.out
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert result["counted"] == 22 == result["metrics"]["psnr"]["overall"]["n"] and len(result["failures"]) == 2
    empty = [row["image"] for row in read_rows(tmp_path / "s.csv") if row["psnr"] == ""]
    assert empty == ["i2_1.png", "i3_0.png"]


def test_an_image_one_metric_fails_on_counts_for_none(rated: Path, tmp_path: Path, own_metrics: None) -> None:
    def moody(weights: str | None) -> Loaded:
        def score(image: Tensor, second: Tensor | None) -> float:
            return float("nan") if float(image[0, 0, 0]) > 0.5 else 1.0 - float(image.std())

        return Loaded(score)

    register(QualityMetric("moody", moody, True, (0, 1), "levels", False, "nothing", "test"))
    with pytest.raises(UsageError, match="could not be scored"):
        run("csv", rated, "--metric", "psnr,moody", "--json", tmp_path / "r.json", "--bootstrap", 0)
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    counted = result["metrics"]["psnr"]["overall"]["n"]
    assert counted == result["metrics"]["moody"]["overall"]["n"] == 24 - len(result["failures"]) < 24


def test_choices_between_two_give_the_two_afc_score(
    tmp_path: Path, scene: Callable[..., Tensor], ours: RelationalIQA, capsys: pytest.CaptureFixture[str]
) -> None:
    shares = (0.0, 0.2, 0.8, 1.0)
    for kind in ("traditional", "cnn"):
        folder = tmp_path / "val" / kind
        for part in ("ref", "p0", "p1", "judge"):
            (folder / part).mkdir(parents=True)
        for number, share in enumerate(shares):
            photo = scene(32, 32, number)
            noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(number))
            # people prefer the cleaner image: the second where the share is above .5
            for part, amount in (("ref", 0.0), ("p0", 0.05 + 0.1 * share), ("p1", 0.15 - 0.1 * share)):
                save_image((photo + amount * noise).clamp(0, 1), folder / part / f"{number:06d}.png")
            np.save(folder / "judge" / f"{number:06d}.npy", np.array([share], dtype=np.float32))
    run("bapps", tmp_path, "--partial", "--metric", "psnr,gmsd,ours-nr", "--json", tmp_path / "r.json",
        "--csv", tmp_path / "s.csv", "--bootstrap", 30)  # fmt: skip
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    best = np.mean([max(share, 1 - share) for share in shares])
    assert result["metrics"]["psnr"]["two_afc"]["score"] == pytest.approx(best)
    assert result["metrics"]["psnr"]["two_afc"]["by_distortion"] == pytest.approx({"cnn": best, "traditional": best})
    assert result["people"]["best_possible"] == pytest.approx(best) and result["resampled"] == "pairs"
    assert 0 <= result["metrics"]["ours-nr"]["two_afc"]["score"] <= best + 1e-6
    row = read_rows(tmp_path / "s.csv")[0]
    images = [load_image(tmp_path / row[name]) for name in ("first", "second")]
    assert float(row["ours-nr margin"]) == pytest.approx(ours.compare(*images).margin, rel=1e-4, abs=1e-6)
    assert float(row["psnr first"]) > float(row["psnr second"])
    assert "2AFC" in capsys.readouterr().out


def test_json_on_stdout_is_json_alone(rated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("csv", rated, "--metric", "psnr", "--json", "-", "--bootstrap", 0)
    told = capsys.readouterr()
    assert json.loads(told.out)["metrics"]["psnr"]["overall"]["n"] == 24
    assert "SRCC" in told.err


def test_the_resize_rule_is_applied_and_told(rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("csv", rated, "--metric", "psnr", "--csv", tmp_path / "s.csv", "--bootstrap", 0, "--shorter-side", 20)
    assert "shorter side shrunk to 20 px" in capsys.readouterr().out
    row = read_rows(tmp_path / "s.csv")[3]
    small = [shrink(load_image(rated / row[name]), 20)[None] for name in ("image", "reference")]
    assert small[0].shape[-2:] == (20, 24)
    assert float(row["psnr"]) == pytest.approx(float(conventional.psnr(*small)[0]), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metric", "psnr,lpips"], "metric 'lpips': expected some of ours,.*psnr"),
        (["--metric", "psnr,psnr"], "given twice"),
        (["--metric", "psnr=w.safetensors"], "psnr has no weights"),
        (["--metric", "psnr", "--plot", "x.docx"], "plots are png, pdf, svg"),
        (["--metric", "psnr", "--csv", "-"], "'-' is for --json"),
        (["--metric", "ours-nr", "--partners", "1"], "2 or more"),
        (["--metric", "psnr", "--splits", "-1"], "splits"),
        ([], "metric"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(
    rated: Path, ours: RelationalIQA, arguments: list[str], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as error:
        run("csv", rated, "--bootstrap", 0, *arguments)
    assert "\n" not in str(error.value)


def test_an_output_never_replaces_a_file_of_the_data_set(rated: Path) -> None:
    before = (rated / "scores.csv").read_bytes()
    (rated.parent / "other").mkdir()
    with pytest.raises(UsageError, match="is a file of the data set"):
        run("csv", rated.parent / "other/../set", "--metric", "psnr", "--csv", rated / "scores.csv", "--bootstrap", 0)
    assert (rated / "scores.csv").read_bytes() == before


def test_metrics_that_do_not_fit_a_set_are_refused_before_any_work(rated: Path) -> None:
    (rated / "scores.csv").write_text("image,score\ni0_0.png,1\ni1_0.png,2\ni2_0.png,3\n", encoding="utf-8")
    with pytest.raises(UsageError, match="psnr needs references, and 3 of 3 images"):
        run("csv", rated, "--metric", "psnr")
    with pytest.raises(UsageError, match="ours-nr compares versions of one scene"):
        run("csv", rated, "--metric", "ours-nr")


def test_every_metric_says_direction_range_unit_and_needs() -> None:
    assert {"ours", "ours-nr", "pmos", "reiqa", "spips", "psnr", "ssim", "ms-ssim", "gmsd", "mdsi", "haarpsi", "vsi",
            "fsim"} <= set(METRICS)  # fmt: skip
    for name, metric in METRICS.items():
        assert metric.name == name and metric.unit and metric.source and metric.range[0] < metric.range[1]
        assert metric.needs_reference == (metric.second == "reference")
    assert [chosen.label for chosen in choose("MS_SSIM, ours=a.safetensors")] == ["ms-ssim", "ours=a.safetensors"]


def test_a_registered_name_is_taken(own_metrics: None) -> None:
    with pytest.raises(UsageError, match="is taken"):
        register(METRICS["psnr"])


def test_names_that_are_no_utf_8_are_written_with_escapes(tmp_path: Path, scene: Callable[..., Tensor]) -> None:
    root = tmp_path / "mix"
    (root / "judge").mkdir(parents=True)
    for number in range(8):
        name = os.fsdecode(b"x\xff%d" % number)
        np.save(root / "judge" / f"{name}.npy", np.array([0.25 + 0.5 * (number % 2)], np.float32))
        for part, noise in (("ref", 0.0), ("p0", 0.1), ("p1", 0.02)):
            (root / part).mkdir(exist_ok=True)
            save_image((scene(32, 32, number) + noise * torch.rand(3, 32, 32)).clamp(0, 1), root / part / f"{name}.png")
    run("bapps", root, "--metric", "psnr", "--csv", tmp_path / "out.csv", "--bootstrap", "2")
    assert [row["first"] for row in read_rows(tmp_path / "out.csv")] == [f"p0/x\\udcff{n}.png" for n in range(8)]
