"""How fast the engine distorts: `python -m experiments.benchmarks.generate [--quick] [--photo FILE] [--out FILE]`.

Images per second of every distortion and of whole ranked sets, on one thread and on all, at 512x384 and 256x256,
beside a plain NumPy/SciPy/Pillow implementation of ARNIQA's 24 types on one thread. Each number is the median of
repeated runs over the five levels; engine and baseline take turns. Both start from and end with floating-point pixels
in memory. One thread, ours or theirs, is timed by its processor time, which a busy machine changes little; all threads
by the clock on the wall, on a batch, and whole sets in as many processes as threads, the way `riqa generate` works.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# Before NumPy's pool starts: the baseline is the work of one thread.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import torch
from torch import Tensor

from distortion_engine import ENGINE_VERSION
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.reading.image_io import load_image
from distortion_engine.recipe import Recipe
from distortion_engine.render import render
from distortion_engine.sampling import sample_set
from experiments.benchmarks.numpy_baseline import BANK, BaselineType, distort

SIZES = ((384, 512), (256, 256))  # height, width
SHIPPED_PHOTO = Path(__file__).resolve().parents[2] / "tests" / "images" / "photo_1.png"
GPU_SIDE_PX, GPU_BATCH = 128, 64
IMAGES_A_THREAD = 2
# Types where more than the implementation differs, so that the table can also say what it comes to without them.
UNLIKE = {
    "jitter": "one warp here, five there as published",
    "jpeg2000": "the high-throughput block coder here, which codes the same wavelet coefficients",
}


def fitted_image(photo: Path, height: int, width: int) -> Tensor:
    """The middle of `photo`, mirrored about its edges where it is too small, (3, height, width)."""
    pixels = load_image(photo).numpy()
    missing = [max(0, want - have) for want, have in zip((height, width), pixels.shape[1:], strict=True)]
    pixels = np.pad(pixels, ((0, 0), *((gap // 2, gap - gap // 2) for gap in missing)), mode="symmetric")
    top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
    return torch.from_numpy(pixels[:, top : top + height, left : left + width].copy())


def seconds(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median time of `work` by `clock` over `repeats` runs, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times[1:])


# Types that the engine has in many implementations: the parameters that their plain form, which the others default to,
# still asks for.
PLAIN: dict[str, tuple[str, ...]] = {
    "motion_blur": ("angle_deg",),
    "chroma_shift": ("angle_deg",),
    "halo_sharpen": ("radius_px",),
    **dict.fromkeys(("sharpen", "saturate", "desaturate", "contrast_up", "contrast_down"), ()),
    **dict.fromkeys(("hue_rotate_warm", "hue_rotate_cool"), ()),
    **dict.fromkeys(("white_balance_warm", "white_balance_cool", "tint_green", "tint_magenta"), ()),
}


def distorted(name: str, images: Tensor, amount: float, each: Callable[..., Iterable[Tensor]] = map) -> Tensor:
    """Images with one distortion at one amount, all with the same parameters.

    Args:
        name: of the distortion. One with several implementations is used in its plain form, which the baseline has.
        images: (B, 3, H, W) in [0, 1].
        amount: in the unit of the distortion.
        each: maps a function over images and seeds.
    """
    spec = DISTORTIONS[name]
    drawn = spec.sample_params(np.random.default_rng(0))
    params = {key: drawn[key] for key in PLAIN.get(name, drawn)}

    def one(image: Tensor, seed: int) -> Tensor:
        return spec.apply(image, amount, torch.Generator().manual_seed(seed), **params)

    return torch.stack(list(each(one, images, range(len(images)))))


def engine_work(
    name: str, images: Tensor, amounts: Sequence[float], each: Callable[..., Iterable[Tensor]] = map
) -> Callable[[], object]:
    """All `amounts` of distortion `name` on each of `images` (B, 3, H, W), as a call without arguments."""

    def work() -> None:
        for amount in amounts:
            distorted(name, images, amount, each)
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


def render_sets(image: np.ndarray, seeds: Sequence[int]) -> int:
    """Render all members of the ranked sets of `seeds`, image and field, on one thread; how many images that were."""
    torch.set_num_threads(1)
    images = 0
    with torch.inference_mode():
        reference = torch.from_numpy(image)
        for seed in seeds:
            recipes = (Recipe(), *sample_set(np.random.default_rng(seed)).members)
            images += len([render(reference, recipe) for recipe in recipes])
    return images


def sets_rate(image: Tensor, sets: int, threads: int, repeats: int) -> float:
    """Images/s of whole ranked sets, in `threads` processes of one thread each."""
    pixels, seeds = image.numpy(), list(range(sets))
    images = render_sets(pixels, seeds)
    if threads == 1:
        return images / seconds(lambda: render_sets(pixels, seeds), repeats, time.thread_time)
    with ProcessPoolExecutor(threads, get_context("spawn")) as pool:
        shares = [seeds[start::threads] for start in range(threads)]
        return images / seconds(lambda: list(pool.map(render_sets, [pixels] * threads, shares)), repeats)


def engine_rate(name: str, image: Tensor, amounts: Sequence[float], threads: int, repeats: int) -> float:
    """Images/s of a distortion on `threads` threads; on several, a batch of IMAGES_A_THREAD for each, one image after
    the other on each thread."""
    if threads == 1:
        return len(amounts) / seconds(engine_work(name, image[None], amounts), repeats, time.thread_time)
    batch = image.expand(IMAGES_A_THREAD * threads, -1, -1, -1).contiguous()
    with _one_torch_thread(), ThreadPoolExecutor(threads) as pool:
        return len(batch) * len(amounts) / seconds(engine_work(name, batch, amounts, pool.map), repeats)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """PyTorch's own threads would wait for each other in a loop, on the cores that the threads of images need."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def measure(image: Tensor, repeats: int, thread_counts: Sequence[int], sets: int) -> dict[str, Any]:
    """Images/s at one size, by thread count: `engine` by distortion, `matched` by type at the levels of the baseline,
    `sets`; and `baseline` by type. `throughput_over_baseline`: the 24 types once each, all time against all time."""
    pixels = image.permute(1, 2, 0).contiguous().numpy()
    keys = [str(threads) for threads in thread_counts]
    result: dict[str, Any] = {"baseline": {}, "engine": {}, "matched": {key: {} for key in keys}, "sets": {}}
    for kind in BANK:
        amounts = kind.amounts or DISTORTIONS[kind.ours].ladder
        # Amount 0 returns at once here and runs there: such a level is left out on our side, to our disadvantage.
        amounts = tuple(amount for amount in amounts if amount > 0)
        theirs = len(kind.levels) / seconds(baseline_work(kind, pixels), repeats, time.thread_time)
        result["baseline"][kind.ours] = theirs
        for threads in thread_counts:
            ours = engine_rate(kind.ours, image, amounts, threads, repeats)
            result["matched"][str(threads)][kind.ours] = ours
    for threads in thread_counts:
        result["engine"][str(threads)] = {
            name: engine_rate(name, image, spec.ladder, threads, repeats) for name, spec in DISTORTIONS.items()
        }
        torch.set_num_threads(1)
        result["sets"][str(threads)] = sets_rate(image, sets, threads, repeats)
    alike = [kind.ours for kind in BANK if kind.ours not in UNLIKE]
    every = [kind.ours for kind in BANK]
    for title, names in (("throughput_over_baseline", every), ("where_the_work_is_alike", alike)):
        result[title] = {key: throughput_ratio(result["matched"][key], result["baseline"], names) for key in keys}
    result["median_ratio_of_types"] = {
        key: statistics.median(rates[name] / result["baseline"][name] for name in rates)
        for key, rates in result["matched"].items()
    }
    return result


def throughput_ratio(ours: dict[str, float], theirs: dict[str, float], names: Sequence[str]) -> float:
    """Time that `theirs` takes for one image of each of `names` over the time that `ours` takes."""
    return sum(1.0 / theirs[name] for name in names) / sum(1.0 / ours[name] for name in names)


def measure_gpu(photo: Path, repeats: int) -> dict[str, float]:
    """Crops/s of GPU_SIDE_PX by distortion, in batches of GPU_BATCH on the device."""
    crops = fitted_image(photo, GPU_SIDE_PX, GPU_SIDE_PX).expand(GPU_BATCH, -1, -1, -1).contiguous().cuda()
    return {
        name: GPU_BATCH * len(spec.ladder) / seconds(engine_work(name, crops, spec.ladder), repeats)
        for name, spec in DISTORTIONS.items()
    }


def table(measured: dict[str, Any]) -> str:
    """A line a distortion, slowest first, for each size, and what the whole bank comes to."""
    lines = []
    for size, one in measured["sizes"].items():
        counts = list(one["engine"])
        titles = [title for count in counts for title in (f"engine, {count} thr.", f"same levels, {count}", "ratio")]
        widths = (16, 16, 8) * len(counts)
        heads = "".join(f"{title:>{width}}" for title, width in zip(titles, widths, strict=True))
        lines += ["", f"{size}, images/s", f"{'distortion':22}{'baseline':>10}{heads}"]
        rates = one["engine"][counts[0]]
        for name in sorted(rates, key=rates.get):
            theirs = one["baseline"].get(name)
            cells = f"{theirs:10.1f}" if theirs else " " * 10
            for count in counts:
                cells += f"{one['engine'][count][name]:16.1f}"
                ours = one["matched"][count].get(name)
                cells += f"{ours:16.1f}{ours / theirs:8.2f}" if ours and theirs else " " * 24
            lines.append(f"{name:22}{cells}".rstrip())
        cells = "".join(f"{one['sets'][count]:16.1f}{'':24}" for count in counts)
        lines.append(f"{'whole ranked sets':32}{cells}".rstrip())
        for count in counts:
            lines.append(
                f"the 24 types, {count} thread(s): {one['throughput_over_baseline'][count]:.2f} times the throughput "
                f"of the baseline on one (median over types {one['median_ratio_of_types'][count]:.2f}); "
                f"without {' and '.join(UNLIKE)}, {one['where_the_work_is_alike'][count]:.2f} times"
            )
        lines += [f"{name}: {why}" for name, why in UNLIKE.items()]
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
    measured["load_average_at_end"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    print(table(measured))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    partial = options.out.with_suffix(".partial")
    partial.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, options.out)


if __name__ == "__main__":
    main()
