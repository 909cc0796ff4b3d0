"""riqa doctor: says what is there, finds what is broken, and how to install what is missing."""

import json
from pathlib import Path

import pytest
import torch

from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa import __version__, cli
from relational_iqa.commands import installation
from relational_iqa.commands.installation import Installation, Package, Weights, numbers_of

ROOT = Path(__file__).parents[3]
GOOD = Package("numpy", "2.1.0", "2.0")


def told(
    packages: list[Package], weights: list[Weights] | None = None, codecs: dict[str, str] | None = None
) -> Installation:
    versions = {name: "1" for name in ("riqa", "engine", "python", "system", "folder", "executable")}
    device = {"accelerators": {}, "threads": 1, "processors": 2, "omp_num_threads": None}
    every = {**dict.fromkeys(installation._CODECS, ""), **dict.fromkeys(installation._OF_EXTRAS, "missing")}
    shipped = [Weights("w", "0" * 64, True)] if weights is None else weights
    return Installation(versions, device, packages, {**every, **(codecs or {})}, shipped)


def test_this_installation_is_said_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "d.json"
    try:
        code = cli.main(["doctor", "--json", str(path)])
    except SystemExit as ended:  # an environment of a developer may lag behind the lower bounds
        code = int(str(ended.code))
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(path.read_text(encoding="utf-8"))
    assert code == (1 if found["problems"] else 0)
    assert lines[0].startswith(f"riqa {__version__}, engine ") and found["versions"]["riqa"] == __version__
    assert f"torch {torch.__version__}" in "\n".join(lines) or found["libraries"] == {}
    assert found["device"]["threads"] == torch.get_num_threads()
    shipped = {path.stem: file_sha256(path) for path in (ROOT / "relational_iqa/weights").glob("*.safetensors")}
    assert {one["name"]: one["sha256"] for one in found["weights"] if one["intact"]} == shipped
    assert all(f"  {name}  {sha256}" in lines for name, sha256 in shipped.items())
    assert all(found["codecs"][name]["works"] for name in ("PNG", "JPEG", "WebP", "AVIF", "JPEG XL", "TIFF"))
    assert f"json: {path}" in lines


def test_what_is_missing_is_said_with_the_command_that_installs_it() -> None:
    found = told([GOOD, Package("starlette", "", "1.2", "web"), Package("uvicorn", "0.32.1", "0.32", "web"),
                  Package("onnx", "1.17", "1.17", "onnx")])  # fmt: skip
    lines = found.lines()
    assert "  web   starlette is missing: pip install 'relational-iqa[web]'" in lines
    assert "  onnx  onnx 1.17" in lines and lines[-1] == "no problems"
    extras = found.to_json()["extras"]
    assert extras["web"]["installed"] is False and extras["onnx"]["installed"] is True
    assert extras["web"]["install"] == "pip install 'relational-iqa[web]'"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (told([Package("torch", "2.5.1+cpu", "2.6")]), "torch 2.5.1+cpu is older than 2.6: pip install 'torch>=2.6'"),
        (told([Package("scipy", "", "1.15")]), "scipy is not installed: pip install 'scipy>=1.15'"),
        (told([GOOD], [Weights("w", "0" * 64, False)]), "weights w are damaged: pip install --force-reinstall"),
        (told([GOOD], []), "no weights are there"),
        (told([GOOD], None, {"AVIF": "no encoder"}), "AVIF: no encoder; pip install --upgrade imagecodecs"),
    ],
)
def test_what_does_not_work_is_a_problem_with_exit_code_1(
    broken: Installation, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(installation, "look", lambda: broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor"])
    assert ended.value.code == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"problem: {said}")


def test_a_folder_that_was_not_installed_says_that_extras_are_unknown() -> None:
    lines = told([]).lines()
    assert "  unknown: relational-iqa runs from a folder and was not installed (pip install .)" in lines


def test_damaged_weights_and_a_broken_codec_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    import imagecodecs
    import numpy as np

    monkeypatch.setattr("distortion_engine.jobs.safe_files.file_sha256", lambda path: "f" * 64)
    assert not any(one.intact for one in installation._weights())
    black = imagecodecs.png_encode(np.zeros((32, 48, 3), np.uint8))
    monkeypatch.setattr(imagecodecs, "png_encode", lambda pixels: black)
    assert installation._codecs()["PNG"] == "a grey picture is not read as it was written"
    assert installation._codecs()["JPEG"] == ""


def test_versions_are_compared_by_their_numbers() -> None:
    assert numbers_of("2.10.0") > numbers_of("2.9") and numbers_of("2.6.0+cpu") == numbers_of("2.6")
    assert numbers_of("0.32") < numbers_of("1.2") and numbers_of("none") == ()
    assert Package("a", "2026.1.14", "2026.1.14").works and not Package("a", "2025.12", "2026.1.14").works
