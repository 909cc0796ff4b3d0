"""riqa score of folders, and into a table: a bad file stops none, names match references, memory stays."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from distortion_engine.errors import UsageError
from relational_iqa import cli
from relational_iqa.commands.score import ScoreOptions, score
from relational_iqa.commands.score_files import ImageFile, image_files, score_files
from relational_iqa.results.mos_score import MosScore
from relational_iqa.systems.pmos import load
from tests.relational_iqa.commands.helpers import BrightnessModel


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def folder(tmp_path: Path, photo_paths: list[Path]) -> Path:
    root = tmp_path / "photos"
    (root / "city").mkdir(parents=True)
    shutil.copy(photo_paths[0], root / "a.png")
    shutil.copy(photo_paths[1], root / "city/b.png")
    (root / "broken.jpg").write_bytes(b"no image")
    (root / ".hidden.png").write_bytes(b"")
    (root / "notes.txt").write_text("not an image", encoding="utf-8")
    return root


def test_a_folder_becomes_a_table_and_the_bad_file_a_row_that_says_why(
    folder: Path, pmos_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.csv"
    with pytest.raises(UsageError, match="1 of 3 images could not be scored; all others are"):
        score(ScoreOptions(images=[str(folder)], weights=str(pmos_weights), csv=str(out)))
    told = capsys.readouterr()
    assert told.out.splitlines() == ["2 of 3 images scored", f"csv: {out}"]
    assert told.err.startswith("riqa: failed: broken.jpg: ") and len(told.err.splitlines()) == 1
    rows = {row["image"]: row for row in rows_of(out)}
    assert list(rows) == ["a.png", "broken.jpg", "city/b.png"]
    assert float(rows["city/b.png"]["mos"]) == pytest.approx(load(pmos_weights).score(folder / "city/b.png").mos, 1e-5)
    assert rows["broken.jpg"]["mos"] == "" and rows["broken.jpg"]["error"] and rows["a.png"]["error"] == ""
    assert len(rows["a.png"]["weights_sha256"]) == 64 and rows["a.png"]["words"].startswith("a.png")
    assert not list(tmp_path.glob("*.partial"))


def test_without_a_table_a_folder_is_told_line_by_line(
    folder: Path, pmos_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.jpg").unlink()
    score(ScoreOptions(images=[str(folder)], weights=str(pmos_weights), json=str(tmp_path / "r.json")))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a.png") and lines[1].startswith("city/b.png") and lines[2] == "2 of 2 images scored"
    entries = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["scores"]
    assert [entry["file"] for entry in entries] == [str(folder / "a.png"), str(folder / "city/b.png")]
    assert all(1 <= entry["mos"] <= 5 and entry["error"] is None for entry in entries)


def test_a_folder_of_references_is_matched_by_name_whatever_the_suffix(
    model: BrightnessModel, folder: Path, photo_paths: list[Path], tmp_path: Path
) -> None:
    references = tmp_path / "refs"
    (references / "city").mkdir(parents=True)
    shutil.copy(photo_paths[0], references / "a.png")
    shutil.copy(photo_paths[1], references / "city/b.webp")
    files = image_files([str(folder)], str(references))
    assert [(file.name, Path(file.reference or "none").name, bool(file.problem)) for file in files] == [
        ("a.png", "a.png", False), ("broken.jpg", "none", True), ("city/b.png", "b.webp", False)
    ]  # fmt: skip
    (folder / "broken.jpg").unlink()
    assert cli.main(["score", str(folder), "--reference", str(references), "--csv", str(tmp_path / "q.csv")]) == 0
    assert [float(row["quality"]) for row in rows_of(tmp_path / "q.csv")] == [0, 0]
    one = cli.main(["score", str(folder), "--reference", str(references / "a.png"), "--csv", str(tmp_path / "q.csv")])
    assert one == 0 and len(rows_of(tmp_path / "q.csv")) == 2


def test_rows_are_on_the_disk_before_the_next_image_and_no_answer_is_kept(tmp_path: Path) -> None:
    """What bounds the memory: at most the answer of the image before is alive when the next one is scored."""
    import gc
    import weakref

    alive: list[weakref.ref[MosScore]] = []
    partial = tmp_path / "s.csv.partial"

    def scored(file: ImageFile) -> MosScore:
        import numpy as np

        gc.collect()
        assert sum(one() is not None for one in alive) <= 1
        assert len(partial.read_text(encoding="utf-8").splitlines()) == 1 + len(alive)
        maps = np.full((8, 8), 3.0, np.float32)
        answer = MosScore(mos=3.0, pmos=maps, roi=maps, name=file.name)
        alive.append(weakref.ref(answer))
        return answer

    files = [ImageFile(f"{n}.png", f"{n}.png") for n in range(6)]
    score_files(files, scored, "mos", {}, csv=str(tmp_path / "s.csv"), json=None, reference=None, quiet=True)
    assert len(rows_of(tmp_path / "s.csv")) == 6


def test_what_does_not_go_together_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--maps is for single images"):
        ScoreOptions(images=[str(folder)], maps=str(tmp_path / "maps"))
    with pytest.raises(UsageError, match="'-' is for --json"):
        ScoreOptions(images=[str(folder)], csv="-")
    with pytest.raises(UsageError, match="is a folder, but .* is no folder; give the file"):
        image_files([str(folder / "a.png")], str(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no images; expected files ending in"):
        image_files([str(tmp_path / "empty")], None)
