"""riqa score: quality below a reference, or the MOS of single images with their maps."""

import json
import shutil
from pathlib import Path

import pytest

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.image_io import load_image
from relational_iqa import cli
from relational_iqa.commands.score import ScoreOptions, score
from relational_iqa.systems.pmos import PMOS, load
from tests.relational_iqa.commands.helpers import DEMO, BrightnessModel, Refusal

SKYLINE = [str(DEMO / name) for name in ("skyline.jpg", "skyline.avif")]
REFERENCE = str(DEMO / "skyline_reference.webp")


def test_score_says_a_sentence_for_each_image(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", bright, dark, "--reference", dark]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("bright.png is ") and second.startswith("dark.png is identical")


def test_riqa_rank_and_score_agree_on_the_demo_pair(capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*SKYLINE, REFERENCE, "--reference", REFERENCE]
    assert cli.main(["rank", *argv]) == 0
    assert capsys.readouterr().out.startswith("skyline_reference.webp is best, then skyline.avif")
    assert cli.main(["score", *argv, "--json", "-"]) == 0
    jpeg, avif, same = (score["quality"] for score in json.loads(capsys.readouterr().out)["scores"])
    assert jpeg < avif < same == 0


@pytest.fixture(scope="module")
def pmos(pmos_weights: Path) -> PMOS:
    return load(pmos_weights)


def test_score_prints_a_sentence_an_image_and_writes_json_and_pictures(
    pmos_weights: Path, photo_paths: list[Path], pmos: PMOS, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(path) for path in photo_paths[:2]]
    out = tmp_path / "r.json"
    score(ScoreOptions(images=files, json=str(out), weights=str(pmos_weights), maps=str(tmp_path / "maps")))
    lines = capsys.readouterr().out.splitlines()
    content = json.loads(out.read_text())
    assert [entry["file"] for entry in content["scores"]] == files
    for line, entry, file in zip(lines, content["scores"], files, strict=False):
        assert line == entry["sentence"] == pmos.score(file).summary() and " of 5 (" in line
        assert f"MOS {entry['mos']:.1f} ± {entry['doubt']:.1f} of 5" in line and entry["defects"] == []
        assert load_image(entry["map"]).shape == load_image(file).shape
    assert "maps" in lines[2]


def test_score_refuses_to_write_over_its_inputs(
    pmos_weights: Path, photo_paths: list[Path], tmp_path: Path, refusal: Refusal
) -> None:
    first, second = tmp_path / "a" / "x.png", tmp_path / "b" / "x.png"
    for path in (first, second):
        path.parent.mkdir()
        shutil.copy(photo_paths[0], path)
    with pytest.raises(UsageError, match="same name"):
        score(ScoreOptions(images=[str(first), str(second)], weights=str(pmos_weights), maps=str(tmp_path)))
    shutil.copy(first, tmp_path / "x-pmos.png")
    with pytest.raises(UsageError, match="write over"):
        score(
            ScoreOptions(
                images=[str(first), str(tmp_path / "x-pmos.png")], weights=str(pmos_weights), maps=str(tmp_path)
            )
        )
    weights = str(pmos_weights)
    assert "is an input" in refusal("score", str(first), "--json", str(first), "--weights", weights)
    assert "is an input" in refusal("score", str(first), "--json", weights, "--weights", weights)
    with pytest.raises(ImageError, match="nowhere"):
        score(ScoreOptions(images=[str(tmp_path / "nowhere.png")], weights=str(pmos_weights)))
