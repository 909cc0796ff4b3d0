"""Kills `riqa pretrain` at random moments of its work, resumes it, and compares its weights with an undisturbed run's.

    python -m experiments.fuzz.kill_train [--kills 12] [--photos tests/images] [--seed 0]

A tiny run, bound by steps, one thread, on the CPU, which saves its state after every step. It is killed up to three
times before it may finish: at a random moment while its data is rendered, then while a checkpoint is half written, then
at a moment drawn uniformly from what is left of its length. After a kill, the checkpoints must be whole;
after resuming, the weights must be those of the undisturbed run bit for bit, no step may be missing from the log or be
there twice, and the rendered data must have the same bytes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from distortion_engine.generation.manifest import MANIFEST_NAME, Manifest
from distortion_engine.jobs.safe_files import is_partial
from relational_iqa.networks.pixel_perfect import Architecture
from relational_iqa.training.data import training_sets
from relational_iqa.training.data.training_sets import DataConfig
from relational_iqa.training.loop.checkpoint import FILE_NAME, load_checkpoint
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.reporting import LOG_NAME
from relational_iqa.training.pixel_perfect.pretrain import PretrainConfig, pretrain

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tests" / "images"
PLACES = ("rendering", "distortion stage", "scoring stage", "checkpoint half written")
STAGES = ("distortion", "scoring")
_KILLS_A_RUN = 3
_LOOK_EVERY_S = 0.0002
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Kill:
    """One kill of a run.

    Args:
        where: at which point of the work, one of `PLACES`.
        run: number of the run.
        nth: number of the kill within the run, from 1.
        at_s: seconds after the start.
        steps: steps in the checkpoint of each stage then.
    """

    where: str
    run: int
    nth: int
    at_s: float
    steps: tuple[int, ...]


def tiny_config(folder: Path, photos: Path = PHOTOS) -> PretrainConfig:
    """A run of seconds, in `folder`."""
    stage = TrainConfig(
        steps=5, batch_size=6, learning_rate=3e-3, warmup_steps=2, ema_decay=0.9, log_every=1, panel_every=3,
        checkpoint_every=1, accelerator="cpu", threads=1, data_workers=0,
    )  # fmt: skip
    data = DataConfig(str(photos), 8, 32, 0.9, workers=0, cache_dir=str(folder / "cache"))
    small = Architecture(width=16, encoder_channels=8)
    return PretrainConfig("tiny", data, stage, replace(stage, steps=4, batch_size=8), str(folder / "run"), small)


def check_kills(kills: int, folder: Path, photos: Path = PHOTOS, seed: int = 0) -> Iterator[Kill]:
    """Every SIGKILL that was sent, once its run was resumed and compared; RuntimeError where something differs."""
    for heavy in ("lightning_fabric", "torch.utils.tensorboard"):  # for all forks: kills are to fall into the work
        importlib.import_module(heavy)
    torch.set_num_threads(1)
    training_sets.SETS_PER_SHARD = 3  # so that eight sets are several shards
    rng = random.Random(seed)
    begun = time.time()
    undisturbed = tiny_config(folder / "undisturbed", photos)
    wanted = _finished(undisturbed)
    length = time.time() - begun
    rendering = next(Path(undisturbed.data.cache_dir).glob(f"*/{MANIFEST_NAME}")).stat().st_mtime - begun
    sent = run = 0
    while sent < kills:
        config = tiny_config(folder / f"killed_{run}", photos)
        there: list[Kill] = []
        for nth in range(1, min(_KILLS_A_RUN, kills - sent) + 1):
            after_s = rng.uniform(0.0, rendering if nth == 1 else length * (1 - _share(config)))
            where, at_s = _run_and_kill(config, after_s, mid_write=nth == 2)
            if not where:
                break
            there.append(Kill(where, run, nth, at_s, _check_whole(config)))
        if (got := _finished(config)) != wanted:
            odd = sorted(name for name in {*got, *wanted} if got.get(name) != wanted.get(name))
            raise RuntimeError(f"run {run} ({there}): {', '.join(odd)} differ after resuming")
        shutil.rmtree(folder / f"killed_{run}")
        yield from there
        sent, run = sent + len(there), run + 1


def _finished(config: PretrainConfig) -> dict[str, bytes]:
    """Runs to the end; weights, data and logged steps by name."""
    process = _start(config)
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{config.out}: the run ended with exit code {process.exitcode}")
    out, cache = Path(config.out), Path(config.data.cache_dir)
    found = {path.name: path.read_bytes() for path in (out / "tiny.safetensors", *cache.rglob("*")) if path.is_file()}
    for stage in STAGES:
        lines = (out / stage / LOG_NAME).read_text().splitlines()
        found[f"steps of {stage}"] = repr([json.loads(line)["step"] for line in lines]).encode()
    return found


def _train(config: PretrainConfig) -> None:
    sys.stderr = open(os.devnull, "w")
    pretrain(config)


def _start(config: PretrainConfig) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=_train, args=(config,))
    process.start()
    return process


def _run_and_kill(config: PretrainConfig, after_s: float, mid_write: bool) -> tuple[str, float]:
    """Where the kill fell, and when; an empty place where the run ended first."""
    stale = _partials(config)
    process = _start(config)
    begun = time.monotonic()
    process.join(after_s)
    while mid_write and process.exitcode is None and time.monotonic() - begun < _PATIENCE_S:
        if _partials(config) - stale:
            break
        time.sleep(_LOOK_EVERY_S)
    pid, at_s = process.pid, time.monotonic() - begun
    if process.exitcode is not None or pid is None:
        return "", at_s
    os.kill(pid, signal.SIGKILL)
    process.join()
    if process.exitcode != -signal.SIGKILL:
        return "", at_s
    if _partials(config) - stale:
        return PLACES[3], at_s
    if not any(Manifest.read(path).complete for path in Path(config.data.cache_dir).glob(f"*/{MANIFEST_NAME}")):
        return PLACES[0], at_s
    return PLACES[2 if (Path(config.out) / STAGES[1]).exists() else 1], at_s


def _partials(config: PretrainConfig) -> set[tuple[Path, int]]:
    """Checkpoints that are being written or were left so, with the time of their last byte."""
    found = set()
    for stage in STAGES:
        for path in (Path(config.out) / stage).glob(f".{FILE_NAME}.*"):
            try:
                if is_partial(path):
                    found.add((path, path.stat().st_mtime_ns))
            except FileNotFoundError:  # it has just got its name
                continue
    return found


def _share(config: PretrainConfig) -> float:
    """Share of the steps that are saved."""
    return sum(_check_whole(config)) / (config.distortion.steps + config.scoring.steps)


def _check_whole(config: PretrainConfig) -> tuple[int, ...]:
    """Steps in the checkpoints; UsageError where one that has its final name cannot be read."""
    paths = [Path(config.out) / stage / FILE_NAME for stage in STAGES]
    return tuple(load_checkpoint(p, s)["step"] if p.exists() else 0 for p, s in zip(paths, STAGES, strict=True))


def main() -> None:
    """Prints a line a kill and where they landed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    landed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for kill in check_kills(chosen.kills, Path(folder), chosen.photos, chosen.seed):
            landed[kill.where] += 1
            print(
                f"run {kill.run}, kill {kill.nth}: after {kill.at_s:.2f} s, steps saved {kill.steps}: {kill.where}; "
                "resumed: same weights",
                flush=True,
            )
    print("; ".join(f"{landed[place]} {place}" for place in PLACES))
    print(f"{chosen.kills} kills; every resumed run has the weights of the undisturbed one, bit for bit")


if __name__ == "__main__":
    main()
