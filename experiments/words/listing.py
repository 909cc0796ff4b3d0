"""Every sentence with its judgement, as CSV and as Markdown to be read aloud, and pictures of what failed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from distortion_engine.jobs.safe_files import atomic_file
from distortion_engine.reading.image_io import encode_lossless
from experiments.words.answers import Answer
from experiments.words.measurement import Case, Judged
from experiments.words.places import Box

COLUMNS = (
    "manipulation", "expected", "truths", "photo", "box", "mode", "winner", "margin", "winner_right", "first_reason",
    "reason_right", "reasons", "place_found", "first_found", "regions", "quiet", "empty", "explained", "blamed",
    "sentence",
)  # fmt: skip
_TRUE, _NAMED, _GAP_PX = (0, 200, 0), (255, 140, 0), 8


def table_of_pairs(cases: Sequence[Case]) -> str:
    """CSV with a line for each pair and mode."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for case in cases:
        for mode, judged in (("with", case.given), ("without", case.alone)):
            writer.writerow(_line(case, mode, judged))
    return stream.getvalue()


def _line(case: Case, mode: str, judged: Judged) -> list[object]:
    said, kind = judged.answer, case.manipulation
    return [
        kind.name, kind.winner, " ".join(sorted(kind.truths)), case.photo, case.edit.box or "", mode,
        said.winner or "neither", f"{said.margin:.3f}", _word(judged.winner_right), judged.first or "",
        _word(judged.reason_right), "; ".join(map(str, said.reasons)), judged.place_found or "",
        judged.first_found or "",
        "; ".join(f"{box} {side}" for box, side in said.regions), _word(judged.quiet), _word(said.empty),
        "" if said.explained is None else f"{said.explained:.3f}",
        "; ".join(case.blamed) if mode == "with" else "", said.sentence,
    ]  # fmt: skip


def _word(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def page_of_sentences(cases: Sequence[Case]) -> str:
    """Markdown with a row for each manipulation, those with most failures first: how often it is right, and the
    sentences in both modes for the photograph on which most fails."""
    by_name: dict[str, list[Case]] = {}
    for case in cases:
        by_name.setdefault(case.manipulation.name, []).append(case)
    lines = [
        "# What is said of every manipulation",
        "",
        "Right of asked: winner, first reason and place, with / without the reference. The sentences are those of the",
        "photograph on which most fails; all others are in sentences.csv.",
        "",
        "| manipulation | true | winner | first reason | place | fails | with the reference | without a reference |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, own in sorted(by_name.items(), key=lambda item: -failures_per_case(item[1])):
        worst = max(own, key=lambda case: len(case.failures))
        counts = [
            " / ".join(_count([getattr(judged, field) for judged in side]) for side in _both(own))
            for field in ("winner_right", "reason_right", "place_found")
        ]
        cells = [
            name, " ".join(sorted(own[0].manipulation.truths)) or "nothing to see", *counts, ", ".join(worst.failures),
            worst.given.answer.sentence, worst.alone.answer.sentence,
        ]  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def failures_per_case(cases: Sequence[Case]) -> float:
    """Mean number of failures of a case."""
    return sum(len(case.failures) for case in cases) / len(cases)


def _both(cases: Sequence[Case]) -> tuple[list[Judged], list[Judged]]:
    return [case.given for case in cases], [case.alone for case in cases]


def _count(values: Sequence[bool | str | None]) -> str:
    asked = [bool(value) for value in values if value is not None]
    return f"{sum(asked)} of {len(asked)}" if asked else "-"


def write_pictures(cases: Sequence[Case], folder: Path) -> list[Path]:
    """A PNG for each case that fails: original, edited, and edited with the true box in green and the regions that are
    named in orange, with the reference in the third and without in the fourth. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for case in cases:
        if not case.failures:
            continue
        name = re.sub(r"[^a-z0-9]+", "-", f"{case.manipulation.name} {Path(case.photo).stem}".lower()).strip("-")
        path = folder / f"{name}.png"
        with atomic_file(path) as file:
            file.write(encode_lossless(picture(case), ".png"))
        written.append(path)
    return written


def picture(case: Case) -> np.ndarray:
    """The picture of one case, (H, 4 W + gaps, 3) uint8."""
    original, edited = case.edit.original, case.edit.edited
    if original.dtype == np.uint16:
        original = (original // 257).astype(np.uint8)
    gap = np.full((edited.shape[0], _GAP_PX, 3), 255, np.uint8)
    marked = [_marked(edited, case.edit.box, judged.answer) for judged in (case.given, case.alone)]
    return np.concatenate([original, gap, edited, gap, marked[0], gap, marked[1]], 1)


def _marked(pixels: np.ndarray, true: Box | None, said: Answer) -> np.ndarray:
    marked = pixels.copy()
    boxes = [(region, _NAMED) for region, _ in said.regions] + ([(true, _TRUE)] if true is not None else [])
    for box, colour in boxes:
        corner = box.left + box.width - 1, box.top + box.height - 1
        cv2.rectangle(marked, (box.left, box.top), corner, colour, 1)
    return marked
