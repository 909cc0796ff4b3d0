"""How often verdicts are right: by the gap between opinions, and by how sure they are."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import save_image
from relational_iqa.benchmarks.bootstrap import share_interval
from relational_iqa.benchmarks.compared import MAX_PAIRS, compared_pairs
from relational_iqa.benchmarks.metrics import METRICS, Answer, Loaded, QualityMetric, register
from relational_iqa.benchmarks.readers.catalog import read_benchmark
from relational_iqa.benchmarks.readers.items import Benchmark, JudgedPair, Opinion, RatedImage
from relational_iqa.benchmarks.verdicts import (
    Gaps,
    calibration_error,
    gaps_of,
    gaps_of_choices,
    rows_by_confidence,
    rows_by_gap,
    verdicts,
)
from relational_iqa.systems.pixel_perfect import RelationalIQA
from tests.relational_iqa.benchmarks.test_benchmarks_readers import csiq, kadid, tid2013
from tests.relational_iqa.benchmarks.test_evaluate import run

NAN = float("nan")


def rated_set(scores: list[float], deviation: float | None, scene: str = "s") -> Benchmark:
    images = [RatedImage(Path(f"{n}.png"), None, score, scene, deviation=deviation) for n, score in enumerate(scores)]
    return Benchmark("made", Path("."), Opinion("MOS", None, None, True), tuple(images), aligned=True)


def all_gaps(benchmark: Benchmark) -> Gaps:
    pairs, whole = compared_pairs(benchmark)
    return gaps_of(benchmark, pairs, np.arange(len(benchmark.images)), whole)


def test_a_gap_is_counted_in_deviations_of_opinion_where_the_set_has_them() -> None:
    gaps = all_gaps(rated_set([1.0, 2.0, 5.0, 5.0], 2.0))
    assert gaps.unit == "deviations of opinion"
    assert gaps.pairs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3]]  # people think the same of 2 and 3
    assert gaps.gap.tolist() == [0.5, 2, 2, 1.5, 1.5] and gaps.people.tolist() == [-1, -4, -4, -3, -3]


def test_two_deviations_count_by_their_root_mean_square() -> None:
    benchmark = rated_set([1.0, 6.0], 1.0)
    other = Benchmark(
        "made",
        Path("."),
        benchmark.opinion,
        (benchmark.images[0], RatedImage(Path("b.png"), None, 6.0, "s", deviation=7.0)),
    )
    assert all_gaps(other).gap[0] == pytest.approx(5 / np.sqrt((1 + 49) / 2))


def test_without_deviations_a_gap_is_the_share_of_the_set_that_lies_between() -> None:
    gaps = all_gaps(rated_set([10.0, 20.0, 20.0, 1000.0], None))
    assert gaps.unit == "share of the set between the two scores"
    # mid-ranks .5, 2, 2, 3.5 of 4: the size of a score does not matter, only its place
    assert dict(zip(map(tuple, gaps.pairs.tolist()), gaps.gap.tolist(), strict=True)) == {
        (0, 1): 0.375, (0, 2): 0.375, (0, 3): 0.75, (1, 3): 0.375, (2, 3): 0.375
    }  # fmt: skip


def test_one_image_without_a_deviation_makes_quantiles_of_all() -> None:
    benchmark = rated_set([1.0, 2.0, 3.0], 1.0)
    images = (*benchmark.images[:2], RatedImage(Path("c.png"), None, 3.0, "s"))
    assert all_gaps(Benchmark("made", Path("."), benchmark.opinion, images)).unit.startswith("share")


def test_judged_pairs_have_the_lead_among_people_as_gap() -> None:
    pairs = tuple(JudgedPair(Path("a"), Path("b"), Path("r"), share) for share in (0.2, 0.5, 1.0))
    gaps = gaps_of_choices(Benchmark("b", Path("."), Opinion("share", 0, 1, True), pairs=pairs), np.arange(3))
    assert gaps.people == pytest.approx([0.6, -1.0]) and gaps.gap == pytest.approx([0.6, 1.0])
    assert gaps.pairs.tolist() == [[0, 0], [2, 2]] and gaps.whole == 3


def test_of_too_many_pairs_the_same_ones_are_drawn_each_time() -> None:
    benchmark = rated_set([float(n) for n in range(250)], 1.0)
    pairs, whole = compared_pairs(benchmark, seed=3)
    again, _ = compared_pairs(benchmark, seed=3)
    assert whole == 250 * 249 // 2 > MAX_PAIRS == len(pairs) == len(set(map(tuple, pairs.tolist())))
    assert np.array_equal(pairs, again) and not np.array_equal(pairs, compared_pairs(benchmark, seed=4)[0])


def test_ties_and_cannot_tell_are_counted_apart_from_right_and_wrong() -> None:
    said = verdicts(
        np.array([2.0, -2.0, 0.05, 1.0, 1.0, 0.0]),
        np.array([0.9, 0.9, 0.9, 0.55, 0.9, 0.5]),
        np.array([1.0, 1.0, 1.0, 1.0, 0.4, 1.0]),
        tie_margin=0.1,
    )
    # named, named, below the tie margin, not sure, nothing visible, identical
    assert np.array_equal(said.told, [1, -1, 0, NAN, 0, 0], equal_nan=True)
    people = np.ones(6)
    gaps = Gaps(np.zeros((6, 2), np.int64), people, np.full(6, 0.3), "levels", (0.0, 1.0), ("s",) * 6, 6)
    first, everything = rows_by_gap(said, gaps)
    assert first == everything
    assert (first.right, first.wrong, first.ties, first.cannot_tell, first.pairs) == (1, 1, 3, 1, 6)
    assert first.accuracy == 0.5 and first.sign_accuracy == pytest.approx((4 + 0 + 0.5) / 6)


def test_the_rule_is_that_of_a_comparison(random_model: RelationalIQA, photos: list[Tensor]) -> None:
    words = {1.0: "a", -1.0: "b", 0.0: "tie"}
    image = photos[0][:, :64, :64]
    noisy = (image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    unseen = image.clone()
    unseen[0, 3, 3] = (unseen[0, 3, 3] - 1 / 255).clamp(0, 1)
    for other in (noisy, unseen, image):
        found = random_model.compare(image, other)
        sure = NAN if found.confidence is None else found.confidence
        seen = np.array([found.visible_difference], np.float64)
        told = float(verdicts(np.array([found.margin]), np.array([sure]), seen, 0.1).told[0])
        assert words.get(told, "cannot tell") == found.better


def test_bins_hold_their_lower_end_and_the_last_its_upper_end_too() -> None:
    gap = np.array([0.0, 0.5, 1.0])
    gaps = Gaps(np.zeros((3, 2), np.int64), np.ones(3), gap, "x", (0.0, 0.5, 1.0), ("s",) * 3, 3)
    rows = rows_by_gap(verdicts(np.array([1.0, -1.0, 1.0])), gaps)
    assert [row.pairs for row in rows] == [1, 2, 3] and [row.accuracy for row in rows] == [1, 0.5, pytest.approx(2 / 3)]


def test_confidence_is_compared_with_how_often_the_sign_is_right() -> None:
    sure = np.array([0.75, 0.75, 0.75, 0.75, 0.52, 0.52, 1.0, NAN])
    margins = np.array([1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
    gaps = Gaps(np.zeros((8, 2), np.int64), np.ones(8), np.ones(8), "x", (0.0, 1.0), ("s",) * 8, 8)
    said = verdicts(margins, sure)
    rows = {(row.low, row.high): row for row in rows_by_confidence(said, gaps)}
    assert rows[0.7, 0.8].pairs == 4 and rows[0.7, 0.8].sign_accuracy == 0.75 == rows[0.7, 0.8].confidence
    assert rows[0.5, 0.6].cannot_tell == 2 and np.isnan(rows[0.5, 0.6].accuracy)
    assert rows[0.5, 0.6].sign_accuracy == 0.5 and rows[0.99, 1.0].pairs == 1
    assert calibration_error(list(rows.values())) == pytest.approx(2 * 0.02 / 7)
    assert rows_by_confidence(verdicts(margins), gaps) == [] and np.isnan(calibration_error([]))


def test_the_interval_of_a_share_widens_where_scenes_differ() -> None:
    hits = np.repeat([True, False], 500)
    by_scene = share_interval(hits, [f"s{n // 100}" for n in range(1000)], 400)
    mixed = share_interval(hits, [f"s{n % 10}" for n in range(1000)], 400)
    few = share_interval(hits, ["a"] * 1000, 400)
    assert by_scene is not None and mixed is not None and few is not None
    assert by_scene[1] - by_scene[0] > 0.4 and mixed[1] - mixed[0] < 1e-9
    assert few == pytest.approx((0.47, 0.53), abs=0.01)  # 1.96 * sqrt(.25 / 1000)
    assert share_interval(hits, ["a"] * 1000, 0) is None and share_interval(hits[:0], [], 400) is None


def test_readers_give_the_deviations_that_sets_have(tmp_path: Path) -> None:
    for name, make in (("kadid10k", kadid), ("csiq", csiq), ("tid2013", tid2013)):
        make(tmp_path / name)
        found = [image.deviation for image in read_benchmark(name, tmp_path / name, partial=True).images]
        expected = {"kadid10k": 0.4**0.5, "csiq": 0.05, "tid2013": None}[name]
        assert found == [pytest.approx(expected)] * len(found)
    (tmp_path / "tid2013/mos_std.txt").write_text("0.7\n0.2\n", encoding="utf-8")
    assert [i.deviation for i in read_benchmark("tid2013", tmp_path / "tid2013", partial=True).images] == [0.7, 0.2]
    (tmp_path / "tid2013/mos_std.txt").write_text("0.7\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mos_std.txt: 1 deviations for 2 scores"):
        read_benchmark("tid2013", tmp_path / "tid2013", partial=True)


@pytest.fixture
def judged_set(tmp_path: Path, scene: Callable[..., Tensor]) -> Path:
    """Two scenes of four noisy versions with deviations of 1; people's score falls by 1 a version."""
    root = tmp_path / "set"
    root.mkdir()
    rows = ["image,reference,score,scene,deviation"]
    for number in range(2):
        photo = scene(40, 48, number)
        save_image(photo, root / f"r{number}.png")
        for level in range(4):
            noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(number))
            save_image((photo + 0.05 * (level + 1) * noise).clamp(0, 1), root / f"i{number}_{level}.png")
            rows.append(f"i{number}_{level}.png,r{number}.png,{5 - level},s{number},1")
    (root / "scores.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


def test_table_csv_and_json_of_verdicts_with_and_without_reference(
    judged_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    random_model: RelationalIQA,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("relational_iqa.systems.pixel_perfect.load", lambda weights=None, device="cpu": random_model)
    run("csv", judged_set, "--metric", "psnr,ours,ours-nr", "--verdicts", tmp_path / "v.csv",
        "--json", tmp_path / "r.json", "--bootstrap", 25)  # fmt: skip
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert "verdicts right, by deviations of opinion" in printed and "all pairs" in printed
    assert result["verdicts"] == {"pairs": 12, "of": 12, "unit_of_gap": "deviations of opinion"}
    for label in ("psnr", "ours", "ours-nr"):
        rows = result["metrics"][label]["verdicts_by_gap"]
        assert [row["pairs"] for row in rows] == [0, 0, 6, 6, 12]  # gaps of 1; of 2 and 3
        for row in rows:
            assert row["pairs"] == row["right"] + row["wrong"] + row["ties"] + row["cannot_tell"]
    assert result["metrics"]["psnr"]["verdicts_by_gap"][-1]["accuracy"] == 1
    assert result["metrics"]["psnr"]["pair_accuracy"] == 1
    with (tmp_path / "v.csv").open(newline="", encoding="utf-8") as lines:
        table = list(csv.DictReader(lines))
    whole = next(row for row in table if row["metric"] == "psnr" and (row["from"], row["to"]) == ("0.0", ""))
    assert (whole["right"], whole["wrong"], whole["accuracy"], whole["unit"]) == (
        "12",
        "0",
        "1.0",
        "deviations of opinion",
    )


def test_confidences_of_scores_and_of_partners_reach_the_table(
    judged_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("relational_iqa.benchmarks.metrics.METRICS", dict(METRICS))

    def single(weights: str | None) -> Loaded:
        def score(image: Tensor, second: Tensor | None) -> Answer:
            value = -float(image.diff(dim=-1).abs().mean())
            return Answer(value, evidence=repr(value).encode())

        return Loaded(score, confidence=lambda a, b: 0.55 if abs(float(a) - float(b)) < 0.07 else 0.95)

    def partner(weights: str | None) -> Loaded:
        def score(image: Tensor, second: Tensor | None) -> Answer:
            assert second is not None
            return Answer(float(image.std() - second.std()), 0.8, 1.0)  # against people: noise is better

        return Loaded(score)

    register(QualityMetric("single", single, True, (-1, 0), "levels", False, "nothing", "test"))
    register(QualityMetric("partner", partner, True, (-1, 1), "levels", False, "partner", "test"))
    run("csv", judged_set, "--metric", "single,partner", "--json", tmp_path / "r.json", "--bootstrap", 0)
    metrics = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["metrics"]
    rows = {row["low"]: row for row in metrics["single"]["verdicts_by_confidence"]}
    assert rows[0.5]["cannot_tell"] + rows[0.95]["right"] == 12 and rows[0.95]["sign_accuracy"] == 1
    assert 0 < rows[0.95]["right"] < 12 and rows[0.5]["right"] == 0
    whole = metrics["partner"]["verdicts_by_gap"][-1]
    assert whole["wrong"] == 12 and whole["accuracy"] == 0 == metrics["partner"]["pair_accuracy"]
    assert metrics["partner"]["calibration_error"] == pytest.approx(0.8)
    assert "by confidence" in capsys.readouterr().out


def test_verdicts_of_a_set_without_scenes_are_refused_in_one_line(judged_set: Path, tmp_path: Path) -> None:
    (judged_set / "scores.csv").write_text(
        "image,score,scene\ni0_0.png,1,a\ni0_1.png,2,b\ni0_2.png,3,c\n", encoding="utf-8"
    )
    with pytest.raises(UsageError, match="has no two images of one scene"):
        run("csv", judged_set, "--metric", "pmos", "--verdicts", tmp_path / "v.csv", "--bootstrap", 0)
    (judged_set / "scores.csv").write_text("image,score,scene,deviation\ni0_0.png,1,a,-2\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 2: deviation '-2' is no number of at least 0"):
        run("csv", judged_set, "--metric", "psnr")
