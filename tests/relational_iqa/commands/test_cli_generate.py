"""The command riqa generate: what it passes on, prints and draws, and one clear line for whatever is wrong."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from relational_iqa import cli
from tests.relational_iqa.commands.helpers import Refusal

ROOT = Path(__file__).parents[3]


def test_generate_passes_its_options_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from distortion_engine.generation import generate as export
    from distortion_engine.generation.options import GenerateOptions
    from relational_iqa.training.data.judge import metric_judge

    calls: list[Any] = []
    made = {"sets": 5, "kinds": {"ladder": 5}, "images": 25, "photos": 7, "photos_skipped": 2, "dropped": 1}
    made |= {"shards": 3, "shards_found": 2, "bytes": 1_500_000}
    monkeypatch.setattr(export, "generate", lambda *arguments, **options: calls.append((arguments, options)) or made)
    argv = ["generate", "photos", str(tmp_path), "--sets", "5", "--seed", "3", "--split", "held_out", "--dense"]
    argv += ["--sets-per-shard", "2", "--format", "webp", "--distortions", "jpeg, webp", "--workers", "1"]
    argv += ["--min-scale", "0.8", "--mask-share", "0.25", "--kinds", "ladder=0.3, tie=1, restoration_outputs=0.5"]
    argv += ["--without-families", "bm3d, neural"]
    assert cli.main([*argv, "--resume", "never"]) == 0
    options = GenerateOptions(
        5, 3, 256, "held_out", 2, True, "webp", ("jpeg", "webp"), 0.8, 0.25,
        {"ladder": 0.3, "tie": 1.0, "restoration_outputs": 0.5}, without_families=("bm3d", "neural"),
    )  # fmt: skip
    how = {"judge": metric_judge, "workforce": export.Workforce("local", 1, None), "resume": "never"}
    assert calls == [(("photos", str(tmp_path), options), how)]
    said = capsys.readouterr().out
    assert str(tmp_path) in said and "5 ladder" in said and "7 photographs usable, 2 skipped" in said
    assert "3 shards, 2 of them there before, 1.5 MB" in said


def test_generate_says_in_one_line_what_is_wrong(tmp_path: Path, refusal: Refusal) -> None:
    photos, out = str(ROOT / "tests" / "images"), str(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    cases: list[tuple[list[str], str]] = [
        ([photos, out, "--seed", "one"], "seed"),
        ([photos, out, "--seed", "1.5"], "seed"),
        ([photos, out, "--seed", "-1"], "seed"),
        ([photos, out, "--distortions", "jpeg,gausian_blur"], "'gausian_blur' is unknown; did you mean gaussian_blur"),
        ([photos, out, "--kinds", "ladder"], "--kinds ladder: expected KIND=WEIGHT"),
        ([photos, out, "--kinds", "ladders=1"], "kinds: ladders: 1.0 is not valid"),
        ([photos, out, "--without-families", "bm3d"], "give restoration_outputs a weight among the kinds"),
        ([photos, out, "--min-scale", "2"], "min_scale 2.0"),
        ([photos, out, "--format", "jpg"], "--format jpg: expected one of png, webp, npy"),
        ([photos, out, "--engine", "spark"], "--engine spark: expected one of local, ray"),
        ([photos, out, "--address", "auto"], "add --engine ray"),
        ([str(tmp_path / "empty"), out], "no photographs"),
        ([str(tmp_path / "nowhere"), out], "no such folder"),
        ([photos, str(tmp_path / "file" / "out")], "cannot be written"),
        ([photos, photos], "is not empty and no output of riqa generate"),
    ]
    for argv, said in cases:
        assert said in refusal("generate", "--sets", "2", "--workers", "0", *argv)
    assert not (tmp_path / "out").exists()


def test_generate_draws_the_catalogue_on_the_shipped_photo_without_any_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, judged = str(tmp_path / "plain.png"), str(tmp_path / "judged.png")
    argv = ["generate", "--distortions", "gaussian_blur, saturate", "--catalog"]
    assert cli.main([*argv, plain]) == 0 and cli.main([*argv, judged, "--judge"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"2 distortions at five severities on sample_photo.webp: {plain}" and second.endswith(judged)
    with Image.open(plain) as one, Image.open(judged) as other:
        assert one.size == other.size and one.tobytes() != other.tobytes()


def test_generate_draws_the_catalogue_on_the_photo_that_is_given_or_the_first_usable_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_text("no image")
    Image.new("RGB", (100, 300)).save(folder / "b.png")
    Image.effect_noise((200, 192), 50).convert("RGB").save(folder / "c.png")
    argv = ["generate", "--distortions", "gaussian_blur", "--catalog"]
    assert cli.main([*argv, str(tmp_path / "one.png"), str(folder)]) == 0
    said = capsys.readouterr()
    assert [line.split(":")[0] for line in said.err.splitlines()] == [f"skipped {folder}/{n}.png" for n in "ab"]
    assert "on c.png" in said.out
    assert cli.main([*argv, str(tmp_path / "two.png"), "--photo", str(folder / "c.png")]) == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_generate_says_in_one_line_what_the_catalogue_does_not_take(
    tmp_path: Path, dark: str, capsys: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    sheet, photos = str(tmp_path / "sheet.png"), str(ROOT / "tests" / "images")
    cases: list[tuple[list[str], str]] = [
        (["--catalog", sheet, photos, "out"], "leave out OUT and --sets"),
        (["--catalog", sheet, "--sets", "3"], "leave out OUT and --sets"),
        (["--catalog", sheet, photos, "--photo", dark], "give one of the two"),
        (["--catalog", sheet, "--distortions", "gausian_blur"], "did you mean gaussian_blur"),
        (["--catalog", sheet, "--photo", dark], "40x30 px"),
        (["--catalog", sheet, "--photo", "no.png"], "no.png: no such file"),
        (["--catalog", sheet, "--distortions", "saturate", "--photo", sheet], "is an input"),
        (["--catalog", str(tmp_path), "--distortions", "saturate"], "is a folder"),
        (["--catalog", str(tmp_path / "sheet.jpg"), "--distortions", "saturate"], ".png or .webp"),
        (["--catalog", str(tmp_path / "no" / "sheet.png"), "--distortions", "saturate"], "cannot be written"),
        (["--photo", dark], "--photo is for --catalog"),
        (["--judge"], "--judge is for --catalog"),
        ([], "missing: PHOTOS, OUT, --sets N"),
        ([photos, "--sets", "2"], "missing: OUT"),
    ]
    for argv, said in cases:
        assert said in refusal("generate", *argv)
    assert cli.main(["generate", "--catalog", sheet, photos]) == 2
    *skipped, last = capsys.readouterr().err.splitlines()
    assert len(skipped) == 3 and "none of 3 photographs can be used; give one with --photo" in last
    assert not (tmp_path / "sheet.png").exists()
