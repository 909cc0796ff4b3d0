"""The numbers of the shipped weights, kept: `python -m experiments.reference.make` writes tests/reference_results.json.

Run it after new weights or a change of the networks, then say in CHANGELOG.md what changed; it prints by how much.
`--check` writes nothing and compares instead, also on another device: `--check --device cuda`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import relational_iqa
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.jobs.safe_files import atomic_file
from experiments.reference.pairs import ROOT, Pair, reference_pairs
from relational_iqa.results.comparison import Comparison
from relational_iqa.storage.shipped import DEFAULT_WEIGHTS
from relational_iqa.systems.pixel_perfect import RelationalIQA
from relational_iqa.version import __version__

RESULTS = ROOT / "tests" / "reference_results.json"
TOLERANCE = 1e-3  # levels of margin and quality, and mean intensity: what other processors and library versions may add
AXES_KEPT = 3
MODES = ("without_reference", "with_reference")


def results_of(model: RelationalIQA, pair: Pair) -> dict[str, Any]:
    """What one pair gives: margin and the largest mean signed intensities, without and with the reference."""
    alone = model.compare(pair.a, pair.b)
    judged = model.compare(pair.a, pair.b, reference=pair.reference)
    return {
        "name": pair.name,
        "pixels_sha256": pair.pixels_sha256,
        "without_reference": _numbers(alone),
        "with_reference": _numbers(judged),
    }


def _numbers(result: Comparison) -> dict[str, Any]:
    largest = sorted(result.intensities.items(), key=lambda entry: -abs(entry[1]))[:AXES_KEPT]
    numbers: dict[str, Any] = {"margin": round(result.margin, 6)}
    if result.quality_a is not None and result.quality_b is not None:
        numbers |= {"quality_a": round(result.quality_a, 6), "quality_b": round(result.quality_b, 6)}
    return numbers | {"axes": {name: round(value, 6) for name, value in largest}}


def all_results(model: RelationalIQA) -> dict[str, Any]:
    """The content of the file."""
    return {
        "made_by": "python -m experiments.reference.make",
        "version": __version__,
        "weights": {"name": model.meta["name"], "sha256": model.meta["sha256"]},
        "tolerance": TOLERANCE,
        "pairs": [results_of(model, pair) for pair in reference_pairs()],
    }


def largest_change(old: dict[str, Any], new: dict[str, Any]) -> tuple[float, str]:
    """The largest difference of a margin between two contents of the file, and where: (levels, "pair, mode")."""
    before = {pair["name"]: pair for pair in old["pairs"]}
    return max(
        (abs(pair[mode]["margin"] - before[pair["name"]][mode]["margin"]), f"{pair['name']}, {mode.replace('_', ' ')}")
        for pair in new["pairs"]
        if pair["name"] in before
        for mode in MODES
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 where --check finds other numbers; 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="python -m experiments.reference.make", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the numbers are others")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps; other than cpu only with --check")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file; default: tests/reference_results.json")
    options = parser.parse_args(arguments)
    try:
        if options.device != "cpu" and not options.check:
            raise UsageError("the file is written on the cpu: add --check, or leave --device out")
        model = relational_iqa.load(device=options.device)
        new = all_results(model)
        old = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else None
    except (UsageError, ImageError) as error:
        print(f"make: {error}", file=sys.stderr)
        return 2
    change, where = largest_change(old, new) if old is not None else (0.0, "there was no file")
    if options.check:
        print(f"largest difference of a margin: {change:.6f} levels ({where}), tolerance {TOLERANCE:g}")
        return int(old is None or change > TOLERANCE)
    with atomic_file(options.out) as file:
        file.write((json.dumps(new, indent=1) + "\n").encode())
    print(f"{options.out}: {len(new['pairs'])} pairs")
    weights = f"`{DEFAULT_WEIGHTS}` `{new['weights']['sha256'][:8]}`"
    print(f"CHANGELOG.md must say: {__version__}, {weights}, largest change of a margin {change:.3f} levels ({where})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
