"""What several commands share: the model, names for people, results written."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from distortion_engine.jobs.printable import printable, printable_lines

System = Literal["pixel_perfect", "pmos", "reiqa", "spips"]


def load_system(system: System, weights: str | None, device: str | None = None, precision: str | None = None) -> Any:
    """A model of one of the four systems.

    Args:
        system: which one.
        weights: None for the shipped ones, the name of others, or a path.
        device: None for the default of the system.
        precision: None for the default of the system.

    Raises:
        UsageError: for weights that cannot be used and for a device or precision that is not there.
    """
    import relational_iqa
    from relational_iqa.tiling.memory import keep_freed_memory

    keep_freed_memory()
    door = relational_iqa if system == "pixel_perfect" else getattr(relational_iqa, system)
    given = {"weights": weights, "device": device, "precision": precision}
    return door.load(**{name: value for name, value in given.items() if value is not None})


def bound_threads(threads: int | None) -> None:
    """From now on, torch, OpenCV and readers use at most so many threads; None changes nothing.

    Libraries that are imported later read their number from the environment.
    """
    if threads is None:
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def display_names(paths: Sequence[str]) -> Sequence[str]:
    """File names without folder where those differ, else the paths as given; both as `printable` text."""
    names = [Path(path).name for path in paths]
    return [printable(name) for name in (names if len(set(names)) == len(names) else paths)]


def full_path(path: str | Path) -> str:
    """Where a file or folder lies, for people; a device by the name that was given."""
    return printable(os.path.abspath(path) if os.path.abspath(path).startswith("/dev/") else os.path.realpath(path))


def finish(lines: Sequence[str], content: Mapping[str, Any], target: str | None) -> None:
    """Print the lines for people, and write the JSON where it was asked for: "-" for stdout, which is then JSON alone.

    Raises UsageError where the file cannot be written.
    """
    lines = [printable_lines(line) for line in lines]
    if target == "-":
        print(*lines, sep="\n", file=sys.stderr)
        sys.stdout.write(_json(content, ascii=(sys.stdout.encoding or "").lower().replace("-", "") != "utf8"))
        return
    if target is not None:
        write_file(target, _json(content).encode("utf-8", "backslashreplace"))
        lines = [*lines, f"json: {full_path(target)}"]
    print(*lines, sep="\n")


def _json(content: Mapping[str, Any], ascii: bool = False) -> str:
    """JSON text. Bytes of file names that are no UTF-8 are lone surrogates there, written as JSON escapes."""
    return json.dumps(content, indent=2, ensure_ascii=ascii, allow_nan=False) + "\n"


def write_file(target: str, content: bytes) -> None:
    """Writes a file, and the folders above it, whole or not at all. Raises UsageError where it cannot be written."""
    from distortion_engine.jobs.safe_files import atomic_file, make_folder_of

    make_folder_of(Path(target))
    with atomic_file(Path(target)) as stream:
        stream.write(content)


def viewing_lines(meta: Mapping[str, Any]) -> list[str]:
    """A line on the viewing condition of an answer; none for pixel-peep."""
    return [f"viewing: {meta['viewing']}"] if "viewing" in meta else []


def reading_lines(names: Sequence[str], images: Sequence[Any]) -> list[str]:
    """A line on each way in which images were read that a person should hear of: HDR, and camera raw."""
    from relational_iqa.results.words.sentences import join_words

    told: dict[str, list[str]] = {}
    for name, image in zip(names, images, strict=True):
        for note in image.notes:
            if note.kind in ("hdr", "raw") and name not in told.setdefault(note.text, []):
                told[note.text].append(name)
    return [f"{join_words(who)}: {text}" for text, who in told.items()]


def check_margin(margin: float, told: float, fail_below: float | None, what: str, untold: str) -> None:
    """Ends the program with code 1 and a line on stderr where a margin is too low.

    A pair of which it cannot be told which image is better counts as 0: it fails no limit of 0 and below, which asks
    for "not worse", and meets no limit above 0, which asks for "better". Where that decides, a line says so.

    Args:
        margin: what was found, levels.
        told: the same, with 0 for what cannot be told; the limit is for this one.
        fail_below: the limit; None for none.
        what: what the line calls the margin.
        untold: why `told` is not `margin`.
    """
    if fail_below is None or min(margin, told) >= fail_below:
        return
    counted = "" if told == margin else f" counts as {f'{told:+.3f}' if told else 0} ({untold}) and"
    fails = told < fail_below
    below = "is below" if fails else "is not below"
    print(f"riqa: {what} {margin:+.3f}{counted} {below} --fail-below {fail_below:g}", file=sys.stderr)
    if fails:
        raise SystemExit(1)
