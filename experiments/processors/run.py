"""Runs tests as if on other processors: once for each set of instructions, kernels and threads that can be chosen.

    python -m experiments.processors.run [--only NAME,NAME] [--list] [PYTEST ARGUMENTS]
    python -m experiments.processors.run tests/relational_iqa/conventional

PyTorch, MKL, oneDNN, OpenBLAS, NumPy, OpenCV and the C library each choose their kernels by the processor they find,
and each can be told to take others. Their results differ in the last bits, so a test that leans on last bits fails in
one of the rows. Prints a table of the rows with what passed, failed and took how long, then the failed tests; exits
with 1 if a test failed. What only newer processors have (AVX-512 where it is absent) cannot be tried here.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
THREADS = "RIQA_TEST_THREADS"
"""Read by tests/conftest.py: how many threads PyTorch uses in tests."""


@dataclass(frozen=True)
class Variation:
    """One way to run the tests.

    Args:
        name: for `--only` and the table.
        environment: variables set for the run.
        about: what differs, for people.
    """

    name: str
    environment: Mapping[str, str]
    about: str


@dataclass(frozen=True)
class Outcome:
    """What pytest said of one variation.

    Args:
        variation: which.
        code: its exit code; 5 means that no test was chosen.
        counts: "passed", "failed", ... with their numbers.
        failed: names of tests that failed or had errors.
        seconds: how long it ran.
    """

    variation: Variation
    code: int
    counts: Mapping[str, int]
    failed: tuple[str, ...]
    seconds: float


def variations() -> tuple[Variation, ...]:
    """All variations that this machine can run; the first changes nothing."""
    aten_plain, aten_avx2 = {"ATEN_CPU_CAPABILITY": "default"}, {"ATEN_CPU_CAPABILITY": "avx2"}
    onednn, mkl = {"ONEDNN_MAX_CPU_ISA": "SSE41"}, {"MKL_CBWR": "COMPATIBLE"}
    openblas = {"OPENBLAS_CORETYPE": "Nehalem"}
    numpy, opencv = {"NPY_DISABLE_CPU_FEATURES": _numpy_features()}, {"OPENCV_CPU_DISABLE": _opencv_features()}
    glibc = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA"}
    oldest = {**aten_plain, **onednn, **mkl, **openblas, **numpy, **opencv, **glibc}
    two = {"OMP_NUM_THREADS": "2", THREADS: "2"}
    return (
        Variation("plain", {}, "what the machine chooses, one thread"),
        Variation("two-threads", two, "two threads in PyTorch, MKL, OpenBLAS"),
        Variation("aten-plain", aten_plain, "PyTorch's own kernels without vector instructions"),
        Variation("aten-avx2", aten_avx2, "PyTorch's own kernels with AVX2 alone"),
        Variation("onednn-sse", onednn, "oneDNN (convolutions) with SSE4.1 alone"),
        Variation("mkl-compatible", mkl, "MKL (matrix products, FFT) with SSE2 alone"),
        Variation("openblas-sse", openblas, "NumPy's matrix products with SSE4.2 alone"),
        Variation("numpy-baseline", numpy, "NumPy's loops with baseline instructions"),
        Variation("opencv-baseline", opencv, "OpenCV with baseline instructions"),
        Variation("glibc-baseline", glibc, "exp, pow, sin of the C library without AVX2 and FMA"),
        Variation("oldest", oldest, "all of the above at once: a processor of 2008"),
        Variation("oldest-two-threads", {**oldest, **two}, "the same with two threads"),
    )


def run(variation: Variation, arguments: Sequence[str]) -> Outcome:
    """Runs pytest once. The fresh environment has one thread unless the variation says otherwise."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variation.environment}
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", *arguments]
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - start
    lines = done.stdout.strip().splitlines() or [done.stderr.strip()[-200:]]
    counts = {word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", lines[-1])}
    failed = tuple(line.split(" ", 1)[1].split(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return Outcome(variation, done.returncode, counts, failed, seconds)


def table(outcomes: Sequence[Outcome]) -> Table:
    """A row a variation."""
    rows = Table("variation", "what differs")
    for heading in ("passed", "failed", "seconds"):
        rows.add_column(heading, justify="right")
    for outcome in outcomes:
        failed = outcome.counts.get("failed", 0) + outcome.counts.get("error", 0)
        said = str(failed) if failed or outcome.code == 0 else f"pytest ended with {outcome.code}"
        passed = str(outcome.counts.get("passed", 0))
        rows.add_row(outcome.variation.name, outcome.variation.about, passed, said, f"{outcome.seconds:.0f}")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when every test passed in every variation."""
    known = {variation.name: variation for variation in variations()}
    parser = argparse.ArgumentParser(prog="experiments.processors.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default=",".join(known), metavar="NAME,...", help="some of the variations")
    parser.add_argument("--list", action="store_true", help="print the variations and their environment, run nothing")
    parser.add_argument("pytest", nargs=argparse.REMAINDER, help="arguments of pytest, a path first")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only.split(",") if name not in known]
    if unknown:
        parser.error(f"variation {unknown[0]!r}: expected some of {', '.join(known)}")
    chosen = [known[name] for name in options.only.split(",")]
    console = Console()
    if options.list:
        for variation in chosen:
            said = " ".join(f"{key}={value}" for key, value in variation.environment.items())
            print(f"{variation.name}: {variation.about}. {said}")
        return 0
    outcomes = []
    for variation in chosen:
        outcomes.append(run(variation, options.pytest))
        console.print(f"{variation.name}: {outcomes[-1].seconds:.0f} s", style="dim")
    console.print(table(outcomes))
    for outcome in outcomes:
        for name in outcome.failed:
            print(f"{outcome.variation.name}: {name}")
    return int(any(outcome.code for outcome in outcomes))


def _numpy_features() -> str:
    """The features above its baseline that NumPy found here; naming others is an error to it."""
    core: Any = importlib.import_module("numpy._core._multiarray_umath")
    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))


def _opencv_features() -> str:
    """The features above its baseline that OpenCV found here; it warns of others. It marks them "*NAME", and "*NAME?"
    where the processor has none."""
    import cv2

    words = cv2.getCPUFeaturesLine().split()
    return ",".join(word.lstrip("*") for word in words if word.startswith("*") and not word.endswith("?"))


if __name__ == "__main__":
    sys.exit(main())
