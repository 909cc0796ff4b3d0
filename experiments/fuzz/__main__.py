"""Tries every door of the package with hostile input; see README.md in this folder.

python -m experiments.fuzz [--minutes 10] [--doors images,web] [--seed 0] [--keep out/fuzz]
python -m experiments.fuzz --repeat out/fuzz/web-0-17.json
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from experiments.fuzz.child import FINE, import_everything, try_case
from experiments.fuzz.door import ROOT, Door, read_found, write_found
from experiments.fuzz.doors import DOORS

_SHOWN = 700  # letters of what a failure said


def main() -> None:
    """Prints counts for each door and every failure; exit code 1 where there is one."""
    parser = argparse.ArgumentParser(prog="python -m experiments.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of all doors together")
    parser.add_argument("--doors", default=",".join(DOORS), help=f"some of {', '.join(DOORS)}")
    parser.add_argument("--seed", type=int, default=0, help="case N of a door has the seed 'SEED N'")
    parser.add_argument("--keep", type=Path, default=ROOT / "out" / "fuzz", help="folder for cases that fail")
    parser.add_argument("--repeat", type=Path, nargs="+", default=(), help="runs kept cases again, and nothing else")
    chosen = parser.parse_args()
    names = chosen.doors.split(",")
    if unknown := [name for name in names if name not in DOORS]:
        parser.error(f"--doors {','.join(unknown)}: expected some of {', '.join(DOORS)}")
    import_everything()
    if chosen.repeat:
        raise SystemExit(sum(_repeat(path) for path in chosen.repeat) > 0)
    failures = sum(try_door(DOORS[name], 60 * chosen.minutes / len(names), chosen.seed, chosen.keep) for name in names)
    print(f"{failures} failures" + (f"; the cases are kept in {chosen.keep}" if failures else ""))
    raise SystemExit(1 if failures else 0)


def try_door(door: Door, seconds: float, seed: int, keep: Path) -> int:
    """Tries one door for some time and prints what came of it; returns the number of failures."""
    whole = try_case(door, door.whole())
    if whole.outcome != "done":
        raise RuntimeError(f"{door.name}: the case that is whole ends otherwise: {whole}")
    end, counts, bad, slowest, peak = time.monotonic() + seconds, Counter[str](), [], 0.0, 0
    while time.monotonic() < end:
        name = f"{seed} {counts.total()}"
        case = door.case(name)
        verdict = try_case(door, case)
        counts[verdict.outcome] += 1
        slowest, peak = max(slowest, verdict.seconds), max(peak, verdict.peak_bytes)
        if not verdict.fine:
            bad.append(name)
            path = keep / f"{door.name}-{name.replace(' ', '-')}.json"
            write_found(path, door.name, name, f"{verdict.outcome}: {verdict.said}", case)
            print(f"{path}: {case.kind}: {verdict.outcome}: {verdict.said[-_SHOWN:]}", flush=True)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in (*FINE, *sorted(set(counts) - set(FINE))))
    seeds = f"; seeds that fail: {', '.join(bad)}" if bad else ""
    print(
        f"{door.name}: {counts.total()} cases: {told}; slowest {slowest:.1f} s, {peak / 1e6:.0f} MB{seeds}", flush=True
    )
    return len(bad)


def _repeat(path: Path) -> bool:
    name, case = read_found(path)
    verdict = try_case(DOORS[name], case)
    print(f"{path}: {case.kind}: {verdict.outcome}: {verdict.said}")
    return not verdict.fine


if __name__ == "__main__":
    main()
