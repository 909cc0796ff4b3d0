"""riqa sequence: what a person gets for folders of frames and videos, also after a run that was killed."""

import csv
import gc
import json
import re
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from relational_iqa import cli
from relational_iqa.sequences.comparing import SequenceComparison
from relational_iqa.sequences.frame_row import COLUMNS
from relational_iqa.sequences.sources import open_source
from tests.relational_iqa.sequences.conftest import FrameModel

Folder = Callable[..., str]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `riqa sequence argv`."""
    try:
        code = cli.main(["sequence", *argv, "--quiet"])
    except SystemExit as end:
        code = int(str(end.code))
    said = capsys.readouterr()
    return code, said.out, said.err


def read(path: str | Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def alternating(count: int, low: float, high: float) -> list[float]:
    """Levels with known flicker, and a little of their own."""
    own = np.random.default_rng(0).normal(0, 0.4, count)
    return [(high if index % 2 else low) + float(own[index]) for index in range(count)]


def test_several_candidates_against_one_reference_that_is_read_once(
    folder: Folder,
    model: FrameModel,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference, good = folder("ref", [60] * 24), folder("good", [70] * 24)
    steady, restless = folder("steady", [100] * 24), folder("restless", alternating(24, 90, 120))
    opened: list[str] = []
    from relational_iqa.sequences import sources

    real = sources.open_image
    monkeypatch.setattr(sources, "open_image", lambda path, **o: opened.append(str(path)) or real(path, **o))
    code, out, _ = run(
        capsys, good, steady, restless, "--reference", reference, "--csv", f"{tmp_path}/t.csv", "--json",
        f"{tmp_path}/t.json", "--fps", "24",
    )  # fmt: skip
    assert code == 0 and model.compared == 24
    assert sorted(opened) == sorted(
        str(path) for name in (reference, good, steady, restless) for path in Path(name).iterdir()
    )
    rows = read(tmp_path / "t.csv")
    assert tuple(rows[0]) == COLUMNS and [row["name"] for row in rows[:4]] == ["good", "steady", "restless", "good"]
    assert [row["frame"] for row in rows[::3]] == [str(number) for number in range(24)]
    assert float(rows[3]["seconds"]) == pytest.approx(1 / 24, rel=1e-5)
    content = json.loads((tmp_path / "t.json").read_text())
    by_name = {each["name"]: each for each in content["candidates"]}
    # The model: ten levels for the full range, against the reference.
    assert by_name["good"]["quality"]["mean"] == pytest.approx(-10 * 10 / 255, abs=0.01)
    assert by_name["steady"]["margin"]["mean"] == pytest.approx(10 * 30 / 255, abs=0.01)
    assert by_name["good"]["flicker"] == by_name["steady"]["flicker"] == []
    found = next(each for each in by_name["restless"]["flicker"] if each["of"] == "frame")
    assert found["period"] == 2 and found["size"] == pytest.approx(10 * 30 / 255, rel=0.1)
    assert "restless flickers: its quality alternates from frame to frame (12 Hz) by 1.2 levels" in out
    assert "good is clearly better than steady on the mean of 24 frames, by 1.2 levels." in out
    assert "good flickers" not in out and "steady flickers" not in out


def test_two_sequences_without_a_reference_and_exit_codes(
    folder: Folder, model: FrameModel, capsys: pytest.CaptureFixture[str]
) -> None:
    dark, light = folder("dark", [60] * 12), folder("light", [90] * 12)
    code, out, _ = run(capsys, dark, light, "--fail-below", "0.5")
    assert code == 0 and "dark is clearly better than light on the mean of 12 frames, by 1.2 levels." in out
    assert "positive: dark is better" in out and "flicker was not looked for" in out
    code, _, err = run(capsys, light, dark, "--fail-below", "-0.5")
    assert code == 1 and "mean margin over dark -1.176 is below --fail-below -0.5" in err


def test_the_worst_moments_of_both_are_told(
    folder: Folder, model: FrameModel, capsys: pytest.CaptureFixture[str]
) -> None:
    even, bad = [70.0] * 24, [70.0] * 24
    bad[5:7], even[20] = [120, 125], 90
    one, two, reference = folder("one", even), folder("two", bad), folder("ref", [60] * 24)
    _, out, _ = run(capsys, one, two, "--reference", reference, "--worst", "2")
    assert re.search(r"moments of one against two:\n   -0\.78  frame 20\nworst moments of two against one:\n", out)
    assert re.search(r"two against one:\n   \+2\.16  frame 6\n", out)
    assert out.count("  frame ") == 2 + 1 + 1  # of the first beside the reference, and where either is behind


def test_a_brightness_that_is_too_high_and_too_low_in_turn_flickers(
    folder: Folder, model: FrameModel, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its quality is the same all the time."""
    restless, reference = folder("restless", [50, 70] * 12), folder("ref", [60] * 24)
    _, out, _ = run(capsys, restless, "--reference", reference, "--fps", "24")
    assert "restless flickers: its brightness alternates from frame to frame (12 Hz) by 0.4 levels (p = 0.00" in out


def test_a_region_alone_and_a_viewing_condition(
    folder: Folder, model: FrameModel, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one, two = folder("one", [60] * 3), folder("two", [60] * 3)
    for path in Path(two).iterdir():
        pixels = np.array(Image.open(path))
        pixels[:, 16:] += 40
        Image.fromarray(pixels).save(path)
    mask = np.zeros((24, 32), np.uint8)
    mask[:, 16:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    tables = {}
    for name, options in {
        "left": ["--roi", "0,0,16,24"], "right": ["--roi", "16,0,16,24"], "mask": ["--mask", f"{tmp_path}/mask.png"],
        "seen": ["--viewing", "30"],
    }.items():  # fmt: skip
        assert run(capsys, one, two, *options, "--csv", f"{tmp_path}/{name}.csv")[0] == 0
        tables[name] = read(tmp_path / f"{name}.csv")[1]
    margins = {name: float(row["margin"]) for name, row in tables.items()}
    assert margins["left"] == 0 and margins["right"] == pytest.approx(10 * 40 / 255, rel=0.01)
    assert margins["mask"] == pytest.approx(margins["right"], rel=1e-5) and margins["seen"] > 0.5
    assert (tables["seen"]["width"], tables["seen"]["height"]) == ("64", "48")
    code, _, err = run(capsys, one, two, "--roi", "0,0,40,24")
    assert code == 2 and "region 0,0,40,24 does not lie in the pictures, which are 32x24 px" in err


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    folder: Folder,
    model: FrameModel,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference, one, two = folder("ref", [60] * 20), folder("one", [70] * 20), folder("two", alternating(20, 80, 120))
    argv = [one, two, "--reference", reference, "--csv"]
    code, whole, _ = run(capsys, *argv, f"{tmp_path}/whole.csv")
    assert code == 0

    def dies(images: Sequence[Any], pristine: Any) -> Any:
        if model.compared == 20 + 7:
            raise KeyboardInterrupt
        return FrameModel.scores(model, images, pristine)

    with monkeypatch.context() as patch:
        patch.setattr(model, "scores", dies)
        code, _, err = run(capsys, *argv, f"{tmp_path}/cut.csv")
        assert code == 130 and "7 frames are done" in err and not (tmp_path / "cut.csv").exists()
    partial = tmp_path / "cut.csv.partial"
    partial.write_bytes(partial.read_bytes()[:-9])  # the kill came within a row: its frame is compared again
    model.compared = 0
    code, out, err = run(capsys, *argv, f"{tmp_path}/cut.csv")
    assert code == 0 and model.compared == 14 and "6 frames are done" in err
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert out.replace("cut.csv", "whole.csv") == whole
    assert sorted(path.name for path in tmp_path.glob("cut.csv*")) == ["cut.csv"]


def test_rows_of_another_comparison_are_not_gone_on_with(
    folder: Folder,
    model: FrameModel,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two, three = folder("one", [70] * 5), folder("two", [80] * 5), folder("three", [90] * 5)
    table = f"{tmp_path}/t.csv"
    with monkeypatch.context() as patch:
        patch.setattr(model, "compare", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(capsys, one, two, "--csv", table)[0] == 130
    code, _, err = run(capsys, one, three, "--csv", table)
    assert code == 2 and "holds frames of another run (other sequences); give --resume never" in err
    assert run(capsys, one, three, "--csv", table, "--resume", "never")[0] == 0


def test_a_few_frames_are_in_memory_at_a_time(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from relational_iqa.sequences import sources

    alive: list[weakref.ref[Any]] = []
    most, real = 0, sources.open_image

    def open_image(path: Any, **options: Any) -> Any:
        nonlocal most
        image = real(path, **options)
        alive.append(weakref.ref(image))
        most = max(most, sum(ref() is not None for ref in alive))
        return image

    monkeypatch.setattr(sources, "open_image", open_image)
    paths = [folder("one", range(30, 60)), folder("two", range(40, 70))]
    comparison = SequenceComparison(FrameModel(), [open_source(path) for path in paths], ["one", "two"])
    gc.collect()
    assert sum(len(rows) for rows in comparison.rows()) == 30
    assert len(alive) == 60 and most <= 4


def test_sequences_of_other_lengths_and_rates_are_said(
    folder: Folder, model: FrameModel, capsys: pytest.CaptureFixture[str], encode: Callable[..., str], tmp_path: Path
) -> None:
    one, two = folder("one", [70] * 6), folder("two", [80] * 5)
    code, out, _ = run(capsys, one, two)
    assert code == 0 and "two ends after 5 frames, others go on" in out
    code, _, err = run(capsys, one, two, "--fail-unmatched")
    assert code == 2 and "--fail-unmatched" in err
    for fps in (24, 25):
        source = ["-framerate", str(fps), "-i", f"{one}/one_%d.png"]
        encode(source, tmp_path / f"{fps}.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0")
    code, _, err = run(capsys, f"{tmp_path}/24.mkv", f"{tmp_path}/25.mkv")
    assert code == 2 and "has 24 frames a second" in err and "--fps" in err
    assert run(capsys, f"{tmp_path}/24.mkv", f"{tmp_path}/25.mkv", "--fps", "24")[0] == 0


def test_frames_are_in_the_order_of_their_numbers_and_a_missing_one_is_named(
    folder: Folder, model: FrameModel, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = list(range(40, 112, 6))
    one, two = folder("one", levels), folder("two", levels, number=98)  # one_2 before one_10, two_98 before two_100
    code, out, _ = run(capsys, one, two)
    assert code == 0 and "do not differ on the mean of 12 frames" in out
    (Path(one) / "one_5.png").unlink()
    code, _, err = run(capsys, one, two)
    assert code == 2 and "after one_4.png comes one_6.png: frames are missing" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["{one}"], "1 sequence without --reference"),
        (["{one}", "{one}", "--reference", "{one}"], "is given twice"),
        (["{one}", "{one}/none"], "no such folder or file"),
        (["{one}", "{one}", "--roi", "1,2,3"], "--roi 1,2,3: expected x,y,width,height in whole pixels"),
        (["{one}", "{one}", "--roi", "1,2,3,4", "--mask", "m.png"], "give one of them; only one region is compared"),
        (
            ["{one}", "{one}", "--viewing", "far"],
            "viewing far: expected phone, desktop, pixel-peep, or pixels per degree",
        ),
        (["{one}", "--reference", "{one}", "--fail-below", "0"], "--fail-below is for a margin between two"),
    ],
)
def test_bad_input_is_one_line(
    argv: list[str], said: str, folder: Folder, model: FrameModel, capsys: pytest.CaptureFixture[str]
) -> None:
    one = folder("one", [70] * 3)
    code, _, err = run(capsys, *(word.format(one=one) for word in argv))
    assert code == 2 and said in err and err.count("\n") == 1


def test_the_networks_tell_a_video_that_flickers_from_one_that_does_not(
    tmp_path: Path, photo_paths: list[Path], encode: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    photo = Image.open(photo_paths[0]).convert("RGB")
    frames = {"ref": {}, "steady": {"quality": 20}, "restless": {"quality": 20}}
    for name, options in frames.items():
        (tmp_path / name).mkdir()
        for index in range(16):
            frame = photo.crop((20 + index, 30, 84 + index, 78))
            quality = 6 if name == "restless" and index % 2 else options.get("quality")
            target = tmp_path / name / f"{index:03d}.{'jpg' if quality else 'png'}"
            frame.save(target, **({"quality": quality} if quality else {}))
    still = ["-framerate", "25", "-i", f"{tmp_path}/ref/%03d.png"]
    reference = encode(still, tmp_path / "ref.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0")
    code, out, _ = run(
        capsys, f"{tmp_path}/steady", f"{tmp_path}/restless", "--reference", reference, "--out",
        f"{tmp_path}/page", "--worst", "1",
    )  # fmt: skip
    assert code == 0 and "steady is " in out and " better than restless on the mean of 16 frames" in out
    assert "restless flickers: its quality alternates from frame to frame (12.5 Hz)" in out
    assert "what alternates: blocking" in out and "steady flickers" not in out
    assert {path.name for path in (tmp_path / "page").iterdir()} >= {"index.html"}
    assert len(list((tmp_path / "page").glob("frame-*.html"))) == 1
