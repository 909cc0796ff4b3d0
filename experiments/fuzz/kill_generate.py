"""Kills `riqa generate` at random moments and compares the resumed output, byte for byte, with an undisturbed one.

    python -m experiments.fuzz.kill_generate [--kills 20] [--photos tests/images]

A third of the runs is killed with its workers (power cut), a third without them (they must notice), and a third is
killed a second time while it resumes. Right after a kill every shard that has its final name must be whole.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from distortion_engine.export import Workforce, generate
from distortion_engine.generate_options import GenerateOptions

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tests" / "images"
OPTIONS = GenerateOptions(sets=30, seed=5, size_px=48, sets_per_shard=3, dense=True)
# A third each.
WAYS = ("with workers", "without workers", "twice")


def contents(out: Path) -> dict[str, bytes]:
    """Every file below `out` by its relative name."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def check_kills(
    kills: int, folder: Path, photos: Path = PHOTOS, options: GenerateOptions = OPTIONS, seed: int = 0
) -> list[str]:
    """One line a kill; RuntimeError where a resumed run differs or a partial shard had its final name."""
    rng = random.Random(seed)
    begun = time.monotonic()
    undisturbed = folder / "undisturbed"
    _run(photos, undisturbed, options)
    length, wanted = time.monotonic() - begun, contents(undisturbed)
    lines = []
    for number in range(kills):
        out, way, moment = folder / f"killed_{number}", WAYS[number % len(WAYS)], rng.uniform(0, length)
        _run_and_kill(photos, out, options, moment, workers_too=way == "with workers")
        seen = _check_visible(out, wanted)
        if way == "twice":
            _run_and_kill(photos, out, options, rng.uniform(0, length), workers_too=False)
            seen = _check_visible(out, wanted)
        _run(photos, out, options)
        if contents(out) != wanted:
            odd = [name for name in {*contents(out), *wanted} if contents(out).get(name) != wanted.get(name)]
            raise RuntimeError(f"kill {number} ({way}, {moment:.2f} s): {', '.join(sorted(odd))} differ after resuming")
        shutil.rmtree(out)
        lines.append(
            f"kill {number}: {way}, at {moment:.2f} of {length:.2f} s, {seen} shards there; resumed: same bytes"
        )
    return lines


def _generate(photos: Path, out: Path, options: GenerateOptions) -> None:
    os.setsid()  # a group of its own, so that it can be killed with its workers
    sys.stderr = open(os.devnull, "w")
    generate(photos, out, options, workforce=Workforce(workers=2))


def _start(photos: Path, out: Path, options: GenerateOptions) -> multiprocessing.process.BaseProcess:
    # A fork has torch imported, so that the kills fall into the work and not into the imports.
    process = multiprocessing.get_context("fork").Process(target=_generate, args=(photos, out, options))
    process.start()
    return process


def _run(photos: Path, out: Path, options: GenerateOptions) -> None:
    process = _start(photos, out, options)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{out}: the run ended with exit code {process.exitcode}")


def _run_and_kill(photos: Path, out: Path, options: GenerateOptions, after_s: float, workers_too: bool) -> None:
    process = _start(photos, out, options)
    process.join(after_s)
    pid = process.pid
    if process.exitcode is None and pid is not None:
        if workers_too and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    process.join()


def _check_visible(out: Path, wanted: dict[str, bytes]) -> int:
    """How many shards have their final name; each must be whole."""
    seen = {name: content for name, content in (contents(out) if out.exists() else {}).items() if _is_shard(name)}
    broken = [name for name, content in seen.items() if content != wanted[name]]
    if broken:
        raise RuntimeError(f"{out}: {', '.join(broken)} not whole after the kill")
    return len(seen)


def _is_shard(name: str) -> bool:
    return Path(name).name.startswith("ranked-")


def main() -> None:
    """Prints one line a kill."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in check_kills(chosen.kills, Path(folder), chosen.photos, seed=chosen.seed):
            print(line)
    print(f"{chosen.kills} kills, every resumed run byte-identical to the undisturbed one")


if __name__ == "__main__":
    main()
