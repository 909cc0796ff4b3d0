"""Feeds damaged image files to `load_image` in a process with capped memory and time, and counts what comes back.

    python -m experiments.fuzz.images [--mutants 5000] [--seed 0] [--cli 20] [--keep out/fuzz] [--others]

Every mutant must be read or refused with an ImageError of one line; a crash, a hang, another exception, or a word on
stderr that is not ours is a failure, and its file is kept. `--cli`: that many refused mutants go through
`riqa compare`, which must exit with 2 and print one line. `--others`: mutants of the files of other encoders, one for
every depth, alpha and colour space (tests/distortion_engine/reading/files).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import load_image
from experiments.fuzz.mutate import mutant
from experiments.fuzz.samples import Sample, make_samples, read_samples

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "tests" / "images" / "photo_1.png"
FILES = ROOT / "tests" / "distortion_engine" / "reading" / "files"
MEMORY_BYTES = 2 << 30  # beyond what the interpreter with its libraries maps
TIME_S = 10.0  # of the processor; by the clock six times that, on a machine that has other work
_CLOCK_RATIO, _LOOK_EVERY_S = 6, 0.25
FINE = ("read", "refused")


@dataclass(frozen=True)
class Verdict:
    """What reading one file came to.

    Args:
        outcome: "read", "refused", or what went wrong.
        said: the message of the error.
        seconds: processor time.
        peak_bytes: peak resident memory of the process.
    """

    outcome: str
    said: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0


class Reader:
    """A process that reads image files, replaced by a fresh one when it dies or hangs. Use as a context manager."""

    def __init__(self, folder: Path, memory_bytes: int = MEMORY_BYTES, time_s: float = TIME_S) -> None:
        self.path, self.errors = folder / "mutant", folder / "stderr"
        self.memory_bytes, self.time_s = memory_bytes, time_s
        self._process: Any = None
        self._pipe: Connection

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def read(self, data: bytes) -> Verdict:
        """What `load_image` makes of a file with these bytes."""
        if self._process is None:
            self._start()
        self.path.write_bytes(data)
        self.errors.write_bytes(b"")
        begun = time.monotonic()
        self._pipe.send(str(self.path))
        try:
            answered = self._wait(begun)
            outcome, said, peak = self._pipe.recv() if answered else ("hang", f"no answer in {self.time_s} s", 0)
        except EOFError:
            answered = False
            self._process.join()
            outcome, said, peak = "crash", f"the reading process ended with {self._process.exitcode}", 0
        if not answered:
            self._stop()
        if outcome in FINE and (noise := self.errors.read_bytes()):
            outcome, said = "noise", repr(noise[:200])
        return Verdict(outcome, said, time.monotonic() - begun, peak)

    def _wait(self, begun: float) -> bool:
        spent = _cpu_seconds(self._process.pid)
        while not self._pipe.poll(_LOOK_EVERY_S):
            try:
                busy = _cpu_seconds(self._process.pid) - spent
            except (FileNotFoundError, ProcessLookupError):
                continue  # it died: the pipe will say so
            if busy > self.time_s or time.monotonic() - begun > _CLOCK_RATIO * self.time_s:
                return False
        return True

    def _start(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        # A fork has torch and the codecs imported already.
        self._process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(theirs, str(self.errors), self.memory_bytes), daemon=True
        )
        self._process.start()
        theirs.close()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process; its name, in parentheses, may hold spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _serve(pipe: Connection, errors: str, memory_bytes: int) -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory_bytes, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    sys.stderr = open(2, "w", closefd=False)
    while True:
        try:
            outcome, said = _read(pipe.recv())
        except EOFError:
            return
        sys.stderr.flush()
        pipe.send((outcome, said, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def _read(path: str) -> tuple[str, str]:
    try:
        image = load_image(path)
    except ImageError as error:
        said = str(error)
        return ("refused" if "\n" not in said and len(said) < 400 else "long message"), said
    except BaseException as error:  # what must not come is what is looked for
        return type(error).__name__, f"{type(error).__name__}: {error}"[:300]
    fine = image.ndim == 3 and image.shape[0] == 3 and float(image.min()) >= 0 and float(image.max()) <= 1
    return ("read" if fine else "wrong values"), ""


def fuzz(
    mutants: int, seed: int, folder: Path, samples: Sequence[Sample] = ()
) -> Iterator[tuple[int, str, str, bytes, Verdict]]:
    """(number, sample, damage, bytes, verdict) of every mutant. Mutant n of a seed is always the same.

    samples: the files that are damaged; none for those that `make_samples` makes.
    """
    samples = samples or make_samples(PHOTO)
    with Reader(folder) as reader:
        for sample in samples:
            verdict = reader.read(sample.data)
            if verdict.outcome != "read":
                raise RuntimeError(f"{sample.name}: the undamaged file is not read: {verdict}")
        for number in range(mutants):
            kinds, sample, data = mutant(random.Random(f"{seed} {number}"), samples)
            yield number, sample.name, kinds, data, reader.read(data)


def command_line(data: bytes, folder: Path) -> str:
    """What `riqa compare` of a damaged file with an intact one does wrong; empty where all is as it should be."""
    path = folder / "mutant.img"
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "relational_iqa.cli", "compare", str(path), str(PHOTO)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    if done.returncode == 2 and len(lines) == 1 and lines[0].startswith(f"riqa: {path}") and not done.stdout:
        return ""
    return f"exit code {done.returncode}, stderr {done.stderr[-300:]!r}"


def main() -> None:
    """Prints the counts and every failure; exit code 1 where there is one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cli", type=int, default=0, help="how many refused mutants to give to riqa compare")
    parser.add_argument("--keep", type=Path, default=ROOT / "out" / "fuzz", help="folder for files that fail")
    parser.add_argument("--others", action="store_true", help="damage the files of other encoders")
    chosen = parser.parse_args()
    outcomes: Counter[str] = Counter()
    formats: dict[str, Counter[str]] = {}
    refused: list[bytes] = []
    slowest, peak, failures = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder, samples = Path(name), read_samples(FILES) if chosen.others else []
        for number, sample, kinds, data, verdict in fuzz(chosen.mutants, chosen.seed, folder, samples):
            outcomes[verdict.outcome] += 1
            formats.setdefault(sample, Counter())[verdict.outcome if verdict.outcome in FINE else "failed"] += 1
            slowest, peak = max(slowest, verdict.seconds), max(peak, verdict.peak_bytes)
            if verdict.outcome == "refused":
                refused.append(data)
            elif verdict.outcome != "read":
                failures += 1
                chosen.keep.mkdir(parents=True, exist_ok=True)
                kept = chosen.keep / f"{chosen.seed}-{number}.{sample.split()[0]}"
                kept.write_bytes(data)
                print(f"{kept}: {sample}, {kinds}: {verdict.outcome}: {verdict.said}", flush=True)
        for data in random.Random(chosen.seed).sample(refused, min(chosen.cli, len(refused))):
            if fault := command_line(data, folder):
                failures += 1
                print(f"riqa compare: {fault}", flush=True)
    for sample, counts in sorted(formats.items()):
        print(f"{sample:22} {counts['read']:5} read {counts['refused']:5} refused {counts['failed']:5} failed")
    print(f"{chosen.mutants} mutants of seed {chosen.seed}: {dict(outcomes)}; slowest {slowest:.2f} s, "
          f"peak {peak / 1e6:.0f} MB; {chosen.cli} through riqa compare; {failures} failures")  # fmt: skip
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
