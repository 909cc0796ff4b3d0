"""The command riqa as a program: help, exit codes, outputs, and one clear line for whatever is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import relational_iqa
from distortion_engine.errors import UsageError
from relational_iqa import cli
from tests.relational_iqa.commands.helpers import BrightnessModel, Refusal, riqa

ROOT = Path(__file__).parents[3]


def test_help_is_quick_because_heavy_imports_wait() -> None:
    code = (
        "import sys; from relational_iqa.cli import COMMANDS; from relational_iqa.commands.parser import build_parser; "
        "build_parser(COMMANDS).format_help(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


def test_help_names_every_command() -> None:
    done = riqa("--help")
    assert done.returncode == 0 and all(name in done.stdout for name in cli.COMMANDS)


def test_the_program_ends_with_code_2_and_no_traceback(tmp_path: Path) -> None:
    for argv in (["compare", "no.png", "no2.png"], ["compare"], ["pretrain", "--config", "no.yaml"]):
        done = riqa(*argv)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("riqa: ") and done.stderr.count("\n") == 1


def test_json_on_stdout_is_json_alone(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (
        ["compare", dark, bright, "--reference", dark, "--json", "-"],
        ["rank", dark, bright, "--json", "-"],
        ["score", bright, "--reference", dark, "--json", "-"],
    ):
        assert cli.main(argv) == 0
        said = capsys.readouterr()
        assert isinstance(json.loads(said.out), dict) and said.err != ""


def test_bad_images_are_one_line_naming_the_file(
    model: BrightnessModel, dark: str, tmp_path: Path, refusal: Refusal
) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello\nworld\n")
    (tmp_path / "cut.png").write_bytes(Path(dark).read_bytes()[:60])
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (41, 30)).save(tmp_path / "wide.png")
    bad = {"empty.png": "is empty", "text.png": "is not an image", "cut.png": "is damaged or cut short"}
    bad |= {"dot.png": "1x1 px", "missing.png": "no such file", "wide.png": "--align auto, resize or crop"}
    for name, said in bad.items():
        path = str(tmp_path / name)
        for argv in (["compare", dark, path], ["rank", dark, path], ["score", dark, "--reference", path]):
            message = refusal(*argv)
            assert path in message and said in message
    assert "is a folder" in refusal("compare", dark, str(tmp_path))
    assert "--max-pixels 1200" in refusal("compare", dark, dark, "--max-pixels", "1199")


def test_wrong_usage_is_one_line(dark: str, refusal: Refusal) -> None:
    cases: list[tuple[list[str], str]] = [
        (["compere"], "compere: no such command (did you mean compare?)"),
        (["compare", dark], "compare needs B"),
        (["compare", dark, dark, "--align", "stretch"], "--align stretch: expected one of auto, resize, crop"),
        (["compare", dark, dark, "--max-pixels", "many"], "--max-pixels many: expected a whole number, 1 or more"),
        (["compare", dark, dark, "--max-pixels", "0"], "--max-pixels 0: expected"),
        (["compare", dark, dark, "--nope"], "--nope"),
        (["rank", dark], "give two or more"),
        (["score", dark, "--align", "crop"], "needs --reference"),
        (["generate", "photos", "out"], "sets"),
        (
            ["generate", "photos", "out", "--sets", "3", "--split", "half"],
            "--split half: expected one of all, train, held_out",
        ),
        (["pretrain"], "config"),
    ]
    for argv, said in cases:
        assert said in refusal(*argv)


def test_an_input_is_never_written_over(
    model: BrightnessModel, dark: str, bright: str, tmp_path: Path, refusal: Refusal
) -> None:
    before = Path(bright).read_bytes()
    assert "is an input or given twice" in refusal("rank", "--json", bright, dark, bright)
    assert "is an input or given twice" in refusal("compare", dark, bright, "--out", bright)
    assert "is a folder" in refusal("compare", dark, bright, "--out", str(tmp_path))
    new = str(tmp_path / "new")
    assert "given twice" in refusal("compare", dark, bright, "--out", new, "--json", new)
    assert Path(bright).read_bytes() == before


def test_an_output_that_cannot_be_written_is_one_line(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--json", "--out"):
        assert cli.main(["compare", dark, bright, option, f"{dark}/below/x"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("riqa: ") and said.count("\n") == 1 and dark in said


def test_usage_errors_of_the_parts_are_one_line(monkeypatch: pytest.MonkeyPatch, refusal: Refusal, dark: str) -> None:
    def load(weights: str | None = None) -> None:
        raise UsageError(f"{weights}: no such weights;\nuse the shipped ones")

    monkeypatch.setattr(relational_iqa, "load", load, raising=False)
    assert "w.bin: no such weights; use" in refusal("compare", dark, dark, "--weights", "w.bin")
