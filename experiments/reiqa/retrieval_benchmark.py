"""Memory, speed and recall of the exact and of the compressed index: `python -m experiments.reiqa.retrieval_benchmark`.

The vectors are relation embeddings as a perfect distortion network would give them: the pooled fields of recipes drawn
as `riqa index` draws them, with the noise that `--noise` says. So a million of them take minutes instead of days, and
they cluster as real ones do. Recall@k: share of the k true nearest neighbours that the compressed index returns.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.sampling import SamplingConfig, sample_set
from relational_iqa.relation_embedding import DIMENSION, GRID_WEIGHTS, GRIDS
from relational_iqa.retrieval import build_index, search

QUERIES = 500
K = 10


@dataclass(frozen=True)
class Measured:
    """One index: vectors, bytes a vector as it is stored, seconds to build, milliseconds a query, recall@K."""

    kind: str
    vectors: int
    bytes_per_vector: float
    build_s: float
    query_ms: float
    recall: float


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
        start = time.perf_counter()
        index: Any = build_index(vectors, exact_limit=limit)
        built = time.perf_counter() - start
        start = time.perf_counter()
        _, numbers = search(index, queries, K)
        spent = (time.perf_counter() - start) / len(queries)
        truth = numbers if truth is None else truth
        recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(numbers.tolist(), truth.tolist(), strict=True)])
        stored = faiss.serialize_index(index).nbytes / len(vectors)
        results.append(Measured(kind, len(vectors), stored, built, 1000 * spent, float(recall)))
    return results


def table(rows: Sequence[Measured]) -> str:
    """Markdown."""
    lines = [f"| index | vectors | bytes a vector | built in | ms a query | recall@{K} |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    lines += [
        f"| {r.kind} | {r.vectors:,} | {r.bytes_per_vector:.0f} | {r.build_s:.1f} s | {r.query_ms:.2f} | "
        f"{r.recall:.3f} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 200_000], metavar="N")
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
