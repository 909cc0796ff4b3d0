"""`riqa generate`: ranked sets as files that people, other programs and our own training can read.

    OUT/shards/ranked-000000.tar ...   WebDataset shards, see `shards`
    OUT/manifest.jsonl                 first line: what the bytes follow from; then one line for each complete shard
    OUT/contact_sheet.png              some of the sets, drawn to be checked by eye

Set i depends on (photographs, options, i) alone and every shard is made by one task, so the bytes are the same for any
number of workers and machines, and a killed run continues to the same bytes.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from distortion_engine.dataset import Crop, Judge, render_set
from distortion_engine.errors import UsageError
from distortion_engine.generation.contact_sheet import SheetRow, draw_sheet, varied
from distortion_engine.generation.manifest import MANIFEST_NAME, Manifest, claim_folder
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.provenance import header
from distortion_engine.generation.shards import ShardJob, inspect_shard, read_records, write_shard
from distortion_engine.generation.usable_photos import usable_photos
from distortion_engine.generation.workers import Tick, Workforce, run_local
from distortion_engine.jobs.printable import printable
from distortion_engine.jobs.progress import progress
from distortion_engine.jobs.safe_files import atomic_file, remove_partials, sole_writer
from distortion_engine.reading.image_io import encode_lossless, load_image, to_uint8
from distortion_engine.reading.photos import list_photos
from distortion_engine.recipe import RankedSet

SHARDS_NAME = "shards"
SHEET_NAME = "contact_sheet.png"
SHEET_ROWS = 12
# The sheet is chosen among the first sets.
_SHEET_CANDIDATES = 64


def generate(
    photos: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: GenerateOptions,
    judge: Judge | None = None,
    workforce: Workforce | None = None,
    resume: str = "auto",
) -> dict[str, Any]:
    """Writes ranked sets of square crops of the photographs directly in `photos`.

    Photographs that cannot be read, or that would have to be enlarged, are named on stderr and left out.

    Args:
        photos: folder of pristine photographs.
        out: a new or empty folder, or one of a run with the same options and photographs, which is then completed:
            whole shards stay. `options.sets` may have risen; full shards stay then too.
        judge: labels the sets, and rejects those whose order it clearly contradicts.
        workforce: who renders; two processes of this machine by default.
        resume: "auto", or "never" to refuse a folder that is not empty.

    Returns:
        Counts: sets, images, kinds, photos (usable), photos_skipped, dropped (sets drawn and rejected), shards,
        shards_found (made by a run before), bytes, seconds.

    Raises:
        UsageError: for a folder without usable photographs, and for an `out` that holds something else, is being
            written by another run, cannot be written or is full. What is complete stays, and the same call continues.
    """
    candidates = list_photos(photos, options.split)
    folder = claim_folder(Path(out), resume)
    with sole_writer(folder):
        return complete_folder(candidates, folder, options, judge, workforce or Workforce())


def complete_folder(
    candidates: list[Path], folder: Path, options: GenerateOptions, judge: Judge | None, workforce: Workforce
) -> dict[str, Any]:
    """Does the work of `generate` for a caller that has claimed and locked the folder. candidates: photographs."""
    begun = time.monotonic()
    options.check_installed()
    manifest = Manifest.read(folder / MANIFEST_NAME)
    usable = usable_photos(candidates, options.least_side_px, manifest.photos(options), workforce.workers)
    if not usable:
        raise UsageError(
            f"{candidates[0].parent}: none of {len(candidates)} photographs can be used; "
            f"{options.size_px} px squares need sides of {options.least_side_px} px or more"
        )
    before = manifest.head
    manifest = manifest.opened(header(options, [(path.name, sha256) for path, sha256 in usable], judge_name(judge)))
    if before and before != manifest.head:
        _say(f"adds sets: {before['options']['sets']} were asked for, now {options.sets}")
    shards = folder.absolute() / SHARDS_NAME
    shards.mkdir(exist_ok=True)
    absolute = tuple((path.absolute(), sha256) for path, sha256 in usable)
    job = ShardJob(options, absolute, shards, judge, manifest.libraries)
    try:
        found = _whole_shards(job, workforce, manifest)
        lines = found | _missing_shards(job, workforce, found, manifest)
        dict(run_local(partial(_save_sheet, folder / SHEET_NAME, job), [0], 0, lambda: None))
        manifest.finished([lines[shard] for shard in range(options.shards)])
    finally:
        for place in (folder, shards):
            remove_partials(place)
    kinds: Counter[str] = Counter()
    for line in lines.values():
        kinds.update(line["kinds"])
    return {
        **{key: sum(line[key] for line in lines.values()) for key in ("sets", "images", "dropped", "bytes")},
        "kinds": dict(sorted(kinds.items())),
        "photos": len(usable),
        "photos_skipped": len(candidates) - len(usable),
        "shards": len(lines),
        "shards_found": len(found),
        "seconds": round(time.monotonic() - begun, 3),
    }


def rerender(photo: str | os.PathLike[str], record: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Renders images, fields and validity (see `render_set`) again from the `json` of a set and its photograph."""
    pixels = to_uint8(load_image(photo))
    return render_set(pixels, Crop(**record["crop"]), RankedSet.from_dict(record["recipe"]))


def judge_name(judge: Callable[..., Any] | None) -> str | None:
    """The name of a judge in the manifest; None without one."""
    return None if judge is None else f"{judge.__module__}.{getattr(judge, '__qualname__', type(judge).__qualname__)}"


def _whole_shards(job: ShardJob, workforce: Workforce, manifest: Manifest) -> dict[int, dict[str, Any]]:
    """The lines of the shards that are there with the bytes that were listed when they were written, by number."""
    listed = manifest.listed()
    there = [shard for shard in range(job.options.shards) if job.path(shard).exists()]
    found = {}
    with (
        progress(len(there), "shards checked") as tick,
        closing(run_local(partial(_inspect, job), there, workforce.workers, tick)) as results,
    ):
        for shard, line in results:
            if line is not None and listed.get(line["name"]) == line:
                found[shard] = line
    return found


def _missing_shards(
    job: ShardJob, workforce: Workforce, found: Mapping[int, Mapping[str, Any]], manifest: Manifest
) -> dict[int, dict[str, Any]]:
    """Writes all shards but those that were found, and lists them; returns their lines by number."""
    missing = [shard for shard in range(job.options.shards) if shard not in found]
    if found and missing:
        _say(f"goes on: {len(found)} of {job.options.shards} shards are there")
    lines = {}
    with (
        progress(sum(len(job.options.indices(shard)) for shard in missing), "sets") as tick,
        closing(workforce.run(partial(write_shard, job), missing, tick)) as results,
    ):
        for shard, line in results:
            if not job.path(shard).exists():
                raise UsageError(
                    f"{job.path(shard)}: was written by a worker and is not here; all machines must share OUT"
                )
            manifest.add(line)
            lines[shard] = line
    return lines


def _inspect(job: ShardJob, shard: int, tick: Tick) -> dict[str, Any] | None:
    line = inspect_shard(job, shard)
    tick()
    return line


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
        title = f"set {record['index']:08d}  {printable(record['photo'])}"
        ranked = RankedSet.from_dict(record["recipe"])
        rows.append(SheetRow(title, ranked, record["judge"], images, fields, validity))
    with atomic_file(path) as stream:
        stream.write(encode_lossless(draw_sheet(rows), path.suffix))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
