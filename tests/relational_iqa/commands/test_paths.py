"""No output is an input, whatever its name, and every output can be written: known before any work."""

import os
import shutil
from pathlib import Path

import pytest

import relational_iqa
from relational_iqa.storage.shipped import find_weights
from tests.relational_iqa.commands.helpers import BrightnessModel, Refusal


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return Path(shutil.copy(find_weights("riqa-small"), tmp_path / "w.safetensors"))


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal comes before weights are loaded."""

    def load(**options: object) -> None:
        raise AssertionError("weights are loaded")

    monkeypatch.setattr(relational_iqa, "load", load, raising=False)


@pytest.mark.parametrize("name", ["same", "link", "hard link", "relative"])
def test_weights_are_not_written_over_whatever_they_are_called(
    dark: str, bright: str, weights: Path, refusal: Refusal, name: str
) -> None:
    before, out = weights.read_bytes(), weights.with_name("out")
    if name == "link":
        out.symlink_to(weights)
    elif name == "hard link":
        os.link(weights, out)
    else:
        out = weights if name == "same" else Path(os.path.relpath(weights))
    for option in ("--json", "--out"):
        assert "is an input" in refusal("compare", dark, bright, option, str(out), "--weights", str(weights))
    assert "is an input" in refusal("rank", dark, bright, "--csv", str(out), "--weights", str(weights))
    assert weights.read_bytes() == before


def test_shipped_weights_are_an_input_by_their_name(dark: str, bright: str, refusal: Refusal) -> None:
    path = find_weights("riqa-small")
    before = path.stat()
    assert "is an input" in refusal("compare", dark, bright, "--json", str(path), "--weights", "riqa-small")
    assert path.stat() == before


def test_mask_reference_and_the_file_of_options_are_inputs(
    dark: str, bright: str, tmp_path: Path, refusal: Refusal
) -> None:
    options = tmp_path / "options.yaml"
    options.write_text("align: crop\n")
    for given, out in (
        (["--mask", bright], bright),
        (["--reference", bright], bright),
        (["--config", str(options)], str(options)),
    ):
        assert "is an input" in refusal("compare", dark, dark, *given, "--json", out)
    assert options.read_text() == "align: crop\n"


def test_images_of_input_folders_and_files_of_an_index_are_inputs(dark: str, tmp_path: Path, refusal: Refusal) -> None:
    folder = str(Path(dark).parent)
    assert "is an input" in refusal("index", folder, "--near-duplicates", folder, "--json", dark)
    (tmp_path / "index").mkdir()
    (tmp_path / "index/index.json").write_text("{}")
    index = str(tmp_path / "index")
    assert "is an input" in refusal("explain", dark, dark, "--index", index, "--json", f"{index}/index.json")


def test_weights_of_a_metric_are_inputs(dark: str, weights: Path, tmp_path: Path, refusal: Refusal) -> None:
    table = tmp_path / "scores.csv"
    table.write_text(f"image,reference,score\n{dark},{dark},1\n")
    same = tmp_path / "w.csv"
    same.symlink_to(weights)
    argv = ["evaluate", "csv", str(table), "--metric", f"ours={weights}", "--csv"]
    assert "is an input" in refusal(*argv, str(same))
    assert "is an input" in refusal(*argv, str(table))


@pytest.mark.parametrize("option", ["--json", "--out"])
def test_an_output_that_cannot_be_written_is_said_before_any_work(
    dark: str, bright: str, tmp_path: Path, refusal: Refusal, option: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for out, said in (
        (f"{dark}/below/x", "cannot be written"),
        (str(tmp_path / "loop"), "cannot be written"),
        (str(tmp_path / ("x" * 300)), "cannot be written"),
        ("/proc/none/x", "cannot be written"),
        (str(tmp_path), "is a folder"),
    ):
        assert said in refusal("compare", dark, bright, option, out)


def test_looking_leaves_nothing_behind(dark: str, tmp_path: Path, refusal: Refusal) -> None:
    before = sorted(tmp_path.iterdir())
    assert "no such file" in refusal("compare", dark, str(tmp_path / "no.png"), "--json", str(tmp_path / "new/x.json"))
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_where_a_file_is_meant_and_the_other_way_are_refused(
    dark: str, tmp_path: Path, refusal: Refusal
) -> None:
    assert "is a file; give a folder" in refusal("score", dark, "--maps", dark)
    assert "is a file; give a folder" in refusal("generate", str(tmp_path), dark, "--sets", "1")
    (tmp_path / "x.onnx").mkdir()
    assert "is a folder; give a file" in refusal("export", str(tmp_path / "x.onnx"))


def test_devices_may_be_given_twice(
    dark: str, bright: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from relational_iqa import cli

    monkeypatch.setattr(relational_iqa, "load", lambda **options: BrightnessModel(), raising=False)
    assert cli.main(["rank", dark, bright, "--json", os.devnull, "--csv", os.devnull]) == 0
    assert "json: /dev/null" in capsys.readouterr().out and not os.path.isfile(os.devnull)
