"""How fast the engine distorts: `python -m experiments.benchmarks.generate [--quick] [--photo FILE] [--out FILE]`.

Images per second of every distortion and of whole ranked sets, on one thread and on all, at 512x384 and 256x256,
beside a plain NumPy/Pillow implementation of ARNIQA's 24 types on one thread. Each number is the median of repeated
runs over the five levels; engine and baseline take turns in one run, so that a busy machine slows both. Both start from
and end with floating-point pixels in memory.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Before NumPy starts its pool: the baseline is the work of one thread.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import torch
from torch import Tensor

from distortion_engine import ENGINE_VERSION
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.image_io import load_image
from distortion_engine.recipe import RankedSet, Recipe
from distortion_engine.render import render
from distortion_engine.sampling import sample_set
from experiments.benchmarks.numpy_baseline import BANK, BaselineType, distort

SIZES = ((384, 512), (256, 256))  # height, width
SHIPPED_PHOTO = Path(__file__).resolve().parents[2] / "tests" / "images" / "photo_1.png"
GPU_SIDE_PX, GPU_BATCH = 128, 64


def fitted_image(photo: Path, height: int, width: int) -> Tensor:
    """The middle of `photo`, mirrored about its edges where it is too small, (3, height, width)."""
    pixels = load_image(photo).numpy()
    missing = [max(0, want - have) for want, have in zip((height, width), pixels.shape[1:], strict=True)]
    pixels = np.pad(pixels, ((0, 0), *((gap // 2, gap - gap // 2) for gap in missing)), mode="symmetric")
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    return torch.from_numpy(pixels[:, top : top + height, left : left + width].copy())


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of `work` over `repeats` runs, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def distorted(name: str, images: Tensor, amount: float) -> Tensor:
    """`images` (B, 3, H, W) through distortion `name`, all at one amount and with the same parameters."""
    spec, count = DISTORTIONS[name], len(images)
    drawn = spec.sample_params(np.random.default_rng(0))
    params = {key: torch.full((count,), value) for key, value in drawn.items()}
    generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
    return spec.apply(images, torch.full((count,), amount), params, generators)


def engine_work(name: str, images: Tensor, amounts: Sequence[float]) -> Callable[[], object]:
    """All `amounts` of distortion `name` on each of `images` (B, 3, H, W), as a call without arguments."""

    def work() -> None:
        for amount in amounts:
            distorted(name, images, amount)
        if images.is_cuda:
            torch.cuda.synchronize()

    return work


def baseline_work(kind: BaselineType, image: np.ndarray) -> Callable[[], object]:
    """The five levels of a type of the baseline on `image` (H, W, 3), as a call without arguments."""

    def work() -> None:
        rng = np.random.default_rng(0)
        for level in range(len(kind.levels)):
            distort(kind, level, image, rng)

    return work


def sets_work(image: Tensor, sets: Sequence[RankedSet]) -> Callable[[], object]:
    """All members of the ranked sets, image and field, as a call without arguments."""

    def work() -> None:
        for ranked in sets:
            for recipe in (Recipe(), *ranked.members):
                render(image, recipe)

    return work


def measure(image: Tensor, repeats: int, thread_counts: Sequence[int], sets: int) -> dict[str, Any]:
    """Images/s at one size: `engine` by distortion and thread count, `baseline` by type, `sets` by thread count."""
    pixels = image.permute(1, 2, 0).contiguous().numpy()
    ranked = [sample_set(np.random.default_rng(seed)) for seed in range(sets)]
    images_of_sets = sum(1 + len(one.members) for one in ranked)
    result: dict[str, Any] = {"engine": {}, "sets": {}, "baseline": {}, "matched": {}}
    for threads in thread_counts:
        torch.set_num_threads(threads)
        result["engine"][str(threads)] = {
            name: len(spec.ladder) / seconds(engine_work(name, image[None], spec.ladder), repeats)
            for name, spec in DISTORTIONS.items()
        }
        result["sets"][str(threads)] = images_of_sets / seconds(sets_work(image, ranked), repeats)
    torch.set_num_threads(1)
    for kind in BANK:
        amounts = kind.amounts or DISTORTIONS[kind.ours].ladder
        # Amount 0 returns at once here and runs there: such a level is left out on our side, to our disadvantage.
        amounts = tuple(amount for amount in amounts if amount > 0)
        ours = len(amounts) / seconds(engine_work(kind.ours, image[None], amounts), repeats)
        theirs = len(kind.levels) / seconds(baseline_work(kind, pixels), repeats)
        result["matched"][kind.ours], result["baseline"][kind.ours] = ours, theirs
    time_ours, time_theirs = (sum(1.0 / rate for rate in result[key].values()) for key in ("matched", "baseline"))
    result["throughput_over_baseline"] = time_theirs / time_ours
    ratios = [result["matched"][kind.ours] / result["baseline"][kind.ours] for kind in BANK]
    result["median_ratio_of_types"] = statistics.median(ratios)
    return result


def measure_gpu(photo: Path, repeats: int) -> dict[str, float]:
    """Crops/s of GPU_SIDE_PX by distortion, in batches of GPU_BATCH on the device."""
    crops = fitted_image(photo, GPU_SIDE_PX, GPU_SIDE_PX).expand(GPU_BATCH, -1, -1, -1).contiguous().cuda()
    return {
        name: GPU_BATCH * len(spec.ladder) / seconds(engine_work(name, crops, spec.ladder), repeats)
        for name, spec in DISTORTIONS.items()
    }


def table(measured: dict[str, Any]) -> str:
    """A line a distortion, slowest first, for each size."""
    lines = []
    for size, one in measured["sizes"].items():
        counts = list(one["engine"])
        heads = "".join(f"{'engine, ' + count + ' thr.':>16}" for count in counts)
        lines += ["", f"{size}, images/s", f"{'distortion':22}{heads}{'same levels':>14}{'baseline':>12}{'ratio':>8}"]
        rates = one["engine"][counts[0]]
        for name in sorted(rates, key=rates.get):
            cells = "".join(f"{one['engine'][count][name]:16.1f}" for count in counts)
            if name in one["baseline"]:
                ours, theirs = one["matched"][name], one["baseline"][name]
                cells += f"{ours:14.1f}{theirs:12.1f}{ours / theirs:8.2f}"
            lines.append(f"{name:22}{cells}")
        lines.append(f"{'whole ranked sets':22}" + "".join(f"{one['sets'][count]:16.1f}" for count in counts))
        lines.append(
            f"the 24 types, one thread: {one['throughput_over_baseline']:.2f} times the throughput of the baseline "
            f"(median over types {one['median_ratio_of_types']:.2f})"
        )
    for name, rate in sorted(measured.get("gpu", {}).items(), key=lambda item: item[1]):
        lines.append(f"{measured['machine']['gpu']}: {name:22}{rate:12.0f} crops of {GPU_SIDE_PX} px/s")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=SHIPPED_PHOTO, help="what is distorted (default: a shipped one)")
    parser.add_argument("--out", type=Path, default=Path("out/benchmark_generate.json"))
    parser.add_argument("--repeats", type=int, default=7, help="runs whose median counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="what counts as all threads")
    parser.add_argument("--sets", type=int, default=24, help="ranked sets that are rendered")
    parser.add_argument("--gpu", action="store_true", help="also measure 128-px crops/s in batches on the GPU")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it works, not how fast")
    options = parser.parse_args(arguments)
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch sees no CUDA device here; leave it out or run where there is one")
    sizes, repeats, sets = (((48, 64),), 1, 2) if options.quick else (SIZES, options.repeats, options.sets)
    threads = sorted({1, options.threads})
    before = torch.get_num_threads()
    measured: dict[str, Any] = {
        "command": f"python -m experiments.benchmarks.generate {' '.join(arguments or sys.argv[1:])}".strip(),
        "engine_version": ENGINE_VERSION,
        "machine": {"processor": platform.processor() or platform.machine(), "cpus": os.cpu_count()},
        "torch": torch.__version__,
        "repeats": repeats,
        "load_average_at_start": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "sizes": {},
    }
    with torch.inference_mode():
        for height, width in sizes:
            image = fitted_image(options.photo, height, width)
            measured["sizes"][f"{width}x{height}"] = measure(image, repeats, threads, sets)
        if options.gpu:
            measured["machine"]["gpu"] = torch.cuda.get_device_name()
            measured["gpu"] = measure_gpu(options.photo, repeats)
    torch.set_num_threads(before)
    print(table(measured))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    partial = options.out.with_suffix(".partial")
    partial.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, options.out)


if __name__ == "__main__":
    main()
