"""The measures of restoration outputs on ladders of known severity: `python -m experiments.restoration.measure`.

Writes `distortion_engine/restoration/measured.json`: for every measure the medians over photographs and places on the
ladder of the distortion that it stands for. The first value is that of an invisible change (noise of one code value),
so that what nobody sees is severity 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distortion_engine.augment import random_crop
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.reading.photos import list_photos
from distortion_engine.restoration import measured
from distortion_engine.severity import LEVELS, amount_for, max_severity

OUT = Path(measured.__file__).with_name("measured.json")
CROP_PX = 192
SEED = 3
# table -> (distortion, its parameters, measure, sign of the measure).
LADDERS: dict[str, tuple[str, dict[str, float], str, float]] = {
    "blur": ("gaussian_blur", {}, "edge_loss", 1.0),
    "sharpen": ("sharpen", {"radius_px": 1.2, "all_channels": 0.0}, "edge_loss", -1.0),
    "smear": ("guided_smooth", {"radius_px": 3.0}, "texture_loss", 1.0),
    "noise": ("white_noise", {}, "residue", 1.0),
    "chroma_noise": ("chroma_noise", {"grain_px": 0.8}, "chroma_residue", 1.0),
    "brighter": ("mean_shift_up", {}, "shift", 1.0),
    "darker": ("mean_shift_down", {}, "shift", -1.0),
}


def crops(photos: Sequence[Path]) -> list[Tensor]:
    """One crop (3, CROP_PX, CROP_PX) a photograph."""
    pixels = [random_crop(to_uint8(load_image(path)), CROP_PX, SEED + n) for n, path in enumerate(photos)]
    return [torch.from_numpy(crop).permute(2, 0, 1).float() / 255 for crop in pixels]


def median(name: str, images: Sequence[Tensor], severity: float) -> float:
    """Median of the measure of table `name` over all places with structure, at this severity; at 0 of an invisible
    change."""
    distortion, params, measure, sign = LADDERS[name]
    values = []
    for number, image in enumerate(images):
        generator = torch.Generator().manual_seed(SEED + number)
        if severity == 0:
            changed = image + (torch.randint(-1, 2, image.shape, generator=generator) / 255)
        else:
            changed = DISTORTIONS[distortion].apply(image, amount_for(distortion, severity), generator, **params)
        found = measured.measures(changed.clamp(0, 1), image)
        places = found.structure >= measured.LEAST_STRUCTURE
        values.append((sign * getattr(found, measure))[places].numpy())
    return float(np.median(np.concatenate(values)))


def table_of(name: str, images: Sequence[Tensor]) -> dict[str, list[float]]:
    """Rising values and their severities. Levels at which the measure does not rise any more are left out."""
    top = max_severity(LADDERS[name][0])
    severities = [0.0, *(level for level in LEVELS if level <= top + 1e-9)]
    kept_values: list[float] = []
    kept_severities: list[float] = []
    for severity in severities:
        value = median(name, images, severity)
        value = max(value, 0.0) if severity == 0 else value
        if not kept_values or value > kept_values[-1]:
            kept_values.append(round(value, 6))
            kept_severities.append(severity)
    return {"values": kept_values, "severities": kept_severities}


def measure(photos_folder: Path, split: str, count: int) -> dict[str, Any]:
    """All tables, with what they were measured on. Raises UsageError where the photographs are too few."""
    photos = list_photos(photos_folder, split)
    chosen = photos[:: max(1, len(photos) // count)][:count]
    if len(chosen) < min(count, 3):
        raise UsageError(f"{photos_folder}: {len(chosen)} photographs, expected 3 or more")
    images = crops(chosen)
    return {
        "command": "python -m experiments.restoration.measure",
        "photographs": [path.name for path in chosen],
        "crop_px": CROP_PX,
        "ladders": {name: {"distortion": row[0], "params": row[1]} for name, row in LADDERS.items()},
        "tables": {name: table_of(name, images) for name in LADDERS},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the tables; exit code 0, or 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="python -m experiments.restoration.measure", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--split", default="train")
    parser.add_argument("--count", type=int, default=24, help="photographs")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    try:
        content = measure(options.photos, options.split, options.count)
        with atomic_file(options.out) as stream:
            stream.write((json.dumps(content, indent=1) + "\n").encode())
    except UsageError as error:
        print(f"measure: {error}", file=sys.stderr)
        return 2
    print(json.dumps(content["tables"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
