"""Memory, speed and recall of the exact and of the compressed index: `python -m experiments.reiqa.retrieval_benchmark`.

The vectors are relation embeddings as a perfect distortion network would give them: the pooled fields of recipes drawn
as `riqa index` draws them, with the noise that `--noise` says. So a million of them take minutes instead of days, and
they cluster as real ones do. Recall@k: share of the k true nearest neighbours that the compressed index returns.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.sampling import SamplingConfig, sample_set
from relational_iqa.retrieval.index import build_index, search
from relational_iqa.retrieval.relation_embedding import DIMENSION, GRID_WEIGHTS, GRIDS

QUERIES = 500
K = 10


@dataclass(frozen=True)
class Measured:
    """Size, speed and recall of one index.

    Times are those of the processor, so that other work of the machine does not count.

    Args:
        kind: of the index.
        vectors: their number.
        bytes_per_vector: of the stored index.
        build_s: seconds to build.
        query_ms: milliseconds for a query.
        recall: share of the K exact nearest neighbours that are among the K that were found.
        build_mb: peak memory of the building, the vectors included.
        held_mb: memory of the index once read, with the tables that FAISS then computes.
    """

    kind: str
    vectors: int
    bytes_per_vector: float
    build_s: float
    query_ms: float
    recall: float
    build_mb: float
    held_mb: float


def ideal_embeddings(number: int, noise: float, seed: int) -> np.ndarray:
    """(number, DIMENSION) float32: what the fields of random recipes pool to. A mask of a share of the image covers the
    cells of the grid one after the other, from a corner drawn at random."""
    rng = np.random.default_rng(seed)
    config = SamplingConfig(mask_share=0.2)
    cells = [grid * grid for grid in GRIDS]
    starts = np.cumsum([0, *[len(AXES) * count for count in cells]])
    rows: list[np.ndarray] = []
    while len(rows) < number:
        for recipe in sample_set(rng, config).members:
            means, roots = np.zeros(DIMENSION // 2), np.zeros(DIMENSION // 2)
            for step in recipe.steps:
                spec = DISTORTIONS[step.distortion]
                extent = 1.0 if step.mask.kind == "whole" else step.mask.extent
                for grid, weight, count, start in zip(GRIDS, GRID_WEIGHTS, cells, starts, strict=False):
                    covered = np.clip(extent * count - np.arange(count), 0, 1)
                    covered = np.roll(covered, step.mask.seed % count) * weight / grid
                    place = slice(start + AXIS_INDEX[spec.axis] * count, start + (AXIS_INDEX[spec.axis] + 1) * count)
                    means[place] += spec.sign * step.severity * covered
                    roots[place] += step.severity * np.sqrt(covered * weight / grid)
            rows.append(np.concatenate([means, roots]))
    vectors = np.stack(rows[:number]) + noise * rng.normal(size=(number, DIMENSION)) / np.sqrt(DIMENSION)
    return vectors.astype(np.float32)


def measure(vectors: np.ndarray, queries: np.ndarray) -> list[Measured]:
    """The exact index and the compressed one over the same vectors; recall of the first is 1 by definition."""
    import faiss

    results: list[Measured] = []
    truth: np.ndarray | None = None
    for kind, limit in (("exact", len(vectors)), ("IVF-PQ", 0)):
        with peak_memory() as peak:
            start = time.process_time()
            index: Any = build_index(vectors, exact_limit=limit)
            built = time.process_time() - start
        start = time.process_time()
        _, numbers = search(index, queries, K)
        spent = (time.process_time() - start) / len(queries)
        truth = numbers if truth is None else truth
        recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(numbers.tolist(), truth.tolist(), strict=True)])
        stored = faiss.serialize_index(index).nbytes
        results.append(
            Measured(kind, len(vectors), stored / len(vectors), built, 1000 * spent, float(recall),
                     (peak[0] + vectors.nbytes) / 1e6, (stored + tables_of(index)) / 1e6)
        )  # fmt: skip
    return results


def tables_of(index: Any) -> int:
    """Bytes of what FAISS computes when it reads an index; they are not in the file."""
    return 4 * index.precomputed_table.size() if hasattr(index, "precomputed_table") else 0


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """A list that holds, after the block, the bytes that the process had at most during it more than before it; NaN
    where the system is not Linux."""
    found, before = [math.nan], math.nan
    try:
        ctypes.CDLL(None).malloc_trim(0)  # memory that was freed before would be used again unseen
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _memory("VmRSS")
    except (OSError, AttributeError, TypeError):  # another system, or another C library
        pass
    yield found
    if not math.isnan(before):
        found[0] = _memory("VmHWM") - before


def _memory(line: str) -> float:
    status = Path("/proc/self/status").read_text()
    return 1024.0 * int(next(text for text in status.splitlines() if text.startswith(line)).split()[1])


def table(rows: Sequence[Measured]) -> str:
    """Markdown; times are those of the processor."""
    heads = ["index", "vectors", "bytes a vector", f"recall@{K}", "built in", "a query", "memory to build",
             "memory to search"]  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    lines += [
        f"| {r.kind} | {r.vectors:,} | {r.bytes_per_vector:.0f} | {r.recall:.3f} | {r.build_s:.1f} s | "
        f"{r.query_ms:.2f} ms | {r.build_mb:.0f} MB | {r.held_mb:.0f} MB |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 300_000], metavar="N")
    parser.add_argument("--noise", type=float, default=0.1, help="length of the noise vector; severities are up to 1")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    queries = ideal_embeddings(QUERIES, options.noise, options.seed + 1)
    vectors = ideal_embeddings(max(options.sizes), options.noise, options.seed)
    rows = []
    for size in options.sizes:
        rows += measure(vectors[:size], queries)
        print(f"{size} vectors measured", file=sys.stderr, flush=True)
    print(table(rows), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
