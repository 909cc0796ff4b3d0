"""riqa compare with two folders: what belongs together, what is said of many pairs, and what the exit code means."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

import relational_iqa
from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from relational_iqa import cli
from relational_iqa.folders.comparison import COLUMNS, Row
from relational_iqa.folders.csv_table import csv_table
from relational_iqa.folders.pairing import Pair, pair_up
from relational_iqa.folders.summary import bootstrap_intervals, summarise

SIZE = 40


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, photo_paths: list[Path]) -> Path:
    """ref, new (slightly blurred WebP) and old (strongly blurred PNG): six scenes, two of them in a sub-folder."""
    root = tmp_path_factory.mktemp("folders")
    for index in range(6):
        photo = Image.open(photo_paths[index % 3]).convert("RGB")
        left = SIZE * (index // 3)
        scene = photo.crop((left, 40, left + SIZE, 40 + SIZE))
        name = f"{'city/' if index > 3 else ''}scene_{index}"
        for folder, suffix, radius in (("ref", "png", 0.0), ("new", "webp", 0.4), ("old", "png", 1.5)):
            target = root / folder / f"{name}.{suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            scene.filter(ImageFilter.GaussianBlur(radius)).save(target, lossless=True)
    return root


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `riqa compare argv`."""
    try:
        code = cli.main(["compare", *argv])
    except SystemExit as end:
        code = int(str(end.code))
    said = capsys.readouterr()
    return code, said.out, said.err


def touch(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return str(folder)


def row(margin: float, name: str = "x", confidence: float | None = None, **axes: float) -> Row:
    verdict: Any = "a" if margin >= 0.1 else "b" if margin <= -0.1 else "tie"
    verdict = "cannot tell" if confidence is not None and confidence < 0.6 else verdict
    values = {axis.name: axes.get(axis.name, 0.0) for axis in AXES}
    files = Pair(name, Path("a"), Path("b"))
    return Row(files, "", verdict, margin, None, None, (4, 4), values, "A sentence.", confidence)


# Pairing


def test_files_pair_by_name_first_then_by_stem_through_sub_folders(tmp_path: Path) -> None:
    a = touch(tmp_path / "a", "x.png", "x.jpg", "sub/y.webp", "only.png", "two.png", "notes.txt", ".hidden.png")
    b = touch(tmp_path / "b", "x.png", "x.avif", "sub/y.jpg", "y.png", "two.jpg", "two.webp", ".git/z.png")
    r = touch(tmp_path / "r", "x.png", "y.png", "sub/y.tif")
    pairing = pair_up(a, b, r)
    found = [(p.name, p.a.name, p.b.name, p.reference and str(p.reference.relative_to(r))) for p in pairing.pairs]
    assert found == [
        ("sub/y", "y.webp", "y.jpg", "sub/y.tif"),
        ("x.jpg", "x.jpg", "x.avif", "x.png"),
        ("x.png", "x.png", "x.png", "x.png"),
    ]
    assert pairing.only_a == ("only.png", "two.png") and pairing.only_b == ("two.jpg", "two.webp", "y.png")


def test_light_and_camera_raw_are_images_of_a_folder(tmp_path: Path) -> None:
    a, b = touch(tmp_path / "a", "x.exr", "y.DNG", "z.heic"), touch(tmp_path / "b", "x.png", "y.dng", "z.hif")
    assert [pair.name for pair in pair_up(a, b).pairs] == ["x", "y", "z"]


def test_one_reference_file_serves_all_pairs_and_a_missing_one_is_a_problem_of_its_pair(tmp_path: Path) -> None:
    a, b = touch(tmp_path / "a", "q10.jpg", "q90.jpg"), touch(tmp_path / "b", "q10.webp", "q90.webp")
    r = touch(tmp_path / "r", "q10.png")
    assert {pair.reference for pair in pair_up(a, b, f"{r}/q10.png").pairs} == {Path(r, "q10.png")}
    first, second = pair_up(a, b, r).pairs
    assert first.problem == "" and "no reference of that name" in second.problem


def test_folders_that_cannot_be_paired_are_refused(tmp_path: Path) -> None:
    a, b, empty = touch(tmp_path / "a", "x.png"), touch(tmp_path / "b", "z.png"), touch(tmp_path / "e", "x.txt")
    for one, other, said in (
        (a, b, "x.png) has a partner"),
        (a, empty, "no images"),
        (a, f"{b}/z.png", "is a file, but the other path is a folder"),
        (f"{tmp_path}/no", b, "no such folder"),
    ):
        with pytest.raises(UsageError, match="give|expected") as caught:
            pair_up(one, other)
        assert said in str(caught.value)


def test_names_that_are_no_text_become_text(tmp_path: Path) -> None:
    assert printable(os.fsdecode(b"caf\xe9\n.png")) == "caf\\udce9\\n.png"
    assert printable("schön.png") == "schön.png"


# Summary


def test_counts_mean_and_worst_come_from_the_good_rows_alone() -> None:
    rows = [row(m, f"p{i}", noise=0.1 + 0.01 * i) for i, m in enumerate((1.0, -0.5, 0.05, 2.0, -1.0))]
    bad = Row(Pair("bad", Path("a"), Path("b")), "is empty")
    summary = summarise([*rows, bad], worst=2)
    assert summary is not None and summary.failed == (bad,)
    assert (summary.compared, summary.better_a, summary.ties, summary.better_b) == (5, 2, 1, 2)
    assert summary.margin.mean == pytest.approx(0.31) and summary.median == 0.05
    assert [r.pair.name for r in summary.worst] == ["p4", "p1"]
    assert not summary.margin.differs
    said = "to rely on (0.3 levels, the interval includes 0), but new is better in 2 of them and old in 2."
    assert said in summary.verdict(("new", "old"))
    assert summary.told_axes() == [("noisier", pytest.approx(0.12))]
    assert "on the mean: old is noisier (0.12)" in summary.lines(("new", "old"))
    assert summarise([bad], 2) is None


def test_the_verdict_of_a_clear_difference_names_the_better_folder_and_few_pairs_have_no_interval() -> None:
    clear = summarise([row(-0.8 - 0.02 * i) for i in range(8)], 3)
    assert clear is not None
    assert clear.verdict(("new", "old")) == "old is clearly better than new on the mean of 8 pairs, by 0.9 levels."
    few = summarise([row(0.7), row(0.8)], 3)
    assert few is not None and few.margin.interval is None and few.verdict(("n", "o")).startswith("n is clearly better")
    same = summarise([row(0.0)] * 6, 3)
    assert same is not None and same.verdict(("n", "o")) == "n and o do not differ on the mean of 6 pairs."


def test_pairs_that_cannot_be_told_are_counted_apart_and_are_zero_in_the_told_mean_alone() -> None:
    rows = [row(1.0, "p", 0.9), row(-0.5, "q", 0.59), row(0.05, "r", 0.6), row(-0.8, "s", 0.7)]
    summary = summarise(rows, worst=4)
    assert summary is not None
    assert (summary.better_a, summary.ties, summary.better_b, summary.cannot_tell) == (1, 1, 1, 1)
    assert summary.margin.mean == pytest.approx(-0.0625) and summary.told_mean == pytest.approx(0.0625)
    assert summary.confidence == pytest.approx((0.6975, 0.59))
    lines = summary.lines(("new", "old"))
    assert "pairs: new better in 1, 1 ties, old better in 1, cannot tell in 1" in lines
    assert "confidence: mean 69 %, least 59 % (that the better image of a pair is named rightly)" in lines
    data = summary.to_json()
    assert data["better"] == {"a": 1, "tie": 1, "b": 1, "cannot tell": 1} and data["confidence"]["least"] == 0.59
    assert data["margin"]["told_mean"] == summary.told_mean and data["margin"]["mean"] == summary.margin.mean


def test_no_folder_is_called_better_for_pairs_that_cannot_be_told() -> None:
    def said(*rows: Row) -> str:
        summary = summarise(rows, 1)
        assert summary is not None
        return summary.verdict(("new", "old"))

    one = "Cannot tell which of new and old is better on the mean of 1 pair (0.8 levels, but 1 of 1 cannot be told)."
    assert said(row(0.8, "p", 0.55)) == one and said(row(-0.8, "p", 0.55)) == one
    two = "Cannot tell which of new and old is better on the mean of 2 pairs (0.3 levels, but 1 of 2 cannot be told)."
    assert said(row(0.8, "p", 0.55), row(-0.2, "q", 0.9)) == two
    assert said(row(0.2, "p", 0.55), row(1.0, "q", 0.9)).startswith("new is clearly better than old")
    assert said(row(0.8, "p", 0.6)).startswith("new is clearly better than old")


def test_without_confidences_the_lines_say_nothing_of_them() -> None:
    for rows in ([row(1.0), row(-0.5)], [row(1.0, "p", 0.9), row(-0.5)], [row(0.0, "p", 0.5)]):
        summary = summarise(rows, 2)
        assert summary is not None and summary.confidence is None
    said = summarise([row(1.0), row(-0.5)], 2)
    assert said is not None and said.told_mean == said.margin.mean
    assert not any("confidence" in line or "cannot tell" in line for line in said.lines(("new", "old")))


def test_identical_images_do_not_lower_the_confidence_of_the_others() -> None:
    summary = summarise([row(1.0, "p", 0.9), replace(row(0.0, "q", 0.5), verdict="tie")], 2)
    assert summary is not None and summary.confidence == (0.9, 0.9)


def test_the_interval_is_that_of_the_normal_approximation_where_that_holds_and_is_repeatable() -> None:
    values = np.random.default_rng(1).normal((0.3, -1.0), (1.0, 0.1), (400, 2))
    found = bootstrap_intervals(values)
    assert found is not None and np.array_equal(found, bootstrap_intervals(values))
    half = 1.96 * values.std(0) / np.sqrt(400)
    assert np.allclose(found, [values.mean(0) - half, values.mean(0) + half], atol=0.12 * half)
    assert bootstrap_intervals(values[:4]) is None


# The command


def test_folders_are_compared_pair_by_pair_as_the_model_compares_them(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, result, reports = tmp_path / "new" / "t.csv", tmp_path / "r.json", tmp_path / "reports"
    argv = [str(folders / "new"), str(folders / "old"), "--reference", str(folders / "ref"), "--worst", "2"]
    code, out, err = run(capsys, *argv, "--csv", str(table), "--json", str(result), "--out", str(reports))
    assert code == 0 and "riqa:" not in err
    first, margin, counts, sure, quality, axes, *_ = out.splitlines()
    assert first.startswith("new is ") and "than old on the mean of 6 pairs, by" in first
    assert "95 % interval" in margin and counts == "pairs: new better in 6, 0 ties, old better in 0"
    assert (
        sure.startswith("confidence: mean ") and quality.startswith("quality: mean new -") and "new is sharper" in axes
    )
    with open(table, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS and [r["name"] for r in rows[:2]] == ["city/scene_4", "city/scene_5"]
    expected = relational_iqa.load().compare(
        folders / "new/city/scene_4.webp", folders / "old/city/scene_4.png", folders / "ref/city/scene_4.png"
    )
    assert float(rows[0]["margin"]) == pytest.approx(expected.margin, abs=1e-4) and rows[0]["verdict"] == "a"
    assert float(rows[0]["quality_b"]) == pytest.approx(expected.quality_b, abs=1e-4)
    assert float(rows[0]["sharpness"]) == pytest.approx(expected.intensities["sharpness"], abs=1e-4)
    reason, region = expected.told[0], expected.regions[0]
    assert (rows[0]["reason_axis"], rows[0]["reason_side"], rows[0]["reason_strength"]) == (
        reason.axis, reason.side, reason.strength
    )  # fmt: skip
    assert float(rows[0]["reason_share"]) == pytest.approx(reason.share, abs=1e-3)
    assert float(rows[0]["explained_share"]) == pytest.approx(expected.explained_share, abs=1e-3)
    box = [int(rows[0][f"region_{side}"]) for side in ("left", "top", "width", "height")]
    assert box == [region.left, region.top, region.width, region.height]
    assert int(rows[0]["regions"]) == len(expected.regions) and rows[0]["region_axis"] == (region.axis or "")
    content = json.loads(result.read_text())
    assert len(content["pairs"][0]["regions"]) == len(expected.regions)
    assert content["pairs"][0]["reasons"][0]["where"] == rows[0]["reason_where"]
    margins = [float(r["margin"]) for r in rows]
    assert content["summary"]["margin"]["mean"] == pytest.approx(np.mean(margins), abs=1e-4)
    assert content["summary"]["worst"] == [rows[i]["name"] for i in np.argsort(margins)[:2]]
    assert [Path(path).exists() for path in content["reports"]] == [True, True] and len(list(reports.iterdir())) == 3
    assert not list(table.parent.glob("*.partial"))


def test_bad_files_are_listed_the_rest_is_done_and_the_exit_code_is_2(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old, table = tmp_path / "new", tmp_path / "old", tmp_path / "t.csv"
    for folder in (new, old):
        folder.mkdir()
        (folder / "good.png").write_bytes((folders / "old" / "scene_0.png").read_bytes())
        (folder / "empty.png").touch()
        Image.new("RGB", (20, 20 if folder == new else 24)).save(folder / "sizes.png")
    (new / "alone.png").touch()
    code, out, err = run(capsys, str(new), str(old), "--csv", str(table))
    assert code == 2 and err.count("\n") == 1
    assert err.startswith("riqa: 2 of 3 pairs could not be compared; the first: empty: ") and "is empty" in err
    assert "failed: 2\n  empty: " in out and "20x24 px" in out and f"without a partner in {new}: 1\n  alone.png" in out
    rows = {r["name"]: r for r in csv.DictReader(table.read_text().splitlines())}
    assert rows["good"]["verdict"] == "tie" and rows["good"]["error"] == "" and rows["good"]["margin"] == "0"
    assert rows["good"]["regions"] == "0" and rows["good"]["reason_axis"] == rows["good"]["region_left"] == ""
    assert rows["empty"]["margin"] == rows["empty"]["regions"] == "" and "is empty" in rows["empty"]["error"]


def test_exit_codes_for_continuous_integration(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new, old = str(folders / "new" / "city"), str(folders / "old" / "city")
    assert run(capsys, new, old, "--fail-below", "-0.1")[0] == 0
    code, out, err = run(capsys, old, new, "--fail-below", "-0.1")
    assert code == 1 and err.startswith("riqa: mean margin -") and "is below --fail-below -0.1" in err
    assert out.splitlines()[0].startswith("new/city is ")
    files = f"{old}/scene_4.png", f"{new}/scene_4.webp"
    assert run(capsys, *files, "--fail-below", "-0.1")[0] == 1
    assert run(capsys, *files[::-1], "--fail-below", "-0.1")[0] == 0


def test_unmatched_files_fail_only_when_asked(folders: Path, tmp_path: Path, capsys: Any) -> None:
    for name in ("scene_0", "scene_1"):
        (tmp_path / f"{name}.png").write_bytes((folders / "old" / f"{name}.png").read_bytes())
    more = [str(folders / "old"), str(tmp_path)]
    code, out, _ = run(capsys, *more)
    assert code == 0 and "without a partner" in out and "city/scene_5.png" in out
    code, _, err = run(capsys, *more, "--fail-unmatched")
    assert code == 2 and "4 files have no partner" in err


def test_an_interrupted_run_leaves_its_rows_beside_the_old_table(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, table = relational_iqa.load(), tmp_path / "t.csv"
    compare, calls = model.compare, []

    def interrupted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compare(*arguments, **options)

    monkeypatch.setattr(model, "compare", interrupted)
    monkeypatch.setattr(relational_iqa, "load", lambda: model)
    table.write_text("of yesterday")
    code, out, err = run(capsys, str(folders / "new"), str(folders / "old"), "--csv", str(table))
    assert code == 130 and out == "" and f"2 of 6 pairs are done: {table}.partial" in err
    assert table.read_text() == "of yesterday"
    assert len(Path(f"{table}.partial").read_text().splitlines()) == 3


def test_options_that_do_not_fit_are_one_line(folders: Path, tmp_path: Path, capsys: Any) -> None:
    new, old = str(folders / "new"), str(folders / "old")
    file = f"{old}/scene_0.png"
    for argv, said in (
        ([file, file, "--csv", "x.csv"], "--csv is for two folders"),
        ([file, file, "--worst", "3"], "--worst is for two folders"),
        ([new, old, "--mask", file], "--mask"),
        ([new, old, "--out", file], "is an input, an image of a folder"),
        ([new, old, "--out", __file__], "is a file"),
        ([new, old, "--csv", file], "is an input"),
        ([new, old, "--fail-below", ".inf"], "expected a number of levels"),
        ([new, file], "is a file, but the other path is a folder"),
        ([new, old, "--reference", str(tmp_path)], "no images"),
    ):
        code, out, err = run(capsys, *argv)
        assert code == 2 and out == "" and err.startswith("riqa: ") and err.count("\n") == 1 and said in err


def test_cells_that_a_spreadsheet_would_compute_are_made_harmless_and_numbers_are_kept(tmp_path: Path) -> None:
    columns = ["name", "margin", "=head"]
    rows: list[tuple[Any, Any, Any]] = [
        ("=1+1", -0.5, None), ("+x", 2, "@y"), ("-x.png", -3, "\tz"), ("a=b", 0.0, "\rq"), ("\udcff", 1e-9, "é"),
    ]  # fmt: skip
    with csv_table(str(tmp_path / "t.csv"), columns) as table:
        for row in rows:
            table.add(dict(zip(columns, row, strict=True)))
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [
            ["name", "margin", "'=head"], ["'=1+1", "-0.5", ""], ["'+x", "2", "'@y"], ["'-x.png", "-3", "'\tz"],
            ["a=b", "0", "'\rq"], ["\\udcff", "1e-09", "é"],
        ]  # fmt: skip


def test_a_table_that_cannot_be_written_is_named() -> None:
    with pytest.raises(UsageError, match="/dev/full: cannot be written .*make room"), csv_table("/dev/full", ["a"]):
        pass
    with csv_table(os.devnull, ["a"]) as table:
        table.add({"a": 1})
    assert not os.path.isfile(os.devnull)
