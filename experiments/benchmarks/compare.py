"""How long `riqa compare` takes and how much memory it needs: `python -m experiments.benchmarks.compare [--sizes ...]`.

At 0.2 to 100 megapixels, without and with a reference, beside conventional metrics of our own package in the same run.
Every number comes from a process of its own that reads PNG files and gives a result: for us the JSON with verdict,
sentence and all axes, for a metric one number. Seconds are those of reading and computing, without the start of the
process (a line of its own); on one thread they are processor time, which a busy machine changes little. Peak memory is
that of the whole process, Python and torch included (some 0.3 GB). Below 12 megapixels we are called as in Python,
from there on as on the command line. Programs that are installed (`riqa`, those of libjxl) are run as they are on the
same files, start included. Writes OUT/compare.md and compare.json.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from relational_iqa.tiling.memory import use_huge_pages

ROOT = Path(__file__).resolve().parents[2]
SIZES_MP = (0.2, 1.0, 12.0, 50.0, 100.0)
OURS = ("ours", "ours with reference")
RANKED = ("ten scores", "rank of ten")
"""Ten images with one reference, one after the other and together; measured where they are asked for."""
METRICS = ("psnr", "ssim", "mdsi", "haarpsi", "vsi")
PROGRAMS = {
    "riqa": (sys.executable, "-m", "relational_iqa.program", "compare", "a.png", "b.png", "--json", "riqa.json"),
    "riqa with reference": (
        sys.executable, "-m", "relational_iqa.program", "compare", "a.png", "b.png", "--reference", "reference.png",
        "--json", "riqa.json",
    ),
    "butteraugli": ("butteraugli_main", "a.png", "b.png"),
    "ssimulacra": ("ssimulacra_main", "a.png", "b.png"),
}  # fmt: skip
"""Whole commands, run in the folder of the pictures; the last two are of libjxl."""
FOREIGN = ("butteraugli", "ssimulacra")
_LOOK_EVERY_S = 0.01
COMMAND_LINE_FROM_PX = 11_000_000
PROCESS_BYTES = 300_000_000  # of Python with torch, before any image
SHARE_OF_MEMORY = 0.7  # of what is free; a metric that would need more is skipped
START_SIZE = (512, 384)
STARTS = 3


def size_of(megapixels: float) -> tuple[int, int]:
    """Width and height of a 4:3 picture of about that many pixels, multiples of 4; 0.2 is 512 x 384."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5 / 4) * 4
    return (512, 384) if megapixels == 0.2 else (round(height * 4 / 3 / 4) * 4, height)


def work_of(method: str, folder: Path, pixels: int, threads: int) -> Callable[[], None]:
    """What is timed: from the files in `folder` to a result."""
    import torch

    torch.set_num_threads(threads)
    a, b, reference = (folder / f"{name}.png" for name in ("a", "b", "reference"))
    if method in METRICS:
        from distortion_engine.reading.image_io import load_image
        from relational_iqa.conventional import METRICS as conventional

        return lambda: print(float(conventional[method].function(load_image(b)[None], load_image(reference)[None])))
    if method in RANKED:
        return _ranking(method, folder)
    pristine = [] if method == "ours" else ["--reference", str(reference)]
    if pixels >= COMMAND_LINE_FROM_PX:
        from relational_iqa.cli import main as riqa

        return lambda: print(riqa(["compare", str(a), str(b), *pristine, "--json", str(folder / "result.json")]))
    import relational_iqa
    from relational_iqa.tiling.memory import keep_freed_memory

    keep_freed_memory()
    model = relational_iqa.load()
    return lambda: print(len(model.compare(a, b, reference if pristine else None).to_json()))


def _ranking(method: str, folder: Path) -> Callable[[], None]:
    """The same of ten images, ten mixtures of a and b."""
    import relational_iqa
    from distortion_engine.reading.image_io import load_image, save_image
    from relational_iqa.tiling.memory import keep_freed_memory

    a, b = (load_image(folder / f"{name}.png") for name in ("a", "b"))
    images = [folder / f"mixture_{share}.png" for share in range(10)]
    for share, image in enumerate(images):
        save_image(a + (b - a) * (share / 9), image)
    del a, b
    keep_freed_memory()
    model, reference = relational_iqa.load(), folder / "reference.png"
    if method == "ten scores":
        return lambda: print([model.score(image, reference).quality for image in images])
    return lambda: print(model.rank(images, reference).qualities)


def measure(method: str, folder: Path, pixels: int, threads: int, repeats: int) -> dict[str, float]:
    """Median seconds (processor time on one thread, else wall) of a method in this process, and its peak memory."""
    import torch

    with torch.inference_mode():
        work = work_of(method, folder, pixels, threads)
        clock = time.process_time if threads == 1 else time.perf_counter
        if repeats > 1:
            work()
        taken, walls = [], []
        for _ in range(repeats):
            start, wall = clock(), time.perf_counter()
            work()
            taken.append(clock() - start)
            walls.append(time.perf_counter() - wall)
    seconds, wall_seconds = statistics.median(taken), statistics.median(walls)
    return {"seconds": seconds, "wall_seconds": wall_seconds, "peak_gb": peak_bytes() / 1e9}


def peak_bytes(process: str = "self") -> int:
    """Largest resident memory of this process, or of another by its number, so far. Not of getrusage where there is
    another way: it starts with that of the parent."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        if process != "self":
            return 0
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def of_program(command: Sequence[str], folder: Path, threads: int) -> dict[str, float]:
    """Seconds (as of `measure`) of a whole command in a folder, and the peak of its memory, looked at while it runs:
    what the system tells afterwards begins with that of this process."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    before, start, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            peak = max(peak, peak_bytes(str(process.pid)))
            time.sleep(_LOOK_EVERY_S)
        wall = time.perf_counter() - start
        said = process.stderr.read() if process.stderr else ""
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {said.strip().splitlines()[-1:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": spent if threads == 1 else wall, "wall_seconds": wall, "peak_gb": peak / 1e9}


def installed() -> tuple[str, ...]:
    """Those of the foreign programs that are there."""
    return tuple(name for name in FOREIGN if shutil.which(PROGRAMS[name][0]))


def free_bytes() -> int:
    """Memory that a new process could have."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def child(*arguments: object, threads: int) -> str:
    """The last line that this program prints when called with `arguments` in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "experiments.benchmarks.compare", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr.strip().splitlines()[-1:]}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def run_size(
    width: int, height: int, threads: int, repeats: int, known: dict[str, float], methods: Sequence[str]
) -> dict[str, Any]:
    """Times the methods on pictures of one size. A method that needs more memory than is free gets a note instead.

    Args:
        width: px.
        height: px.
        threads: of each method.
        repeats: runs of each method.
        known: bytes for a pixel by method, from smaller sizes; it is updated.
        methods: names.
    """
    pixels = width * height
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="riqa-benchmark-") as name:
        child("--make", name, width, height, threads=1)
        for method in methods:
            need = PROCESS_BYTES + known.get(method, 0.0) * pixels
            if need > SHARE_OF_MEMORY * free_bytes():
                found[method] = {"skipped": f"would need some {need / 1e9:.0f} GB of {free_bytes() / 1e9:.0f} free"}
                continue
            if method in PROGRAMS:
                runs = [of_program(PROGRAMS[method], Path(name), threads) for _ in range(repeats)]
                found[method] = sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]
            else:
                found[method] = json.loads(child("--one", method, name, pixels, threads, repeats, threads=threads))
            known[method] = max(0.0, found[method]["peak_gb"] * 1e9 - PROCESS_BYTES) / pixels
            print(f"{width}x{height} {method}: {found[method]}", file=sys.stderr, flush=True)
    return found


def start_up(threads: int) -> dict[str, float]:
    """Seconds of the whole process that answers for one pair, as the console script `riqa` runs it, and of one that
    imports torch and nothing else; medians of STARTS, in turn."""
    with tempfile.TemporaryDirectory(prefix="riqa-benchmark-") as name:
        child("--make", name, *START_SIZE, threads=1)
        riqa = ["-m", "relational_iqa.program", "compare", f"{name}/a.png", f"{name}/b.png"]
        found = [(of_process(riqa, threads), of_process(["-c", "import torch"], threads)) for _ in range(STARTS)]
    spent, wall = (statistics.median(ours[kind] for ours, _ in found) for kind in (0, 1))
    torch = statistics.median(other[0 if threads == 1 else 1] for _, other in found)
    return {"seconds": spent if threads == 1 else wall, "wall_seconds": wall, "torch_seconds": torch}


def of_process(arguments: Sequence[str], threads: int) -> tuple[float, float]:
    """Processor and wall seconds of one run of Python."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True)
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def table(measured: dict[str, Any]) -> str:
    """Markdown: a row a size, for each method seconds and peak memory."""
    methods = list(next(iter(measured["sizes"].values())))
    lines = ["| seconds / peak GB | " + " | ".join(methods) + " |", "| --- |" + " ---: |" * len(methods)]
    notes = []
    for size, found in measured["sizes"].items():
        cells = []
        for method in methods:
            one = found[method]
            cells.append("skipped" if "skipped" in one else f"{short(one['seconds'])} / {one['peak_gb']:.2f}")
            if "skipped" in one:
                notes.append(f"{size}, {method}: skipped, {one['skipped']}.")
        lines.append(f"| {size} | " + " | ".join(cells) + " |")
    machine, start = measured["machine"], measured["start_up"]
    clock = "processor time" if measured["threads"] == 1 else "time on the wall"
    lines += ["", *notes]
    lines.append(
        f"{measured['threads']} thread(s), {clock}; {machine['processor']}, {machine['cores']} cores, torch "
        f"{machine['torch']}; {measured['date']}. From the start of `riqa compare` to the result of a first pair of "
        f"{START_SIZE[0]} x {START_SIZE[1]} px: {start['seconds']:.1f} s; a process that imports torch alone takes "
        f"{start['torch_seconds']:.1f} s."
    )
    return "\n".join(lines)


def short(seconds: float) -> str:
    """Two or three digits, whatever the size."""
    return f"{seconds:.3f}" if seconds < 1 else f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def processor() -> str:
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write it and the JSON."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--make"]:
        from experiments.benchmarks.big_pictures import make_pictures

        make_pictures(Path(given[1]), int(given[2]), int(given[3]))
        return
    if given[:1] == ["--one"]:
        method, folder, pixels, threads, repeats = given[1:]
        if method in OURS and int(pixels) >= COMMAND_LINE_FROM_PX:
            use_huge_pages()  # as the command does, before torch is imported
        print(json.dumps(measure(method, Path(folder), int(pixels), int(threads), int(repeats))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="+", default=list(SIZES_MP), help="megapixels")
    parser.add_argument("--repeats", type=int, default=5, help="runs whose median counts, up to 1 MP; larger: one")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--methods", nargs="+", choices=(*OURS, *RANKED, *METRICS, *PROGRAMS), default=[*OURS, *METRICS, *installed()],
        metavar="M",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"), help="folder for both files")
    options = parser.parse_args(given)
    import torch

    machine = {"processor": processor(), "cores": os.cpu_count(), "torch": torch.__version__}
    known: dict[str, float] = {}
    sizes: dict[str, Any] = {}
    for megapixels in sorted(options.sizes):
        width, height = size_of(megapixels)
        repeats = options.repeats if megapixels <= 1 else 1
        sizes[f"{megapixels:g} MP ({width} x {height})"] = run_size(
            width, height, options.threads, repeats, known, options.methods
        )
    measured = {
        "sizes": sizes, "start_up": start_up(options.threads), "threads": options.threads, "machine": machine,
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "compare.json").write_text(json.dumps(measured, indent=2) + "\n")
    (options.out / "compare.md").write_text(table(measured) + "\n")
    print(table(measured))


if __name__ == "__main__":
    main()
