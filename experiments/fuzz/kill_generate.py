"""Kills `riqa generate` at random moments of its work and compares the resumed output with an undisturbed one.

    python -m experiments.fuzz.kill_generate [--kills 20] [--mid-work 15] [--photos tests/images]

An undisturbed run is timed from the first byte of its first shard to its end; the moment of a kill is drawn uniformly
from that time (for a run that resumes: from the share that is left) and counted from the first byte that the run
writes. A run that ends before its moment is timed in turn and done again, so the time follows the load of the machine;
one that wrote no byte, since workers left by the kill before had completed the last shard, is done again untimed.
A third of the kills takes the workers along (power cut), a third leaves them (they must notice), a third kills
one worker alone (the run must end by itself). Every second run is killed up to three times before it may finish. After
a kill, files with a final name must have their final bytes; after resuming, all bytes must be those of the undisturbed
run. Where a kill lands is read from the disk just before.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from distortion_engine.generation.generate import SHARDS_NAME, generate
from distortion_engine.generation.manifest import MANIFEST_NAME
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.workers import Workforce
from distortion_engine.jobs.safe_files import is_partial

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tests" / "images"
OPTIONS = GenerateOptions(sets=72, seed=5, size_px=64, sets_per_shard=6, dense=True)
WAYS = ("with its workers", "without its workers", "one worker alone")
# Before the first shard had its name; while a shard was being written; while none was; when all had their names.
PLACES = ("before the first shard", "mid-shard", "between shards", "after the last shard")
MID_WORK = PLACES[:3]
# Kills of a run before it may finish, in turn.
ROWS = (1, 3)
_LOOK_EVERY_S = 0.002


@dataclass(frozen=True)
class Kill:
    """One kill of a run.

    Args:
        way: which processes were killed, one of `WAYS`.
        where: at which point of the work, one of `PLACES`.
        run: number of the run.
        nth: number of the kill within the run, from 1.
        at_s: seconds after the first byte of the run was written.
        shards: shards that were complete then.
    """

    way: str
    where: str
    run: int
    nth: int
    at_s: float
    shards: int


def contents(out: Path) -> dict[str, bytes]:
    """Every file below `out` by its relative name."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def check_kills(
    kills: int,
    folder: Path,
    photos: Path = PHOTOS,
    options: GenerateOptions = OPTIONS,
    seed: int = 0,
    rows: Sequence[int] = ROWS,
) -> Iterator[Kill]:
    """Every SIGKILL that was sent, once its run was resumed and compared; RuntimeError where that differs or a file was
    not whole after a kill."""
    importlib.import_module("albumentations")  # for all forks: kills are to fall into the work, not into imports
    rng = random.Random(seed)
    length, wanted = _undisturbed(photos, folder / "undisturbed", options)
    sent = run = 0
    while sent < kills:
        out, row = folder / f"killed_{run}", min(rows[run % len(rows)], kills - sent)
        there: list[Kill] = []
        while len(there) < row and (missing := options.shards - _shards(out)):
            way, share = WAYS[(sent + len(there)) % len(WAYS)], missing / options.shards
            at_s = rng.uniform(0.0, length * share)
            lasted_s, seen = _run_and_kill(photos, out, options, at_s, way)
            if seen is None:
                length = lasted_s / share if lasted_s else length
                shutil.rmtree(out)
                there = []
                continue
            _check_whole(out, wanted)
            there.append(Kill(way, seen[0], run, len(there) + 1, at_s, seen[1]))
        _end_well(_start(photos, out, options), out)
        if (got := contents(out)) != wanted:
            odd = sorted(name for name in {*got, *wanted} if got.get(name) != wanted.get(name))
            raise RuntimeError(f"run {run} ({there}): {', '.join(odd)} differ after resuming")
        shutil.rmtree(out)
        yield from there
        sent, run = sent + len(there), run + 1


def _undisturbed(photos: Path, out: Path, options: GenerateOptions) -> tuple[float, dict[str, bytes]]:
    """Seconds from the first byte of a shard to the end, and all files."""
    process = _start(photos, out, options)
    _first_byte(process, out, frozenset())
    begun = time.monotonic()
    _end_well(process, out)
    return time.monotonic() - begun, contents(out)


def _generate(photos: Path, out: Path, options: GenerateOptions) -> None:
    os.setsid()  # a group of its own, so that it can be killed with its workers
    sys.stderr = open(os.devnull, "w")
    generate(photos, out, options, workforce=Workforce(workers=2))


def _start(photos: Path, out: Path, options: GenerateOptions) -> BaseProcess:
    # A fork has torch imported already.
    process = multiprocessing.get_context("fork").Process(target=_generate, args=(photos, out, options))
    process.start()
    return process


def _end_well(process: BaseProcess, out: Path) -> None:
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{out}: the run ended with exit code {process.exitcode}")


def _run_and_kill(
    photos: Path, out: Path, options: GenerateOptions, after_s: float, way: str
) -> tuple[float, tuple[str, int] | None]:
    """Seconds from the first byte to the end or kill, 0 without any byte; (place, complete shards) at the kill, None
    where the run ended by itself."""
    stale = frozenset(_partials(out))
    process = _start(photos, out, options)
    if not _first_byte(process, out, stale):
        _end_well(process, out)
        return 0.0, None
    begun = time.monotonic()
    process.join(after_s)
    pid = process.pid
    if process.exitcode is not None or pid is None:
        _end_well(process, out)
        return time.monotonic() - begun, None
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    seen = _place(out, options, stale)
    if way == "one worker alone" and workers:  # there is none while the run draws its sheet
        os.kill(int(workers[0]), signal.SIGKILL)
    elif way == "with its workers":
        os.killpg(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)
    process.join()
    return time.monotonic() - begun, seen if process.exitcode else None


def _first_byte(process: BaseProcess, out: Path, stale: frozenset[Path]) -> bool:
    """Waits for a byte of a shard that was not there before, or the end of the process: whether there was a byte."""
    while process.exitcode is None:
        if any(path not in stale and file_size(path) for path in _partials(out)):
            return True
        process.join(_LOOK_EVERY_S)
    return False


def _partials(out: Path) -> list[Path]:
    return [path for path in (out / SHARDS_NAME).glob(".*") if is_partial(path)]


def file_size(path: Path) -> int:
    """In bytes; 0 for a file that has just got another name."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _shards(out: Path) -> int:
    return len(list((out / SHARDS_NAME).glob("ranked-*")))


def _place(out: Path, options: GenerateOptions, stale: frozenset[Path]) -> tuple[str, int]:
    there, half = _shards(out), any(path not in stale for path in _partials(out))
    if there == options.shards:
        return PLACES[3], there
    if not there:
        return PLACES[0], there
    return PLACES[1 if half else 2], there


def _check_whole(out: Path, wanted: dict[str, bytes]) -> None:
    """Whatever has its final name has its final bytes; the manifest may lack lines, and end in a part of one."""
    lines = wanted[MANIFEST_NAME].splitlines(keepends=True)
    for name, content in contents(out).items():
        if name == MANIFEST_NAME:
            *whole, rest = content.splitlines(keepends=True)
            whole_lines = set(whole) <= set(lines) and any(line.startswith(rest) for line in lines)
        if is_partial(Path(name)) or content == wanted[name] or (name == MANIFEST_NAME and whole_lines):
            continue
        raise RuntimeError(f"{out / name}: not whole after the kill")


def main() -> None:
    """Prints a line a kill and where they landed; fails where too few fell into the work."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--mid-work", type=int, default=15, help="how many must come before the last shard is complete")
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    landed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for kill in check_kills(chosen.kills, Path(folder), chosen.photos, seed=chosen.seed):
            landed[kill.where] += 1
            print(
                f"run {kill.run}, kill {kill.nth}: {kill.way}, {kill.at_s:.2f} s after the first byte, "
                f"{kill.shards} of {OPTIONS.shards} shards complete: {kill.where}; resumed: same bytes",
                flush=True,
            )
    print("; ".join(f"{landed[place]} {place}" for place in PLACES))
    within = sum(landed[place] for place in MID_WORK)
    if within < chosen.mid_work:
        raise SystemExit(f"only {within} of {chosen.kills} kills fell into the work, wanted {chosen.mid_work}")
    print(f"{chosen.kills} kills, {within} in the work; every resumed run byte-identical to the undisturbed one")


if __name__ == "__main__":
    main()
