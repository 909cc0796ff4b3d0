"""What a comparison says before and behind its verdict: other scenes, motions, conversions."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from distortion_engine.reading.code_points import profile_of_code_points
from distortion_engine.reading.image_io import load_image, to_uint8
from experiments.before_verdict.registration import moved
from relational_iqa import cli
from relational_iqa.report.html import render_report
from relational_iqa.systems.pixel_perfect import RelationalIQA

IMAGES = sorted((Path(__file__).parents[2] / "images").glob("*.png"))


@pytest.fixture(scope="module")
def two_photos() -> list[np.ndarray]:
    return [cv2.resize(to_uint8(load_image(path)), (240, 200), interpolation=cv2.INTER_CUBIC) for path in IMAGES[:2]]


def test_a_shift_is_said_before_the_verdict_and_gone_with_auto(
    random_model: RelationalIQA, two_photos: list[np.ndarray]
) -> None:
    photo, (other, _) = two_photos[0], moved(two_photos[0], x=1.0)
    result = random_model.compare(photo, other, names=("old.png", "new.png"))
    assert result.summary().startswith(
        "new.png is shifted by 1.0 px to the right, compared with old.png: register them with --align auto"
    )
    placed = result.to_json()["noticed"]["placed"]
    assert len(placed) == 1 and placed[0]["moved"] and placed[0]["shift_px"] == pytest.approx([1, 0], abs=0.05)
    registered = random_model.compare(photo, other, align="auto", names=("old.png", "new.png"))
    assert not registered.noticed.before(registered.labels) and registered.shape == (200, 239)
    assert "new.png: registered, it was shifted by 1.0 px to the right" in registered.summary()
    assert "1.0 px to the right" in render_report(result, photo, other)


def test_each_image_is_held_against_the_reference(random_model: RelationalIQA, two_photos: list[np.ndarray]) -> None:
    photo, (other, _) = two_photos[0], moved(two_photos[0], x=-2.0)
    result = random_model.compare(photo, other, photo)
    said = result.noticed.before(("A", "B"))
    assert said == (
        "B is shifted by 2.0 px to the left, compared with the reference: register them with --align auto "
        "(align= in Python)."
    )
    assert [(one.image, one.on, one.is_moved) for one in result.noticed.placed] == [
        ("a", "reference", False), ("b", "reference", True),
    ]  # fmt: skip


def test_another_scene_is_said_first_and_changes_neither_margin_nor_verdict(
    random_model: RelationalIQA, two_photos: list[np.ndarray]
) -> None:
    result = random_model.compare(two_photos[0], two_photos[1])
    first, rest = result.summary().split(". ", 1)
    assert first == "A and B seem to show different scenes, so the verdict means little"
    assert rest.startswith(result.verdict())
    assert result.to_json()["noticed"]["placed"][0]["same_scene"] is False


def test_small_images_and_images_that_look_the_same_are_not_looked_at(
    random_model: RelationalIQA, two_photos: list[np.ndarray]
) -> None:
    assert random_model.compare(two_photos[0][:64, :64], two_photos[1][:64, :64]).noticed.placed == ()
    assert random_model.compare(two_photos[0], two_photos[0].copy()).noticed.placed == ()


def test_conversions_that_matter_are_said_behind_the_verdict(
    random_model: RelationalIQA, two_photos: list[np.ndarray], tmp_path: Path
) -> None:
    picture = Image.fromarray(two_photos[0])
    clear = picture.convert("RGBA")
    clear.putalpha(180)
    clear.save(tmp_path / "clear.png")
    picture.convert("CMYK").save(tmp_path / "ink.jpg", quality=95)
    picture.save(tmp_path / "plain.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.rot90(two_photos[0]).copy()).save(tmp_path / "turned.png", exif=turned)
    summary = random_model.compare(tmp_path / "clear.png", tmp_path / "ink.jpg").summary()
    inks = "CMYK converted to sRGB without an ICC profile, as 1 - ink"
    assert summary.endswith(f". clear.png: alpha laid over white; ink.jpg: {inks}.")
    result = random_model.compare(tmp_path / "plain.png", tmp_path / "turned.png")
    assert result.noticed.after(("A", "B")) == ""  # both are upright
    assert result.to_json()["noticed"]["notes"] == {
        "a": [], "b": [{"kind": "orientation", "text": "turned upright (EXIF orientation 6)"}],
    }  # fmt: skip


def test_a_profile_is_told_where_only_one_image_has_it(
    random_model: RelationalIQA, two_photos: list[np.ndarray], tmp_path: Path
) -> None:
    profile = profile_of_code_points("wide", 12, 13)  # Display P3
    wide = tmp_path / "wide.png"
    Image.fromarray(two_photos[0]).save(wide, icc_profile=profile)
    Image.fromarray(two_photos[0]).save(tmp_path / "plain.png")
    one = random_model.compare(wide, tmp_path / "plain.png")
    assert "wide.png: ICC profile" in one.summary() and "converted to sRGB" in one.summary()
    both = random_model.compare(wide, wide)
    assert both.noticed.after(both.labels) == "" and both.to_json()["noticed"]["notes"]["a"][0]["kind"] == "profile"


def test_opaque_alpha_and_depth_are_not_told(random_model: RelationalIQA, two_photos: list[np.ndarray]) -> None:
    solid = Image.fromarray(two_photos[0]).convert("RGBA")
    deep = two_photos[0].astype(np.uint16) * 257
    result = random_model.compare(np.array(solid), deep)
    assert result.noticed.after(("A", "B")) == ""
    assert result.to_json()["noticed"]["notes"] == {"a": [], "b": [{"kind": "depth", "text": "16 bit samples, kept"}]}


def test_the_command_takes_auto(
    two_photos: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    random_model: RelationalIQA,
) -> None:  # fmt: skip
    import relational_iqa

    monkeypatch.setattr(relational_iqa, "load", lambda weights=None: random_model)
    for name, x in (("a", 0.0), ("b", 2.0), ("r", 0.0)):
        Image.fromarray(moved(two_photos[0], x=x)[0]).save(tmp_path / f"{name}.png")
    files = [str(tmp_path / f"{name}.png") for name in "abr"]
    assert cli.main(["compare", files[0], files[1], "--reference", files[2], "--align", "auto"]) == 0
    assert "b.png: registered, it was shifted by 2.0 px to the right" in capsys.readouterr().out
    assert cli.main(["rank", files[0], files[1], "--reference", files[2], "--align", "auto"]) == 0
    assert cli.main(["score", files[1], "--reference", files[2], "--align", "auto"]) == 0
