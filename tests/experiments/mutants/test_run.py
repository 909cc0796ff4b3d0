"""The tool that tries mutants: who is killed and who survives, and that the table fits the files of today."""

import subprocess
from pathlib import Path

import pytest

from distortion_engine.errors import UsageError
from experiments.mutants import run
from experiments.mutants.mutant import Mutant
from experiments.mutants.table import MUTANTS


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A module whose sum is tested and whose difference is not."""
    (tmp_path / "sums.py").write_text("def add(a, b):\n    return a + b\n\n\ndef less(a, b):\n    return a - b\n")
    (tmp_path / "test_sums.py").write_text("from sums import add, less\n\ndef test_add():\n    assert add(2, 3) == 5\n")
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_a_mutant_that_a_test_notices_is_killed_and_another_survives(
    repository: Path, capsys: pytest.CaptureFixture[str]
):
    mutants = [
        Mutant("sums.py", "a + b", "a * b", ("test_sums.py",)),
        Mutant("sums.py", "a - b", "b - a", ("test_sums.py",)),
        Mutant("sums.py", "return a + b", "return a +", ("test_sums.py",)),
    ]
    before = (repository / "sums.py").read_text()
    verdicts = run.try_mutants(mutants, repository, workers=2, timeout_s=60)
    assert [verdict.killed for verdict in verdicts] == [True, False, True]
    assert (repository / "sums.py").read_text() == before
    out = capsys.readouterr().out
    assert out.count("killed") == 2 and "SURVIVED" in out and "a - b -> b - a" in out


@pytest.mark.parametrize(
    ("mutant", "message"),
    [
        (Mutant("none.py", "a", "b", ("test_sums.py",)), "no such file"),
        (Mutant("sums.py", "a, b", "b, a", ("test_sums.py",)), "stands there 2 times"),
        (Mutant("sums.py", "a % b", "a", ("test_sums.py",)), "stands there 0 times"),
        (Mutant("sums.py", "a + b", "a + b", ("test_sums.py",)), "replaced by itself"),
        (Mutant("sums.py", "a + b", "a * b", ("test_none.py",)), "test_none.py"),
        (Mutant("sums.py", "a + b", "a * b", ()), "none are named"),
    ],
)
def test_a_mutant_that_does_not_fit_is_refused(repository: Path, mutant: Mutant, message: str):
    with pytest.raises(UsageError, match=message):
        run.try_mutants([mutant], repository, workers=1, timeout_s=60)


def test_tests_that_fail_without_a_mutant_are_no_verdict(repository: Path):
    (repository / "test_sums.py").write_text("def test_never():\n    assert False\n")
    with pytest.raises(UsageError, match="fail without any mutant"):
        run.try_mutants([Mutant("sums.py", "a + b", "a * b", ("test_sums.py",))], repository, 1, 60)


def test_the_table_has_sixty_mutants_or_more_of_many_files_and_all_fit_the_files_of_today():
    assert len({mutant.title for mutant in MUTANTS}) == len(MUTANTS) >= 60
    assert len({mutant.path for mutant in MUTANTS}) >= 20
    for mutant in MUTANTS:
        mutant.check(run.ROOT)


def test_mutants_are_chosen_by_a_text_of_their_titles(capsys: pytest.CaptureFixture[str]):
    path = MUTANTS[0].path
    assert run.main(["--list", "--only", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + sum(mutant.path == path for mutant in MUTANTS) and all(path in line for line in lines[:-1])
