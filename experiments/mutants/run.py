"""Applies every mutant and runs its tests: `python -m experiments.mutants.run`. None may survive.

Each mutant is applied in a copy of the files that git tracks, so the checkout is never touched. A mutant is killed when
its tests fail; it survives when they pass. Before all, the tests must pass without any mutant.

    python -m experiments.mutants.run --only distortions/noise     # those whose title holds this text
    python -m experiments.mutants.run --list                       # their titles
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from distortion_engine.errors import UsageError
from experiments.mutants.child import PRELOADED, run_pytest
from experiments.mutants.mutant import Mutant
from experiments.mutants.table import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
PASSED, FAILED = 0, 1  # exit codes of pytest; all others are no verdict


@dataclass(frozen=True)
class Verdict:
    """What the tests made of one mutant.

    Args:
        mutant: the changed formula.
        killed: whether a test failed.
        said: last line of pytest.
        seconds: that the tests took.
    """

    mutant: Mutant
    killed: bool
    said: str
    seconds: float


class Copy:
    """A copy of the tracked files of a repository, in which mutants are applied one after the other."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
        for name in names.decode().split("\0"):
            if name and (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, folder / name)

    @contextmanager
    def with_mutant(self, mutant: Mutant) -> Iterator[None]:
        """The copy with the mutant in it, and without it afterwards."""
        file = self.folder / mutant.path
        before = file.read_text(encoding="utf-8")
        file.write_text(mutant.applied_to(before), encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(before, encoding="utf-8")

    def test(self, tests: Sequence[str], timeout_s: float) -> tuple[bool, str, float]:
        """(whether one failed, last line, seconds). UsageError where pytest could not say."""
        start = time.monotonic()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=run_pytest, args=(str(self.folder), tests, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            if not ours.poll(timeout_s):
                return True, f"no end after {timeout_s:.0f} s", time.monotonic() - start
            code, said = ours.recv()
        except EOFError:
            return True, f"the process of the tests died with exit code {process.exitcode}", time.monotonic() - start
        finally:
            process.kill()
            process.join()
            ours.close()
        if code not in (PASSED, FAILED) and "error" not in said:  # an import that fails is noticed, too
            raise UsageError(f"pytest {' '.join(tests)}: {said}")
        return code != PASSED, said, time.monotonic() - start


def try_mutants(mutants: Sequence[Mutant], root: Path, workers: int, timeout_s: float) -> list[Verdict]:
    """One verdict a mutant, in order; each is printed when it is there.

    Raises UsageError where a mutant does not fit the files of today, or where its tests fail without it.
    """
    for mutant in mutants:
        mutant.check(root)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: Queue[Copy] = Queue()
        for number in range(workers):
            copies.put(Copy(root, Path(folder) / str(number)))

        def unchanged(tests: tuple[str, ...]) -> None:
            copy = copies.get()
            try:
                failed, said, _ = copy.test(tests, timeout_s)
            finally:
                copies.put(copy)
            if failed:
                raise UsageError(f"{' '.join(tests)} fail without any mutant: {said}")

        def verdict(mutant: Mutant) -> Verdict:
            copy = copies.get()
            try:
                with copy.with_mutant(mutant):
                    killed, said, seconds = copy.test(mutant.tests, timeout_s)
            finally:
                copies.put(copy)
            print(f"{'killed  ' if killed else 'SURVIVED'} {seconds:5.1f} s  {mutant.title}", flush=True)
            return Verdict(mutant, killed, said, seconds)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(unchanged, dict.fromkeys(mutant.tests for mutant in mutants)))
            return list(pool.map(verdict, mutants))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 where no mutant survived, 1 where one did, 2 with one line for a table that does not fit."""
    parser = argparse.ArgumentParser(prog="python -m experiments.mutants.run", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose title holds this text")
    parser.add_argument("--list", action="store_true", help="print their titles and run nothing")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S", help="of the tests of one mutant")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in MUTANTS if options.only in mutant.title]
    if options.list:
        print(*(mutant.title for mutant in mutants), f"{len(mutants)} mutants", sep="\n")
        return 0
    try:
        verdicts = try_mutants(mutants, ROOT, max(1, options.workers), options.timeout)
    except UsageError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    survivors = [verdict.mutant.title for verdict in verdicts if not verdict.killed]
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} mutants killed", *survivors, sep="\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
