"""Foreign implementations: each does what its axis says, and what is missing is told."""

import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from distortion_engine.catalog import AXES, AXIS_INDEX
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image, to_uint8
from experiments.pixel_perfect import foreign, foreign_operators
from experiments.pixel_perfect.external_codecs import CODECS
from experiments.pixel_perfect.foreign import CODEC_AXES, foreign_pairs, foreign_rows, measure_foreign, missing_tools
from experiments.pixel_perfect.foreign_later import LATER
from experiments.pixel_perfect.foreign_operators import MAGICK, OPENCV, Operator, magick
from experiments.pixel_perfect.map_accuracy import MapScores
from experiments.pixel_perfect.measures import severity_seen

IMAGES = Path(__file__).parents[1] / "images"
PHOTO = np.ascontiguousarray(to_uint8(load_image(IMAGES / "photo_2.png"))[:96, :96])


def seen(operator: Operator, setting: float) -> tuple[np.ndarray, float]:
    out = operator.run(PHOTO, setting, np.random.default_rng(0))
    images = (torch.from_numpy(np.array(x)).permute(2, 0, 1)[None].float() / 255 for x in (out, PHOTO))
    return out, float(severity_seen(*images))


@pytest.mark.parametrize("operator", (*OPENCV, *LATER), ids=lambda operator: operator.name)
def test_an_operator_changes_the_image_more_the_higher_its_setting_and_reaches_severity(operator: Operator) -> None:
    before = PHOTO.copy()
    severities = []
    for setting in operator.settings:
        out, severity = seen(operator, setting)
        assert out.shape == PHOTO.shape and out.dtype == np.uint8
        severities.append(severity)
    assert np.array_equal(PHOTO, before)
    assert severities == sorted(severities) and severities[0] > 0
    assert severities[-1] >= foreign.LEAST_SEVERITY


def brightness(pixels: np.ndarray) -> float:
    return float(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).mean())


def detail(pixels: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), cv2.CV_32F).std())


def contrast(pixels: np.ndarray) -> float:
    return float(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).std())


def colorfulness(pixels: np.ndarray) -> float:
    return float((pixels.max(2).astype(float) - pixels.min(2)).mean())


def warmth(pixels: np.ndarray) -> float:
    return float(pixels[..., 0].mean() - pixels[..., 2].mean())


def greenness(pixels: np.ndarray) -> float:
    return float(pixels[..., 1].mean() - pixels[..., ::2].mean())


MEASURES = {"brightness": brightness, "sharpness": detail, "contrast": contrast, "saturation": colorfulness}
TINTS = {"color_cast": warmth, "tint": greenness}
SIGNED = [operator for operator in (*OPENCV, *LATER) if operator.axis in (*MEASURES, *TINTS)]


@pytest.mark.parametrize("operator", SIGNED, ids=[operator.name for operator in SIGNED])
def test_signed_operators_move_the_image_the_way_their_sign_says(operator: Operator) -> None:
    measure = {**MEASURES, **TINTS}[operator.axis]
    out, _ = seen(operator, operator.settings[0])
    assert (measure(out) - measure(PHOTO)) * operator.sign > 0


def test_every_operator_and_codec_claims_a_known_axis_and_unsigned_axes_only_rise() -> None:
    signed = {*MEASURES, *TINTS, "hue"}
    for operator in (*OPENCV, *MAGICK, *LATER):
        assert operator.axis in AXIS_INDEX and (operator.sign == 1 or operator.axis in signed)
    assert set(CODEC_AXES) == {codec.tool for codec in CODECS} and set(CODEC_AXES.values()) <= set(AXIS_INDEX)
    names = [operator.name for operator in (*OPENCV, *MAGICK, *LATER)]
    assert len(set(names)) == len(names)


def test_posterising_keeps_order_at_the_bright_end() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    for step in (32, 48, 64):
        out = foreign_operators._posterised(ramp, step)
        assert (np.diff(out[0, :, 0].astype(int)) >= 0).all() and out[0, -1, 0] >= 224


# -- ImageMagick ---------------------------------------------------------------------------------------------------


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_convert_that_is_not_imagemagick_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert magick() is None and "imagemagick" in missing_tools()
    program(tmp_path, "convert", "echo 'stand-in: ImageMagick is not installed' >&2; exit 1")
    assert magick() is None
    program(tmp_path, "convert-im6.q16", "echo 'Version: ImageMagick 6.9.11'")
    assert magick() == tmp_path / "convert-im6.q16" and "imagemagick" not in missing_tools()


RECORDER = 'echo "$MAGICK_THREAD_LIMIT $@" >> "$(dirname "$0")/log"\n[ "$1" = -version ] && echo ImageMagick && exit 0'


def test_magick_is_called_with_setting_size_seed_and_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "magick", RECORDER + '\nfor last; do :; done\ncp "$3" "$last"')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    scale = next(operator for operator in MAGICK if operator.name == "magick -scale")
    wide = PHOTO[:40, :64]
    assert np.array_equal(scale.run(wide, 25, np.random.default_rng(0)), wide)
    called = (tmp_path / "log").read_text(encoding="utf-8").splitlines()[-1].split()
    assert called[0] == "1" and called[1] == "-seed" and called[4:8] == ["-scale", "25%", "-scale", "64x40!"]


def test_a_magick_that_fails_is_an_error_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "magick", '[ "$1" = -version ] && echo ImageMagick && exit 0\nexit 3')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UsageError, match="-blur 0x1 .*status 3"):
        MAGICK[0].run(PHOTO, 1, np.random.default_rng(0))


def test_an_operator_without_imagemagick_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="apt-get install imagemagick"):
        MAGICK[0].run(PHOTO, 1, np.random.default_rng(0))


@pytest.mark.skipif(magick() is None, reason="apt-get install imagemagick")
def test_rolling_red_leaves_the_other_channels() -> None:
    rolled = next(operator for operator in MAGICK if operator.name == "magick -roll of red")
    moved = rolled.run(PHOTO, 3, np.random.default_rng(0))
    assert np.array_equal(moved[..., 0], np.roll(PHOTO[..., 0], 3, 1))
    assert np.array_equal(moved[..., 1:], PHOTO[..., 1:])


# -- pairs and rows ------------------------------------------------------------------------------------------------


@pytest.fixture
def few_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three operators, no ImageMagick, no codecs."""
    monkeypatch.setattr(foreign, "LATER", tuple(o for o in LATER if o.name == "pillow Brightness down"))
    monkeypatch.setattr(foreign, "OPENCV", tuple(o for o in OPENCV if o.name in ("opencv darker", "opencv blur")))
    monkeypatch.setattr(foreign, "magick", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_pairs_claim_one_axis_at_the_severity_the_consensus_sees(few_tools: None, held_out: list[Path]) -> None:
    first, second = (list(foreign_pairs(held_out, 6, 64, seed=2)) for _ in range(2))
    assert {pair.distortion for pair in first} == {"opencv darker", "opencv blur", "pillow Brightness down"}
    assert {pair.mask for pair in first} == {"whole", "blobs", "polygon"}
    for pair, again in zip(first, second, strict=True):
        assert torch.equal(pair.test, again.test) and torch.equal(pair.field, again.field)
        axis = AXIS_INDEX["sharpness" if pair.distortion == "opencv blur" else "brightness"]
        assert pair.field[axis].min() >= -1 and (pair.field[axis] <= 0).all()
        assert not pair.field[torch.arange(len(AXES)) != axis].any()
        untouched = pair.field[axis] == 0
        assert torch.equal(pair.test[:, untouched], pair.reference[:, untouched]) and pair.valid[0][untouched].all()
        assert foreign.LEAST_SEVERITY <= pair.severity <= 1
        if pair.mask == "whole":
            assert pair.severity == pytest.approx(min(1, float(severity_seen(pair.test[None], pair.reference[None]))))


def test_rows_are_held_against_the_engines_own_and_say_what_to_install(
    few_tools: None, error_model: Any, held_out: list[Path]
) -> None:
    engine = MapScores()
    engine.confusion[0, 0], engine.confusion[0, 1] = 9, 1
    engine.both_right[0] = 9
    rows, scores = measure_foreign(error_model, held_out, 4, engine, 64)
    axis, sign, intensity, overlap, *operators = rows
    assert axis.value == 0.0 and axis.must == pytest.approx(0.83) and axis.holds is False  # all is noise to it
    assert "without apt-get install imagemagick libjpeg-turbo-progs" in axis.note
    assert sign.must == pytest.approx(0.93) and sign.value is None
    assert intensity.must is None and overlap.must is None  # the engine's own were not measured
    assert scores.pair_count == sum(len(values) for values in scores.pairs.values()) > 4
    assert [row.name for row in operators[:2]] == [
        "operators added after the engine was fixed, mean over pairs",
        "operators and codecs known before, mean over pairs",
    ]
    names = sorted(row.name for row in operators[2:])
    assert names == ["opencv blur", "opencv darker", "pillow Brightness down"]


def test_operators_are_listed_worst_first() -> None:
    rows = foreign_rows(MapScores(pairs={"good": [1.0, 0.8], "bad": [0.1], "middling": [0.5]}), MapScores())
    assert [row.name for row in rows[5:]] == ["bad", "middling", "good"] and rows[0].value is None
    assert rows[4].value == pytest.approx((1.0 + 0.8 + 0.1 + 0.5) / 4)
