"""riqa check as in a build: what is worse fails with its evidence, what was accepted passes, bad input is one line."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import relational_iqa
from relational_iqa import cli
from tests.relational_iqa.commands.helpers import ROOT, BrightnessModel, Refusal

Folders = Callable[..., None]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(name="make")
def make_folder() -> Folders:
    """make("NEW", a=90, b=100): a folder of plain pictures of that grey."""

    def make(folder: str, **greys: int) -> None:
        for name, grey in greys.items():
            path = Path(folder, name.replace("__", "/") + ".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (grey,) * 3).save(path)

    return make


@pytest.fixture(name="worse")
def two_of_three_worse(make: Folders, model: BrightnessModel) -> BrightnessModel:
    """NEW and OLD, of which day/a is worse by 0.78 levels and b by 0.39; the stand-in takes the darker one for the
    better one."""
    make("OLD", day__a=100, b=100, c=100)
    make("NEW", day__a=120, b=110, c=99)
    Path("riqa.toml").touch()
    return model


def check(*argv: str) -> int:
    try:
        return cli.main(["check", *argv])
    except SystemExit as ended:
        return int(str(ended.code))


def model_that_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(**_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(relational_iqa, "load", load, raising=False)


def test_what_is_worse_fails_is_accepted_and_then_passes_without_the_model(
    worse: BrightnessModel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, make: Folders
) -> None:
    ours = ["NEW", "--against", "OLD"]
    assert check(*ours) == 1
    said = capsys.readouterr()
    assert said.out.startswith("2 of 3 pictures failed.\nfailed:\n  b: 0.4 levels worse than OLD (allowed: 0.1)\n")
    assert "  day/a: 0.8 levels worse than OLD" in said.out and "\n  c" not in said.out
    assert said.err == "riqa: 2 of 3 pictures failed; the first: b\n"
    accept = said.out.splitlines()[-1].removeprefix("if this is meant: ")
    assert shlex.split(accept) == ["riqa", "check", *ours, "--baseline", "riqa.toml", "--accept"]

    assert check(*shlex.split(accept)[2:]) == 0
    assert "accepted: 3 pictures" in capsys.readouterr().out
    first = Path("riqa.toml").read_bytes()
    with monkeypatch.context() as patch:
        model_that_is_not_needed(patch)
        assert check(*ours) == 0
        assert capsys.readouterr().out == "3 pictures passed.\n"
    assert check(*ours, "--accept") == 0
    assert "nothing to accept" in capsys.readouterr().out and Path("riqa.toml").read_bytes() == first

    make("NEW", b=112)  # another file, no worse than what was accepted
    assert check(*ours) == 0
    make("NEW", b=118)
    assert check(*ours) == 1
    assert "b: 0.3 levels worse than the accepted state" in capsys.readouterr().out
    make("OLD", b=111)  # what was accepted beside another file is not used any more
    assert check(*ours) == 1
    assert "b: 0.3 levels worse than OLD" in capsys.readouterr().out


def test_only_what_is_asked_for_is_accepted(worse: BrightnessModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("NEW", "--against", "OLD", "--only", "day/*", "--accept") == 0
    assert list(tomllib.loads(Path("riqa.toml").read_text())["accepted"]) == ["day/a"]
    capsys.readouterr()
    assert check("NEW", "--against", "OLD") == 1
    assert capsys.readouterr().out.startswith("1 of 3 pictures failed.\nfailed:\n  b: ")


def test_tolerances_of_the_file_count(worse: BrightnessModel, capsys: pytest.CaptureFixture[str]) -> None:
    Path("riqa.toml").write_text('[tolerance]\nmargin = 0.5\n[[pair]]\nname = "day/*"\nmargin = 1\n')
    assert check("NEW", "--against", "OLD") == 0
    Path("riqa.toml").write_text('[[pair]]\nname = "*"\nmargin = 1\n[tolerance.strength]\nbrightness = 0.01\n')
    Image.new("RGB", (40, 30), (150,) * 3).save("NEW/b.png")
    Image.new("RGB", (40, 30), (160,) * 3).save("OLD/b.png")
    assert check("NEW", "--against", "OLD") == 0  # differences that are too faint for a defect
    Image.new("RGB", (40, 30), (200,) * 3).save("NEW/c.png")
    Path("riqa.toml").write_text("[tolerance]\nmargin = 9\n[tolerance.strength]\nbrightness = 0.3\n")
    capsys.readouterr()
    assert check("NEW", "--against", "OLD") == 1
    assert "c: brighter than OLD: brightness 0.39 (allowed: 0.3)" in capsys.readouterr().out


def test_what_cannot_be_told_is_undecided_and_passes(
    worse: BrightnessModel, capsys: pytest.CaptureFixture[str]
) -> None:
    worse.confidence = 0.7
    ours = ["NEW", "--against", "OLD", "--junit", "j.xml"]
    assert check(*ours) == 0
    assert capsys.readouterr().out.startswith(
        "1 of 3 pictures passed, 2 undecided.\nundecided:\n  b: cannot tell whether it is 0.4 levels worse than OLD"
    )
    suite = ElementTree.parse("j.xml").getroot()[0]
    assert suite.attrib["skipped"] == "2" and suite.attrib["failures"] == "0"
    Path("riqa.toml").write_text("[tolerance]\nfail_undecided = true\n")
    assert check(*ours) == 1
    Path("riqa.toml").write_text("[tolerance]\nconfidence = 0.65\n")
    assert check(*ours) == 1


def test_the_reports_have_what_failed_and_the_lines_that_accept_it(
    worse: BrightnessModel, make: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    make("NEW", new=10)
    make("OLD", gone=10)
    Path("NEW/broken.png").write_bytes(b"no picture")
    make("OLD", broken=10)
    files = ["--junit", "out/j.xml", "--markdown", "out/m.md", "--html", "out/ev", "--json", "out/j.json"]
    assert check("NEW", "--against", "OLD", *files) == 2
    said = capsys.readouterr()
    assert "could not be compared; the first: broken: NEW/broken.png" in said.err

    root = ElementTree.parse("out/j.xml").getroot()
    (suite,) = root
    kinds = {f"{case.attrib['classname']}/{case.attrib['name']}": [part.tag for part in case] for case in suite}
    assert kinds == {
        "riqa.NEW/b": ["failure"], "riqa.NEW/broken": ["error"], "riqa.NEW/c": ["system-out"],
        "riqa.NEW.day/a": ["failure"], "riqa.NEW/gone": ["failure"], "riqa.NEW/new": [],
    }  # fmt: skip
    assert {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6", "failures": "3", "errors": "1", "skipped": "0",
    }  # fmt: skip
    failure = suite.find("testcase[@name='a']/failure")
    assert failure is not None and failure.attrib["message"] == "0.8 levels worse than OLD (allowed: 0.1)"
    assert "--only day/a --accept" in str(failure.text)

    markdown = Path("out/m.md").read_text(encoding="utf-8")
    shown, folded = markdown.split("<details>")
    assert "❌ | day/a | -0.78 |" in shown and "⚠️ | broken |" in shown and "| c |" not in shown and "| c |" in folded
    assert "```bash\nriqa check NEW --against OLD --baseline riqa.toml --accept\n```" in markdown

    page = Path("out/ev/index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+)"', page)
    assert links == ["pictures/b.html", "pictures/day/a.html"]
    assert all(b"<html" in Path("out/ev", link).read_bytes()[:200] for link in links)
    assert page.count("data:image/webp") == 4 and "--only day/a --accept" in page and "://" not in page

    content = json.loads(Path("out/j.json").read_text())
    assert content["passes"] is False and content["counts"]["failed"] == 3
    assert {one["name"]: one["status"] for one in content["pictures"]}["new"] == "new"

    assert check("NEW", "--against", "OLD", "--accept") == 2  # the broken one; all others are accepted
    Path("NEW/broken.png").unlink()
    assert check("NEW", "--against", "OLD", "--accept") == 0
    capsys.readouterr()
    assert check("NEW", "--against", "OLD") == 0
    assert tomllib.loads(Path("riqa.toml").read_text())["accepted"]["gone"]["removed"] is True


def test_beside_references_alone_the_accepted_distance_counts(
    model: BrightnessModel, make: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    make("R", a=100, b=100)
    make("NEW", a=110, b=105)
    Path("riqa.toml").touch()
    ours = ["NEW", "--reference", "R"]
    assert check(*ours) == 1
    assert "a: has no accepted state; it is 0.4 levels below the reference" in capsys.readouterr().out
    assert check(*ours, "--accept") == 0 and check(*ours) == 0
    make("NEW", a=111)
    assert check(*ours) == 0
    make("NEW", a=120)
    capsys.readouterr()
    assert check(*ours) == 1
    assert "a: 0.4 levels worse than the accepted state" in capsys.readouterr().out
    model.meta = {"name": "other", "sha256": "12345678"}
    assert check(*ours) == 1
    assert "a: was accepted with other weights (weights, now other 12345678)" in capsys.readouterr().out
    Path("NEW/b.png").unlink()
    assert check(*ours) == 1
    assert "b: is accepted, but NEW does not have it" in capsys.readouterr().out
    assert check(*ours, "--accept") == 0 and check(*ours) == 0
    assert list(tomllib.loads(Path("riqa.toml").read_text())["accepted"]) == ["a"]


def test_what_did_not_change_is_checked_without_importing_anything_heavy(make: Folders) -> None:
    make("OLD", a=100, b=50)
    make("NEW", a=100, b=50)
    Path("riqa.toml").touch()
    code = (
        "import sys; from relational_iqa.cli import main\n"
        "print(main(['check', 'NEW', '--against', 'OLD', '--junit', 'j.xml', '--markdown', 'm.md'])); "
        "print(*sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    said, modules = done.stdout.splitlines()[0], done.stdout.splitlines()[-1].split()
    assert said == "2 pictures passed." and not {"torch", "numpy", "PIL", "cv2", "jinja2"} & set(modules)


def test_a_region_alone_is_compared_and_another_one_has_no_accepted_state(
    model: BrightnessModel, make: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    make("OLD", a=100)
    make("NEW", a=100)
    pixels = np.full((30, 40, 3), 100, np.uint8)
    pixels[:, 20:] = 130
    Image.fromarray(pixels).save("NEW/a.png")
    Path("riqa.toml").touch()
    ours = ["NEW", "--against", "OLD"]
    assert check(*ours, "--roi", "0,0,20,30") == 0
    assert check(*ours, "--roi", "20,0,20,30") == 1
    assert "1.2 levels worse than OLD" in (said := capsys.readouterr().out) and "--roi 20,0,20,30 --accept" in said
    assert check(*ours, "--roi", "20,0,20,30", "--accept") == 0
    assert tomllib.loads(Path("riqa.toml").read_text())["accepted"]["a"]["weights"] == "weights, roi 20,0,20,30"
    pixels[0, 0] = 99
    Image.fromarray(pixels).save("NEW/a.png")
    assert check(*ours, "--roi", "20,0,20,30") == 0 and check(*ours) == 1
    Image.fromarray(pixels[..., 0] // 130 * 255).save("m.png")
    assert check(*ours, "--mask", "m.png") == 1
    assert "1.2 levels worse than OLD" in capsys.readouterr().out


def test_a_new_picture_that_cannot_be_read_is_an_error(
    model: BrightnessModel, make: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    make("OLD", a=100)
    make("NEW", a=100, b=100)
    Path("riqa.toml").touch()
    assert check("NEW", "--against", "OLD") == 0
    assert "1 picture passed" not in capsys.readouterr().out
    Path("NEW/b.png").write_bytes(Path("NEW/b.png").read_bytes()[:60])
    assert check("NEW", "--against", "OLD") == 2
    assert "could not be compared:\n  b: NEW/b.png" in capsys.readouterr().out


def test_one_file_leaves_the_others_of_the_baseline_alone(model: BrightnessModel, make: Folders) -> None:
    make("NEW", a=110, b=120)
    make("OLD", a=100, b=100)
    for name in ("a", "b"):
        assert check(f"NEW/{name}.png", "--against", f"OLD/{name}.png", "--accept") == 0
    assert list(tomllib.loads(Path("riqa.toml").read_text())["accepted"]) == ["a", "b"]
    assert check("NEW/a.png", "--against", "OLD/a.png") == 0


def test_names_cannot_break_markdown_xml_or_the_page(model: BrightnessModel, make: Folders) -> None:
    name = "a|b`<script>*x* & [y](z) \x01 'q"
    make("OLD", **{name: 100})
    make("NEW", **{name: 150})
    Path("riqa.toml").touch()
    assert check("NEW", "--against", "OLD", "--junit", "j.xml", "--markdown", "m.md", "--html", "ev") == 1
    ElementTree.parse("j.xml")
    row = next(line for line in Path("m.md").read_text().splitlines() if line.startswith("| ❌"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 7 and "<script>" not in row
    page = Path("ev/index.html").read_text()
    assert page.count("<script>") == 1 and re.findall(r'href="(pictures/[^"]+)"', page)
    accept = re.findall(r"accept it: (.*)$", str(ElementTree.parse("j.xml").getroot()[0][0][0].text), re.M)[0]
    assert check(*shlex.split(accept)[2:]) == 0 and check("NEW", "--against", "OLD") == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("NEW", "nothing to compare NEW with; give the outputs of the former version (--against OLD)"),
        ("NEW --against OLD --mask none.png", "--mask none.png: no such file"),
        ("NEW --against OLD --roi 1,2", "--roi 1,2: expected x,y,width,height"),
        ("NEW --against NONE", "--against NONE: no such file or folder"),
        ("NONE --against OLD", "NONE: no such file or folder"),
        ("NEW --against OLD --baseline none.toml", "--baseline none.toml: no such file; --accept writes one"),
        ("NEW/b.png --against OLD", "--against OLD: is a folder, but NEW/b.png is a file"),
        ("NEW --against OLD/b.png", "OLD/b.png: is a file, but the other path is a folder"),
        ("NEW --against OLD --only z*", "--only z*: matches none of 3 pictures"),
        ("NEW --against OLD --junit riqa.toml", "riqa.toml: is an input"),
        ("NEW --against OLD --markdown NEW/b.png", "NEW/b.png: is an input"),
        ("NEW --against OLD --html riqa.toml", "riqa.toml: is a file; give a folder to write"),
        ("NEW --against OLD --junit OLD", "OLD: is a folder; give a file to write"),
    ],
)
def test_bad_input_is_one_line(argv: str, said: str, worse: BrightnessModel, refusal: Refusal) -> None:
    assert said in refusal("check", *argv.split())
