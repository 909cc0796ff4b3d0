"""`riqa generate`: ranked sets as files that people and other programs can read.

    OUT/shards/ranked-000000.tar ...   WebDataset shards of lossless images and recipes, see `shards`
    OUT/manifest.jsonl                 first line: what the bytes follow from; then one line a shard. Until the run is
                                       complete it holds the first line alone
    OUT/contact_sheet.png              some of the sets, drawn to be checked by eye

Set i depends on (photographs, options, i) alone and every shard is made by one task, so the bytes are the same for any
number of workers and machines, and a killed run goes on as if nothing had been.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from distortion_engine.dataset import GRID_MARGIN_PX, Crop, Judge, render_set
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.contact_sheet import SheetRow, draw_sheet, varied
from distortion_engine.generation.manifest import MANIFEST_NAME, Manifest, claim_folder
from distortion_engine.generation.options import GenerateOptions, header
from distortion_engine.generation.shards import ShardJob, inspect_shard, read_records, write_shard
from distortion_engine.generation.workers import ENGINES, Results, Task, Tick, load_ray, run_local, run_ray
from distortion_engine.jobs.progress import progress
from distortion_engine.jobs.safe_files import atomic_file, file_sha256, remove_partials, sole_writer
from distortion_engine.reading.image_io import encode_lossless, load_image, to_uint8
from distortion_engine.reading.photos import list_photos
from distortion_engine.recipe import RankedSet

SHARDS_NAME = "shards"
SHEET_NAME = "contact_sheet.png"
SHEET_ROWS = 12
# The sheet is chosen among the first sets.
_SHEET_CANDIDATES = 64


@dataclass(frozen=True)
class Workforce:
    """Who renders; no byte depends on it. engine: "local" or "ray". workers: processes, 0 for this one; with Ray: CPUs
    of a cluster started here. address: of a Ray cluster (see `run_ray`)."""

    engine: str = "local"
    workers: int = 2
    address: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"engine {self.engine!r}: expected one of {', '.join(ENGINES)}")
        workers: Any = self.workers  # may come from a configuration file
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
            raise UsageError(f"workers {self.workers!r}: expected a whole number of 0 or more")
        if self.address is not None and self.engine != "ray":
            raise UsageError(f"address {self.address}: needs engine ray; add --engine ray")
        if self.engine == "ray":
            load_ray()  # before any work

    def run(self, task: Task, indices: Sequence[int], tick: Tick) -> Results:
        """(index, result) of every task, see `engines`."""
        if self.engine == "ray" and indices:
            return run_ray(task, indices, self.address, self.workers, tick)
        return run_local(task, indices, self.workers, tick)


def generate(
    photos: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: GenerateOptions,
    judge: Judge | None = None,
    workforce: Workforce | None = None,
    resume: str = "auto",
) -> dict[str, Any]:
    """Writes ranked sets of squares cut from the photographs directly in `photos`.

    out: a new or empty folder, or one of a run with the same options and photographs, which is then completed: shards
    that are whole stay; resume "never" refuses such a folder. options.sets may have risen: full shards stay then too.
    judge: drops sets whose order it clearly contradicts and is noted with each set.

    Photographs that cannot be read, or that are too small to be cut without enlarging, are named on stderr and left
    out. Returns counts: sets, images, kinds, photos (usable), photos_skipped, dropped (sets drawn and not taken),
    shards, shards_found (made by a run before), bytes, seconds. Raises UsageError for a folder without usable
    photographs, an `out` that holds something else, is being written by another run, cannot be written or is full:
    what is complete stays, and the same call goes on from there.
    """
    begun = time.monotonic()
    workforce = workforce or Workforce()
    candidates = list_photos(photos, options.split)
    folder = claim_folder(Path(out), resume)
    with sole_writer(folder):
        manifest = Manifest.read(folder / MANIFEST_NAME)
        least_px = options.size_px + GRID_MARGIN_PX
        usable = _usable_photos(candidates, least_px, manifest.photos(options), workforce.workers)
        if not usable:
            raise UsageError(
                f"{photos}: none of {len(candidates)} photographs can be used; "
                f"{options.size_px} px squares need sides of {least_px} px or more"
            )
        named = [(path.name, sha256) for path, sha256 in usable]
        before = manifest.head
        manifest = manifest.opened(header(options, named, _name(judge)))
        if before and before != manifest.head:
            print(
                f"adds sets: {before['options']['sets']} were asked for, now {options.sets}",
                file=sys.stderr,
                flush=True,
            )
        shards = folder.absolute() / SHARDS_NAME
        shards.mkdir(exist_ok=True)
        absolute = tuple((path.absolute(), sha256) for path, sha256 in usable)
        job = ShardJob(options, absolute, shards, judge, manifest.libraries)
        try:
            lines, found = _complete(job, workforce, manifest)
            dict(run_local(partial(_save_sheet, folder / SHEET_NAME, job), [0], 0, lambda: None))
            manifest.finished(lines)
        finally:
            for place in (folder, shards):
                remove_partials(place)
    kinds: Counter[str] = Counter()
    for line in lines:
        kinds.update(line["kinds"])
    return {
        **{key: sum(line[key] for line in lines) for key in ("sets", "images", "dropped", "bytes")},
        "kinds": dict(sorted(kinds.items())),
        "photos": len(usable),
        "photos_skipped": len(candidates) - len(usable),
        "shards": len(lines),
        "shards_found": found,
        "seconds": round(time.monotonic() - begun, 3),
    }


def rerender(photo: str | os.PathLike[str], record: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Images, fields and validity (see `render_set`) of the `json` of a set, from the photograph it names."""
    pixels = to_uint8(load_image(photo))
    return render_set(pixels, Crop(**record["crop"]), RankedSet.from_dict(record["recipe"]))


def _complete(job: ShardJob, workforce: Workforce, manifest: Manifest) -> tuple[list[dict[str, Any]], int]:
    """All lines of the manifest by shard, and how many shards were there before."""
    lines: dict[int, dict[str, Any]] = {}
    there = [shard for shard in range(job.options.shards) if job.path(shard).exists()]
    here = replace(workforce, engine="local", address=None)
    with (
        progress(len(there), "shards checked") as tick,
        closing(here.run(partial(_check, job), there, tick)) as results,
    ):
        for shard, line in results:
            if line is not None and manifest.agrees(shard, line):
                lines[shard] = line
    found = len(lines)
    missing = [shard for shard in range(job.options.shards) if shard not in lines]
    if found and missing:
        print(f"goes on: {found} of {job.options.shards} shards are there", file=sys.stderr, flush=True)
    with (
        progress(sum(len(job.options.indices(shard)) for shard in missing), "sets") as tick,
        closing(workforce.run(partial(write_shard, job), missing, tick)) as results,
    ):
        for shard, line in results:
            if not job.path(shard).exists():
                raise UsageError(
                    f"{job.path(shard)}: was written by a worker and is not here; all machines must share OUT"
                )
            lines[shard] = line
    return [lines[shard] for shard in range(job.options.shards)], found


def _check(job: ShardJob, shard: int, tick: Tick) -> dict[str, Any] | None:
    line = inspect_shard(job, shard)
    tick()
    return line


def _usable_photos(
    candidates: list[Path], side_px: int, known: Mapping[str, str], workers: int
) -> list[tuple[Path, str]]:
    """(photograph, sha256) where it can be used. known: sha256 by name of those found usable before."""
    answers: dict[int, tuple[str, str]] = {}
    task = partial(_check_photo, candidates, side_px, dict(known))
    every = range(len(candidates))
    with progress(len(every), "photographs") as tick, closing(run_local(task, every, workers, tick)) as results:
        answers.update(results)
    usable = []
    for index, photo in enumerate(candidates):
        sha256, reason = answers[index]
        if reason:
            print(f"skipped {reason}", file=sys.stderr, flush=True)
        else:
            usable.append((photo, sha256))
    return usable


def _check_photo(photos: list[Path], side_px: int, known: Mapping[str, str], index: int, tick: Tick) -> tuple[str, str]:
    """(sha256, why the photograph cannot be used in one line; empty where it can)."""
    photo, reason, sha256 = photos[index], "", ""
    try:
        sha256 = file_sha256(photo)
        if known.get(photo.name) != sha256:
            height, width = load_image(photo).shape[-2:]
            if min(height, width) < side_px:
                reason = f"{photo}: {width}x{height} px, needs {side_px} px on each side or a smaller --size"
    except ImageError as error:
        reason = str(error)
    except OSError as error:
        reason = f"{photo}: cannot be read ({error.strerror or error})"
    tick()
    return sha256, reason


def _name(judge: Callable[..., Any] | None) -> str | None:
    return None if judge is None else f"{judge.__module__}.{getattr(judge, '__qualname__', type(judge).__qualname__)}"


def _save_sheet(path: Path, job: ShardJob, _: int, __: Tick) -> None:
    """A task. Draws from the shards' recipes and the photographs alone, so that the sheet checks those too."""
    places = {photo.name: photo for photo, _ in job.photos}
    records: list[dict[str, Any]] = []
    for shard in range(job.options.shards):
        if len(records) < _SHEET_CANDIDATES:
            with open(job.path(shard), "rb") as stream:
                records += read_records(stream)
    rows = []
    for index in varied([record["kind"] for record in records], SHEET_ROWS):
        record = records[index]
        images, fields, validity = (pixels.numpy() for pixels in rerender(places[record["photo"]], record))
        title = f"set {record['index']:08d}  {record['photo']}"
        ranked = RankedSet.from_dict(record["recipe"])
        rows.append(SheetRow(title, ranked, record["judge"], images, fields, validity))
    with atomic_file(path) as stream:
        stream.write(encode_lossless(draw_sheet(rows), path.suffix))
