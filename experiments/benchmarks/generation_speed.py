"""How fast `riqa generate` writes, what takes the time, and how much it writes.

    python -m experiments.benchmarks.generation_speed PHOTOS [--sets 60] [--sizes 256 444] [--json speed.json]

444 px squares have about as many pixels as 512x384. Rates of whole runs (photographs read once before, their check
counted, the contact sheet too) by wall clock and by CPU time: the second hardly depends on what else the machine does,
so plan with it. Parts: CPU time of an image in one process, one thread; encoding includes the hashes and the record of
its set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from distortion_engine import ENGINE_VERSION
from distortion_engine.dataset import GRID_MARGIN_PX, RankedSetDataset
from distortion_engine.errors import ImageError
from distortion_engine.generation.choices import IMAGE_FORMATS
from distortion_engine.generation.encoding import encode_fields
from distortion_engine.generation.generate import generate
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.shards import set_files
from distortion_engine.generation.workers import Workforce
from distortion_engine.reading.image_io import load_image
from distortion_engine.reading.photos import list_photos
from relational_iqa.training.data.judge import metric_judge

SIZES_PX = (256, 444)


def whole_run(photos: Path, options: GenerateOptions, workers: int) -> dict[str, Any]:
    """Images per second of wall clock and of CPU time, kilobytes a set."""
    before = _cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        made = generate(photos, Path(folder, "out"), options, metric_judge, Workforce(workers=workers))
    return {
        "size_px": options.size_px,
        "format": options.image_format,
        "dense": options.dense,
        "workers": workers,
        "images_per_s": round(made["images"] / made["seconds"], 1),
        "images_per_cpu_s": round(made["images"] / (_cpu_seconds() - before), 1),
        "kB_per_set": round(made["bytes"] / made["sets"] / 1e3, 1),
        "dropped": made["dropped"],
    }


def parts(photos: Sequence[Path], size_px: int, sets: int) -> dict[str, float]:
    """Milliseconds of CPU time an image."""
    rendered = RankedSetDataset(photos, size_px, seed=1, length=sets)
    spent: dict[str, float] = {}
    images = 0
    for index in range(sets):
        item = _timed(spent, "draw, decode, render", rendered.__getitem__, index)
        pixels, images = item.images.float() / 255, images + len(item.images)
        with torch.no_grad():
            test, reference = pixels[1:], pixels[:1].expand_as(pixels[1:])
            _timed(spent, "judge", metric_judge, test, reference)
        for image_format in IMAGE_FORMATS:
            options = GenerateOptions(sets, 1, size_px, image_format=image_format)
            _timed(spent, f"encode {image_format}", set_files, item, index, options, False)
        _timed(spent, "encode fields (--dense)", encode_fields, item.fields, item.validity)
    return {name: round(1e3 * seconds / images, 1) for name, seconds in spent.items()}


def usable(photos: Path, size_px: int) -> list[Path]:
    """Photographs of which squares of this size are cut."""
    found = []
    for photo in list_photos(photos, "all"):
        try:
            if min(load_image(photo).shape[-2:]) >= size_px + GRID_MARGIN_PX:
                found.append(photo)
        except ImageError as error:
            print(f"skipped {error}", file=sys.stderr)
    return found


def _timed(spent: dict[str, float], name: str, work: Callable[..., Any], *arguments: Any) -> Any:
    begun = time.process_time()
    result = work(*arguments)
    spent[name] = spent.get(name, 0.0) + time.process_time() - begun
    return result


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints two tables as JSON and writes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--sets", type=int, default=60)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES_PX))
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--parts-only", action="store_true", help="no whole runs: minutes on a busy machine")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "engine": ENGINE_VERSION,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "sets": chosen.sets,
        "ms_of_cpu_per_image": {},
        "runs": [],
    }
    for size_px in chosen.sizes:
        photos = usable(chosen.photos, size_px)
        parts(photos, size_px, 2)  # imports and first calls
        result["ms_of_cpu_per_image"][str(size_px)] = spent = parts(photos, size_px, chosen.sets)
        print(f"{size_px} px: {spent}", file=sys.stderr, flush=True)
        for image_format in () if chosen.parts_only else IMAGE_FORMATS:
            for workers in chosen.workers:
                options = GenerateOptions(chosen.sets, 1, size_px, sets_per_shard=4, image_format=image_format)
                result["runs"].append(
                    whole_run(chosen.photos, options, workers) | {"load_1_min": round(os.getloadavg()[0], 1)}
                )
                print(result["runs"][-1], file=sys.stderr, flush=True)
    text = json.dumps(result, indent=2)
    print(text)
    if chosen.json is not None:
        chosen.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
