"""riqa score of folders, and with --csv: one image after the other, and one that fails stops none."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.jobs.printable import printable, printable_lines
from relational_iqa.commands.common import display_names, finish, full_path

FAILURES_SHOWN = 20


@dataclass(frozen=True)
class ImageFile:
    """One image to score.

    Args:
        name: what to call it.
        path: its file.
        reference: the file of its reference; None where it has none.
        problem: why it cannot be scored, known before any file is opened; empty where it can.
    """

    name: str
    path: str
    reference: str | None = None
    problem: str = ""


def image_files(images: Sequence[str], reference: str | None) -> list[ImageFile]:
    """The images that are meant, folders replaced by what lies in them and below.

    Args:
        images: files and folders.
        reference: a file, the reference of all; or a folder that has one of the same name below it for each image, as
            for two folders; None for none.

    Raises:
        UsageError: for a folder without images, and a folder of references for single files.
    """
    from relational_iqa.folders.pairing import find_references, list_images

    names = dict(zip(images, display_names(images), strict=True))
    found: list[ImageFile] = []
    for given in images:
        if not Path(given).is_dir():
            if reference is not None and Path(reference).is_dir():
                raise UsageError(f"--reference {reference}: is a folder, but {given} is no folder; give the file")
            found.append(ImageFile(names[given], given, reference))
            continue
        files = list_images(given)
        if reference is None or not Path(reference).is_dir():
            found += [ImageFile(printable(name), str(path), reference) for name, path in files.items()]
            continue
        partners = find_references(list(files), reference)
        for name, path in files.items():
            partner = partners[name]
            problem = "" if partner else f"{reference}: has no reference of that name"
            found.append(ImageFile(printable(name), str(path), None if partner is None else str(partner), problem))
    return found


Score = Callable[[ImageFile], Any]
"""score(file) -> an answer with `summary()` and `to_json()`."""


def score_files(
    files: Sequence[ImageFile],
    score: Score,
    number: str,
    weights: Mapping[str, Any],
    *,
    csv: str | None,
    json: str | None,
    reference: str | None,
    quiet: bool,
) -> None:
    """Scores files one after the other; memory does not grow with their number.

    Without a CSV a line is printed for each as it comes. With one, its rows are written as they come, and it gets its
    name at the end; until then it is called PATH.partial.

    Args:
        files: what to score.
        score: scores one of them.
        number: the key of the score in the JSON of an answer, and its column: "quality" or "mos".
        weights: "name" and "sha256" of the weights.
        csv: where the table goes.
        json: where the JSON goes.
        reference: as it was given.
        quiet: says nothing of the progress.

    Raises:
        UsageError: where a file could not be scored, when all others are, and where a result cannot be written.
    """
    from distortion_engine.jobs.progress import progress
    from relational_iqa.folders.csv_table import csv_table

    columns = ["image", "reference", number, "words", "weights", "weights_sha256", "error"]
    people = sys.stderr if json == "-" else sys.stdout
    entries: list[dict[str, Any]] = []
    failed = 0
    with (
        nullcontext() if csv is None else csv_table(csv, columns) as table,
        progress(len(files), "images", quiet) as tick,
    ):
        for file, answer, error in _answers(files, score):
            entry = {} if answer is None else answer.to_json()
            said = "" if answer is None else answer.summary()
            if error:
                failed += 1
                if failed <= FAILURES_SHOWN:
                    print(printable(f"riqa: failed: {file.name}: {error}"), file=sys.stderr)
            elif csv is None:
                print(printable_lines(said), file=people, flush=True)
            if table is not None:
                table.add({
                    "image": file.name, "reference": "" if file.reference is None else printable(file.reference),
                    number: entry.get(number), "words": said, "weights": weights.get("name"),
                    "weights_sha256": weights.get("sha256"), "error": error,
                })  # fmt: skip
            if json is not None:
                entries.append({**entry, "file": file.path, "reference": file.reference, "error": error or None})
            tick()
    lines = [f"{len(files) - failed:,} of {len(files):,} images scored"]
    if csv is not None:
        lines.append(f"csv: {full_path(csv)}")
    finish(lines, {"scores": entries, "reference": reference}, json)
    if failed:
        more = f", {failed - FAILURES_SHOWN} of them not named" if failed > FAILURES_SHOWN else ""
        raise UsageError(f"{failed:,} of {len(files):,} images could not be scored{more}; all others are")


def _answers(files: Sequence[ImageFile], score: Score) -> Iterator[tuple[ImageFile, Any, str]]:
    """Each file with its answer, or None and why there is none."""
    for file in files:
        if file.problem:
            yield file, None, file.problem
            continue
        try:
            answer = score(file)
        except (ImageError, UsageError, OSError) as error:
            yield file, None, " ".join(str(error).split())
            continue
        yield file, answer, ""
