"""Runs metrics over a data set: every image or pair is decoded once, failures are gathered, order never changes."""

from __future__ import annotations

import multiprocessing
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.choices import WorkerKind
from distortion_engine.generation.workers import Tick, Workforce
from distortion_engine.reading.image_io import load_image
from relational_iqa.benchmarks.compared import Said, compared_pairs, known_of_pairs, said_of
from relational_iqa.benchmarks.forced_choice import partner_pairs
from relational_iqa.benchmarks.metrics import Chosen, Scorer
from relational_iqa.benchmarks.readers.items import Benchmark
from relational_iqa.benchmarks.shrinking import shrink
from relational_iqa.tiling.memory import keep_freed_memory
from relational_iqa.viewing.alignment import match_sizes

_CHUNK = 16  # jobs that a node of a cluster gets at a time: neighbours share references
_KEPT_IMAGES = 6  # decoded images a process keeps: references come in runs


@dataclass(frozen=True)
class Failure:
    """One file (or pair) that one metric could not score, and why; metric "" where it could not be read."""

    file: str
    metric: str
    message: str


@dataclass(frozen=True)
class Scores:
    """What metrics said of a data set, by their labels and in its order; NaN where they failed.

    Args:
        values: (n,) values of the metric, or (n, D) features; (n, 2) of judged pairs, for the first and the second
            image.
        margins: (pairs (m, 2), margin (m,)) of metrics that compare partners; of judged pairs, pairs is (n, 0).
        failures: images that a metric could not score.
        facts: what identifies the weights of a metric.
        compared: (m, 2), indices of the pairs of images whose verdicts are judged; of judged pairs, their own indices
            twice.
        confidences: (m,) of the pairs in `compared`, of metrics that know how sure they are; NaN where they do not.
        visible: (m,) of the pairs in `compared`, largest visible difference, of metrics that look at it.
        compared_of: number of pairs of which those of `compared` were drawn.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    margins: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    compared: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    confidences: dict[str, np.ndarray] = field(default_factory=dict)
    visible: dict[str, np.ndarray] = field(default_factory=dict)
    compared_of: int = 0


@dataclass(frozen=True)
class _Job:
    kind: Literal["image", "partners", "judged"]
    paths: tuple[Path, ...]
    """image: image[, reference]; partners: the two; judged: first, second, reference."""


@dataclass
class _Bench:
    """The metrics of one process, loaded, and the images it has just read."""

    scorers: Mapping[str, tuple[str, Scorer]]
    shorter_side: int | None
    images: OrderedDict[Path, Tensor] = field(default_factory=OrderedDict)

    def image(self, path: Path) -> Tensor:
        if path not in self.images:
            self.images[path] = shrink(load_image(path), self.shorter_side)
            while len(self.images) > _KEPT_IMAGES:
                self.images.popitem(last=False)
        self.images.move_to_end(path)
        return self.images[path]

    def run(self, job: _Job) -> tuple[dict[str, Said], list[Failure]]:
        """What was said by label, and failures, of one job."""
        name = str(job.paths[0]) if job.kind == "image" else f"{job.paths[0]} and {job.paths[1]}"
        wanted = {
            label: scorer
            for label, (second, scorer) in self.scorers.items()
            if job.kind == "judged" or (second == "partner") == (job.kind == "partners")
        }
        values: dict[str, Said] = {}
        failures = []
        try:
            images = [self.image(path) for path in job.paths]
            match_sizes([(str(path), image) for path, image in zip(job.paths, images, strict=True)])
        except (ImageError, OSError) as error:
            return {}, [Failure(name, "", _line(error))]
        for label, scorer in wanted.items():
            try:
                said = self._said(scorer, self.scorers[label][0], job.kind, images)
            except (ValueError, RuntimeError, OSError) as error:  # of this image: the others go on, and it is counted
                failures.append(Failure(name, label, _line(error)))
                continue
            if np.isfinite(said.value).all():
                values[label] = said
            else:
                failures.append(Failure(name, label, "the score is not finite"))
        return values, failures

    @staticmethod
    def _said(scorer: Scorer, second: str, kind: str, images: list[Tensor]) -> Said:
        if kind == "judged" and second != "partner":
            other = images[2] if second == "reference" else None
            each = [said_of(scorer(image, other)) for image in images[:2]]
            return Said(np.array([one.value for one in each]), evidence=tuple(e for one in each for e in one.evidence))
        return said_of(scorer(images[0], images[1] if second != "nothing" else None))


def score_benchmark(
    benchmark: Benchmark,
    metrics: Sequence[Chosen],
    *,
    workers: int = 0,
    shorter_side: int | None = None,
    partners: int | None = None,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
    engine: WorkerKind = "local",
    address: str | None = None,
) -> Scores:
    """Scores of metrics on all images or judged pairs of a set. A file that fails is listed in the result.

    Args:
        benchmark: the data set.
        metrics: what scores it.
        workers: processes; 0 works in this one.
        shorter_side: px that the shorter side of larger images is shrunk to (antialiased bicubic); None keeps every
            size.
        partners: for metrics without a score of one image, see `partner_pairs`.
        seed: decides the partners.
        tick: called after each job.
        engine: "local", or "ray" for a cluster, where `workers` are the CPUs of one that is started here.
        address: of a Ray cluster.

    Raises:
        UsageError: where a metric does not fit the set, and where a cluster is not reached.
    """
    check_fit(benchmark, metrics)
    workforce = Workforce(engine, workers, address)
    needs: set[str] = {chosen.metric.second for chosen in metrics}
    pairs = partner_pairs(benchmark.groups, partners, seed) if "partner" in needs and benchmark.images else []
    jobs = _jobs(benchmark, needs, pairs)
    images = len(benchmark.images) if needs - {"partner"} else 0
    values: dict[str, list[Said | None]] = {chosen.label: [] for chosen in metrics}
    failures: list[Failure] = []
    loaded = {chosen.label: chosen.load() for chosen in metrics}  # in any case: bad weights are told here, in one line
    bench = _Bench(
        {chosen.label: (chosen.metric.second, loaded[chosen.label].score) for chosen in metrics}, shorter_side
    )
    for index, (found, failed) in enumerate(_results(jobs, bench, metrics, workforce)):
        failures += failed
        for chosen in metrics:
            if benchmark.pairs or (chosen.metric.second == "partner") == (index >= images):
                values[chosen.label].append(found.get(chosen.label))
        tick()
    facts = {label: dict(metric.facts) for label, metric in loaded.items() if metric.facts}
    met = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    scores = _gathered(benchmark, metrics, values, met, failures, facts)
    compared, whole = compared_pairs(benchmark, partners, seed)
    known = {
        chosen.label: known_of_pairs(
            loaded[chosen.label], values[chosen.label], compared, met if chosen.metric.second == "partner" else None
        )
        for chosen in metrics
    }
    return replace(
        scores,
        compared=compared,
        compared_of=whole,
        confidences={label: sure for label, (sure, _) in known.items() if np.isfinite(sure).any()},
        visible={label: seen for label, (_, seen) in known.items() if np.isfinite(seen).any()},
    )


def job_count(benchmark: Benchmark, metrics: Sequence[Chosen], partners: int | None = None) -> int:
    """How often `score_benchmark` calls `tick`."""
    needs: set[str] = {chosen.metric.second for chosen in metrics}
    pairs = partner_pairs(benchmark.groups, partners) if "partner" in needs and benchmark.images else []
    return len(_jobs(benchmark, needs, pairs))


def check_fit(benchmark: Benchmark, metrics: Sequence[Chosen]) -> None:
    """Raises UsageError where a metric cannot be judged on a set, and says what can."""
    for chosen in metrics:
        metric = chosen.metric
        without = sum(image.reference is None for image in benchmark.images)
        if metric.needs_reference and without:
            raise UsageError(
                f"{chosen.label} needs references, and {without} of {len(benchmark.images)} images of "
                f"{benchmark.name} have none: leave it out"
            )
        if metric.fitted and benchmark.pairs:
            raise UsageError(f"{chosen.label} is fitted to scores, and {benchmark.name} has choices: leave it out")
        if metric.second == "partner" and benchmark.images and not (benchmark.aligned and _shared(benchmark.groups)):
            raise UsageError(
                f"{chosen.label} compares versions of one scene, and {benchmark.name} has one image a scene: leave it "
                "out (a CSV says by its column scene which images belong together)"
            )


def _shared(groups: Sequence[str]) -> bool:
    named = [group for group in groups if group]
    return len(set(named)) < len(named)


def _jobs(benchmark: Benchmark, needs: set[str], pairs: Sequence[tuple[int, int]]) -> list[_Job]:
    jobs = [_Job("judged", (pair.first, pair.second, pair.reference)) for pair in benchmark.pairs]
    if needs - {"partner"}:
        for image in benchmark.images:
            wanted = image.reference if "reference" in needs else None
            jobs.append(_Job("image", (image.image,) if wanted is None else (image.image, wanted)))
    jobs += [_Job("partners", (benchmark.images[i].image, benchmark.images[j].image)) for i, j in pairs]
    return jobs


_BENCH: dict[str, Any] = {}  # of a worker process, loaded once


def _start_worker(metrics: Sequence[Chosen], shorter_side: int | None) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    scorers = {chosen.label: (chosen.metric.second, chosen.load().score) for chosen in metrics}
    _BENCH["mine"] = _Bench(scorers, shorter_side)


def _run_in_worker(job: _Job) -> tuple[dict[str, Said], list[Failure]]:
    found: tuple[dict[str, Said], list[Failure]] = _BENCH["mine"].run(job)
    return found


@dataclass(frozen=True)
class _Chunk:
    """What a node of a cluster does: the index of a chunk of jobs in, what was said of each out."""

    jobs: Sequence[_Job]
    metrics: Sequence[Chosen]
    shorter_side: int | None
    folder: str
    """What relative paths are relative to."""

    def __call__(self, index: int, tick: Tick) -> list[tuple[dict[str, Said], list[Failure]]]:
        if os.path.isdir(self.folder) and os.getcwd() != self.folder:
            os.chdir(self.folder)
        key = repr((self.metrics, self.shorter_side))
        if _BENCH.get("key") != key:
            _start_worker(self.metrics, self.shorter_side)
            _BENCH["key"] = key
        return [_run_in_worker(job) for job in self.jobs[index * _CHUNK : (index + 1) * _CHUNK]]


def _results(
    jobs: Sequence[_Job], bench: _Bench, metrics: Sequence[Chosen], workforce: Workforce
) -> Iterator[tuple[dict[str, Said], list[Failure]]]:
    setting = (metrics, bench.shorter_side)
    if workforce.kind == "ray":
        chunks: dict[int, list[tuple[dict[str, Said], list[Failure]]]] = {}
        following = 0
        task = _Chunk(jobs, *setting, os.getcwd())
        for index, found in workforce.run(task, range(-(-len(jobs) // _CHUNK)), lambda: None):
            chunks[index] = found
            while following in chunks:
                yield from chunks.pop(following)
                following += 1
        return
    if workforce.workers < 1:
        yield from map(bench.run, jobs)
        return
    pool = ProcessPoolExecutor(workforce.workers, multiprocessing.get_context("spawn"), _start_worker, setting)
    try:
        yield from pool.map(_run_in_worker, jobs, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)


def _gathered(
    benchmark: Benchmark,
    metrics: Sequence[Chosen],
    found: Mapping[str, Sequence[Said | None]],
    pairs: np.ndarray,
    failures: list[Failure],
    facts: dict[str, dict[str, Any]],
) -> Scores:
    values, margins = {}, {}
    for chosen in metrics:
        column = [None if said is None else said.value for said in found[chosen.label]]
        none = (2,) if benchmark.pairs and chosen.metric.second != "partner" else ()
        length = next((np.shape(value) for value in column if value is not None), none)
        filled = [np.full(length, np.nan) if value is None else value for value in column]
        array = np.stack(filled) if filled else np.zeros((0, *length))
        if chosen.metric.second != "partner":
            values[chosen.label] = array
        elif benchmark.pairs:
            margins[chosen.label] = (np.zeros((len(array), 0), np.int64), array)
        else:
            margins[chosen.label] = (pairs, array)
    return Scores(values, margins, tuple(failures), facts)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
