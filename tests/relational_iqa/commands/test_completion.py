"""Shell completion: the scripts are run by the shells themselves, bash here and the others where they are installed."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from relational_iqa import cli
from relational_iqa.commands.options import options_of

ROOT = Path(__file__).parents[3]
Script = Callable[[str], Path]


@pytest.fixture(name="script")
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Script:
    """script("bash"): the file with that script."""

    def write(shell: str) -> Path:
        assert cli.main(["completion", shell]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        (tmp_path / f"riqa.{shell}").write_text(said.out, encoding="utf-8")
        return tmp_path / f"riqa.{shell}"

    return write


def in_bash(script: Path, *words: str) -> list[str]:
    """What bash offers for the last word, as its own completion calls the function."""
    array = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _riqa"
    code = f"source '{script}'; {asked}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [word for word in done.stdout.splitlines() if word]


def test_bash_completes_commands_options_and_values(script: Script) -> None:
    file = script("bash")
    assert in_bash(file, "riqa", "") == [*cli.COMMANDS, "--help", "--version"]
    assert in_bash(file, "riqa", "comp") == ["compare", "completion"]
    assert in_bash(file, "riqa", "compare", "--ma") == ["--maps", "--mask", "--max-pixels"]
    assert in_bash(file, "riqa", "compare", "a.png", "b.png", "--align", "") == ["auto", "resize", "crop"]
    assert in_bash(file, "riqa", "compare", "a.png", "b.png", "--align", "=", "c") == ["crop"]
    assert in_bash(file, "riqa", "compare", "a.png", "b.png", "--align", "=") == ["auto", "resize", "crop"]
    assert in_bash(file, "riqa", "completion", "") == ["bash", "zsh", "fish"]
    assert in_bash(file, "riqa", "evaluate", "ka") == ["kadid10k"]
    assert in_bash(file, "riqa", "explain", "-k", "") == []  # a number


def test_bash_completes_files_where_a_value_or_an_argument_is_one(script: Script) -> None:
    file = script("bash")
    assert in_bash(file, "riqa", "compare", "") == [] == in_bash(file, "riqa", "compare", "--out", "")
    registered = subprocess.run(
        ["bash", "--norc", "-c", f"source '{file}'; complete -p riqa"], capture_output=True, text=True, check=True
    )
    assert registered.stdout == "complete -o default -F _riqa riqa\n"  # default: bash completes files itself


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_has_every_command_and_every_option(shell: str, script: Script) -> None:
    text = script(shell).read_text(encoding="utf-8")
    for name, command in cli.COMMANDS.items():
        assert name in text
        for option in options_of(command.options):
            for flag in option.flags:
                assert (flag if shell != "fish" else f"-l {flag[2:]}" if flag[1] == "-" else f"-s {flag[1:]}") in text
            assert all(str(choice) in text for choice in option.choices)


def test_fish_completes_commands_options_and_values(script: Script) -> None:
    if shutil.which("fish") is None:
        pytest.skip("needs fish")

    def offered(line: str) -> list[str]:
        code = f"source {script('fish')}; complete -C'{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, check=True)
        return [each.split("\t")[0] for each in done.stdout.splitlines()]

    assert offered("riqa comp") == ["compare", "completion"]
    assert sorted(offered("riqa compare --ma")) == ["--maps", "--mask", "--max-pixels"]
    assert sorted(offered("riqa compare a b --align ")) == ["auto", "crop", "resize"]


def test_zsh_takes_the_script_and_registers_it(script: Script) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("needs zsh")
    file = script("zsh")
    code = f"autoload -U compinit; compinit -u -D; source {file}; print $_comps[riqa]; whence -w _riqa"
    done = subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("_riqa\n_riqa: function\n", "")


def test_the_script_is_made_without_anything_heavy() -> None:
    code = "import sys; from relational_iqa.cli import main; main(['completion', 'bash']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"torch", "numpy", "PIL", "cv2", "jinja2", "rich"} & set(done.stdout.splitlines()[-1].split())
