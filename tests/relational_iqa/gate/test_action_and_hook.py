"""The GitHub Action and the pre-commit hook of the repository, run as their runners run them."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image, ImageFilter

from relational_iqa import cli
from relational_iqa.folders.pairing import IMAGE_SUFFIXES

ROOT = Path(__file__).parents[3]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
STEPS = {step.get("name", step.get("uses")): step for step in ACTION["runs"]["steps"]}


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a new output that is worse, and with `riqa` and a `python` that installs nothing on the path."""
    monkeypatch.chdir(tmp_path)
    photo = Image.open(ROOT / "tests/images/photo_1.png").convert("RGB").crop((20, 20, 84, 84))
    for folder, blur in (("old files", 0), ("new files", 2)):
        Path(folder).mkdir()
        photo.filter(ImageFilter.GaussianBlur(blur)).save(Path(folder, "it's.png"))
    Path("riqa.toml").touch()
    Path("bin").mkdir()
    python = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)}"
    programs = {
        "riqa": f'{python} -m relational_iqa.program "$@"',
        "python": 'echo "$@" >> installed.txt',
    }
    for name, line in programs.items():
        Path("bin", name).write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
        Path("bin", name).chmod(0o755)


def value(expression: str, given: Mapping[str, str]) -> str:
    """An expression of GitHub, of those that the action uses."""
    inputs = {name: given.get(name, one.get("default", "")) for name, one in ACTION["inputs"].items()}
    known = {f"inputs.{name}": one for name, one in inputs.items()} | {"github.action_path": "/action"}
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: known[found[1]], expression)


def run_step(name: str, **given: str) -> "subprocess.CompletedProcess[str]":
    """A step with `run`, by the command line with which GitHub calls bash."""
    step = STEPS[name]
    assert step["shell"] == "bash"
    Path("script.sh").write_text(step["run"], encoding="utf-8")
    here = Path.cwd()
    environment = {
        **os.environ, "PATH": f"{here / 'bin'}:{os.environ['PATH']}", "GITHUB_OUTPUT": str(here / "output.txt"),
        "GITHUB_STEP_SUMMARY": str(here / "summary.md"),
        **{key: value(one, given) for key, one in step["env"].items()},
    }  # fmt: skip
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "script.sh"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_check_of_the_action_fails_with_its_summary_and_passes_once_that_is_accepted() -> None:
    ours = {"new": "new files", "against": "old files", "options": "--threads\n1\n"}
    failed = run_step("Check", **ours)
    assert failed.returncode == 1, failed.stderr
    assert "riqa: 1 of 1 picture failed" in failed.stderr
    assert Path("output.txt").read_text(encoding="utf-8") == "code=1\n"
    summary = Path("summary.md").read_text(encoding="utf-8")
    assert summary == Path("riqa-check/riqa.md").read_text(encoding="utf-8") and "1 of 1 picture failed" in summary
    assert ElementTree.parse("riqa-check/riqa.xml").getroot().attrib["failures"] == "1"
    assert Path("riqa-check/evidence/index.html").is_file()
    accept = shlex.split(json.loads(Path("riqa-check/riqa.json").read_text(encoding="utf-8"))["accept"])
    assert cli.main(accept[1:]) == 0
    passed = run_step("Check", **ours)
    assert (passed.returncode, passed.stderr) == (0, "")
    assert "code=0" in Path("output.txt").read_text(encoding="utf-8")


def test_bad_input_ends_the_action_with_code_2_and_no_old_summary() -> None:
    Path("riqa-check").mkdir()
    Path("riqa-check/riqa.md").write_text("of an earlier run")
    done = run_step("Check", new="new files", reference="nothing $(touch broken) `touch broken`; touch broken")
    assert done.returncode == 2 and done.stderr.startswith("riqa: --reference nothing $(touch")
    assert not Path("summary.md").exists() and not Path("broken").exists()
    assert Path("output.txt").read_text(encoding="utf-8") == "code=2\n"


def test_the_action_installs_this_repository_unless_it_is_told_not_to() -> None:
    assert run_step("Install relational-iqa").returncode == 0
    assert Path("installed.txt").read_text(encoding="utf-8").splitlines()[-1] == "-m pip install /action"
    for name in ("Install relational-iqa", "actions/setup-python@v5"):
        assert STEPS[name]["if"] == "inputs.install == 'true'" and ACTION["inputs"]["install"]["default"] == "true"


def test_the_action_has_what_github_requires_and_names_only_inputs_that_it_has() -> None:
    assert ACTION["name"] and ACTION["description"] and ACTION["runs"]["using"] == "composite"
    assert all(one["description"] for one in ACTION["inputs"].values())
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    assert not [
        step for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")
    ]  # no text of others in a script


def hook_words(*arguments: str) -> list[str]:
    program, *words = shlex.split(HOOK["entry"])
    assert program == "riqa"
    return [*words, *arguments]


def test_the_entry_of_the_hook_checks_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(hook_words("new files", "--against", "old files", "--quiet"))
    assert ended.value.code == 1
    assert cli.main(hook_words("old files", "--against", "old files")) == 0


@pytest.mark.parametrize(
    ("name", "looked_at"),
    [
        ("out/a.png", True), ("A.JPEG", True), ("deep/riqa.toml", True), ("riqa.toml", True), ("x.tif", True),
        ("notriqa.toml", False), ("a.png.txt", False), ("code.py", False),
    ],
)  # fmt: skip
def test_the_hook_looks_at_images_and_at_the_baseline(name: str, looked_at: bool) -> None:
    assert (re.search(HOOK["files"], name) is not None) == looked_at
    assert all(re.search(HOOK["files"], f"out/a{suffix}") for suffix in IMAGE_SUFFIXES)


def test_pre_commit_takes_the_manifest_and_runs_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pre-commit is installed: the hook is run by it, with the installed `riqa` in place of an environment."""
    program = shutil.which("pre-commit", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None or shutil.which("git") is None:
        pytest.skip("needs pre-commit and git")

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(words, capture_output=True, text=True, check=False)

    monkeypatch.setenv("PATH", f"{Path.cwd() / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(Path.cwd() / "cache"))
    validated = run(program, "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml"))
    assert validated.returncode == 0, validated.stdout
    local: dict[str, Any] = {**HOOK, "language": "system", "args": ["new files", "--against", "old files", "--quiet"]}
    Path(".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": [local]}]}))
    for words in ("init -q", "add -A"):
        assert run("git", *words.split()).returncode == 0
    done = run(program, "run", "--all-files")
    assert done.returncode == 1 and "1 of 1 picture failed" in done.stdout, done.stdout + done.stderr
