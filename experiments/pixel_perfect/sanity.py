"""Row 9 and the false alarms: how long a comparison takes, and what the model says where there is nothing to say."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.reading.image_io import load_image, to_uint8
from experiments.pixel_perfect.measures import Model
from experiments.pixel_perfect.table import Row
from relational_iqa.conventional import METRICS

SPEED_SIZE = (384, 512)  # height, width
SPEED_RIVALS = ("vsi", "mdsi")
_RUNS = 9
MOST_TIME = 1.0
# Total intensity where nothing is to be seen, after which one would call the alarm false.
MOST_IDENTICAL, MOST_LOSSLESS = 0.0, 0.03
_SHRINK = 0.9  # gives values between the 8-bit steps, so that saving as PNG changes something


def speed_rows(model: Model, photo: Path) -> list[Row]:
    """Median seconds of `_RUNS` runs (after one to warm up) for one pair of 512 x 384, beside conventional metrics."""
    height, width = SPEED_SIZE
    image = F.interpolate(load_image(photo)[None], SPEED_SIZE, mode="bilinear", antialias=True).clamp(0, 1)
    a, b = DISTORTIONS["jpeg"].apply(image[0], 60.0, torch.Generator()), image[0]
    test = a[None]
    samples = f"one pair {width} x {height}, median of {_RUNS}, {torch.get_num_threads()} threads"
    score, alone = _seconds(lambda: model.score(a, b)), _seconds(lambda: model.compare(a, b))
    against = _seconds(lambda: model.compare(a, b, reference=b))
    rivals = {name: _seconds(partial(METRICS[name].function, test, image)) for name in SPEED_RIVALS}
    return [
        Row("time to score one image against its reference, maps included, in times of VSI", score / rivals["vsi"],
            samples, most=MOST_TIME),
        Row("to compare two without reference, in times of VSI", alone / rivals["vsi"], most=MOST_TIME, part=True),
        Row("to compare two with reference, in times of VSI", against / rivals["vsi"], part=True,
            note="two images are judged, VSI judges one"),
        Row("to score one image against its reference", score, unit="seconds", part=True),
        Row("to compare two without reference", alone, unit="seconds", part=True),
        Row("to compare two with reference", against, unit="seconds", part=True),
        *(Row(name, seconds, unit="seconds", part=True) for name, seconds in rivals.items()),
    ]  # fmt: skip


def false_alarm_rows(model: Model, photos: Sequence[Path], count: int, size_px: int = 192, seed: int = 0) -> list[Row]:
    """Total intensity (sum of |M| over axes, mean over pixels) where nothing is to be seen, on `count` photographs."""
    references = torch.stack([_part(load_image(photo), size_px) for photo in photos[:count]])
    rounded = torch.stack([_decoded(image, "PNG") for image in references])
    noise = torch.randint(-1, 2, rounded.shape, generator=torch.Generator().manual_seed(seed)) / 255
    cases = (
        ("identical images", rounded, rounded),
        ("PNG round trip (rounding to 8 bit)", references, rounded),
        ("JPEG of quality 98, 4:4:4", rounded, torch.stack([_decoded(x, "JPEG") for x in rounded])),
        ("noise of one 8-bit step", rounded, (rounded + noise).clamp(0, 1)),
    )
    rows: list[Row] = []
    for name, reference, test in cases:
        intensity = model.relate_batch(reference, test).cpu().abs().sum(1).mean((-1, -2))
        quality, margin = model.quality_batch(test, reference).cpu(), model.margin_batch(reference, test).cpu()
        rows.append(
            Row(
                name,
                float(intensity.mean()),
                f"{len(references)} photographs, worst {float(intensity.max()):.3f}",
                note=f"quality {_clean(quality)}, margin alone {_clean(margin)} levels",
                part=bool(rows),
                most=MOST_LOSSLESS if rows else MOST_IDENTICAL,
            )
        )
    first = rows[0]
    return [replace(first, name=f"false alarms, total intensity: {first.name}"), *rows[1:]]


def _seconds(action: Callable[[], object]) -> float:
    action()
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return median(times)


def _part(image: Tensor, size_px: int) -> Tensor:
    """The middle (3, S, S) of the shrunk photograph, in values between the 8-bit steps."""
    scale = max(_SHRINK, size_px / min(image.shape[-2:]))
    shape = [max(size_px, round(side * scale)) for side in image.shape[-2:]]
    small = F.interpolate(image[None], shape, mode="bilinear", antialias=True)[0].clamp(0, 1)
    top, left = (shape[0] - size_px) // 2, (shape[1] - size_px) // 2
    return small[:, top : top + size_px, left : left + size_px]


def _decoded(image: Tensor, form: str) -> Tensor:
    stream = io.BytesIO()
    options = {"quality": 98, "subsampling": 0} if form == "JPEG" else {}
    Image.fromarray(to_uint8(image)).save(stream, form, **options)
    decoded = np.array(Image.open(io.BytesIO(stream.getvalue())).convert("RGB"))
    return torch.from_numpy(decoded).permute(2, 0, 1).float() / 255


def _clean(values: Tensor) -> str:
    return f"{float(values.mean()) + 0.0:.2f}"
