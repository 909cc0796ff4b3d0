"""The index page of two folders: what all pairs say together, and a table of them that links the reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from relational_iqa.folders.compared_files import ComparedFiles
from relational_iqa.folders.comparison import Row
from relational_iqa.folders.summary import Estimate, FolderSummary
from relational_iqa.report.html import render_page, write_page
from relational_iqa.report.pictures import data_uri, encoded
from relational_iqa.report.views import unbroken
from relational_iqa.results.words.confidence import percent
from relational_iqa.results.words.margins import levels

INDEX = "index.html"
MOST_THUMBNAILS = 1000
"""Pairs with thumbnails, the worst ones; more would make the page slow to open."""
_THUMBNAIL_PX = (160, 120)
_BIN_WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # levels
_MOST_BINS = 24


@dataclass(frozen=True)
class PairRow:
    """One pair of the table.

    Args:
        name: of the pair.
        link: address of its report, relative to the page; empty where none was written.
        thumbnails: data URIs of A and B; empty where there are none.
        winner: "a", "b" or "".
        verdict: the better folder, or why there is none.
        size: by how much.
        sure: how sure it is; empty where that is unknown.
        sentence: the verdict with its reasons.
        margin: what the table is sorted by, positive where A is better.
        confidence: what the table is sorted by; -1 where it is unknown.
    """

    name: str
    link: str
    thumbnails: tuple[str, ...]
    winner: str
    verdict: str
    size: str
    sure: str
    sentence: str
    margin: float
    confidence: float


@dataclass(frozen=True)
class Bar:
    """One bin of the histogram of margins.

    Args:
        low: nearer end, levels, without sign.
        high: farther end.
        side: "a" where A is better, "b" where B is.
        told: how many pairs of it have a better image.
        untold: how many are ties, cannot be told or look the same.
        height: share of the tallest bar, 0 to 1.
    """

    low: float
    high: float
    side: str
    told: int
    untold: int
    height: float


def thumbnails(compared: ComparedFiles) -> tuple[str, ...]:
    """Small pictures of A and B as data URIs."""
    return tuple(_thumbnail(image.to_uint8()) for image in compared.images[:2])


def write_index(
    folder: str | Path,
    labels: tuple[str, str],
    rows: Sequence[Row],
    summary: FolderSummary | None,
    *,
    reports: Mapping[str, str] | None = None,
    pictures: Mapping[str, tuple[str, ...]] | None = None,
    only_a: Sequence[str] = (),
    only_b: Sequence[str] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> Path:
    """Writes `index.html` into a folder and returns its path.

    Args:
        folder: where to write, and where the reports lie.
        labels: what to call the two folders.
        rows: of all pairs.
        summary: of the rows; None where every one has an error.
        reports: name of the pair -> file name of its report.
        pictures: name of the pair -> `thumbnails`.
        only_a: files of the first folder without a partner.
        only_b: the same of the second one.
        facts: what stands at the foot, name and value.

    Raises:
        UsageError: where it cannot be written.
    """
    good = sorted((row for row in rows if not row.error), key=lambda row: (row.margin, row.pair.name))
    shown, links = pictures or {}, reports or {}
    table = [
        _pair_row(
            row, labels, links.get(row.pair.name, ""), shown.get(row.pair.name, ()) if rank < MOST_THUMBNAILS else ()
        )
        for rank, row in enumerate(good)
    ]
    bars = histogram(good)
    text = render_page(
        "folder_index.html.j2",
        labels=labels,
        verdict="No pair could be compared." if summary is None else summary.verdict(labels),
        summary=summary,
        mean="" if summary is None else mean_said(summary.margin, labels),
        whisker=None if summary is None else _whisker(summary.margin, bars),
        axes=[] if summary is None else [
            f"{labels[1] if mean > 0 else labels[0]} is {word} ({abs(mean):.2f})" for word, mean in summary.told_axes()
        ],
        least=None if summary is None or summary.confidence is None else [percent(one) for one in summary.confidence],
        bars=bars,
        rows=table,
        pictured=sum(bool(row.thumbnails) for row in table),
        failed=[(row.pair.name, row.error) for row in rows if row.error],
        unmatched=[(label, list(files)) for label, files in zip(labels, (only_a, only_b), strict=True) if files],
        facts=list(facts),
    )  # fmt: skip
    return write_page(text, Path(folder) / INDEX)


def mean_said(margin: Estimate, labels: tuple[str, str]) -> str:
    """The mean margin with its interval, without signs: "new ahead by 0.80 levels on the mean; 95 % interval: by 0.72
    to 0.88"."""
    said = f"{_ahead(margin.mean, labels)} on the mean"
    if margin.interval is None:
        return unbroken(said)
    low, high = margin.interval
    if low * high > 0:
        near, far = sorted((abs(low), abs(high)))
        return unbroken(f"{said}; 95 % interval: by {near:.2f} to {far:.2f}")
    return unbroken(f"{said}; 95 % interval: from {_ahead(low, labels)} to {_ahead(high, labels)}")


def histogram(rows: Sequence[Row]) -> list[Bar]:
    """Bins of the margins from left (A better) to right (B better), as on the scale of a report; empty without rows."""
    if not rows:
        return []
    most = max(max(abs(row.margin) for row in rows), 0.3)
    width = next((w for w in _BIN_WIDTHS if 2 * math.ceil(most / w + 1e-9) <= _MOST_BINS), _BIN_WIDTHS[-1])
    half = math.ceil(most / width + 1e-9)
    told, untold = [0] * (2 * half), [0] * (2 * half)
    for row in rows:
        step = min(half - 1, int(abs(row.margin) / width + 1e-9))
        index = half - 1 - step if row.margin > 0 else half + step
        counts = told if row.verdict in ("a", "b") else untold
        counts[index] += 1
    tallest = max(one + other for one, other in zip(told, untold, strict=True))
    bars = []
    for index in range(2 * half):
        low = (half - 1 - index if index < half else index - half) * width
        side = "a" if index < half else "b"
        height = (told[index] + untold[index]) / tallest
        bars.append(Bar(low, low + width, side, told[index], untold[index], height))
    return bars


def _ahead(margin: float, labels: tuple[str, str]) -> str:
    return f"{labels[0] if margin > 0 else labels[1]} ahead by {abs(margin):.2f} levels"


def _whisker(margin: Estimate, bars: Sequence[Bar]) -> dict[str, Any]:
    """Places of mean and interval on the scale of the histogram, from A better (left) to B better, as percentages."""
    low, high = margin.interval or (margin.mean, margin.mean)
    end = bars[0].high

    def at(value: float) -> float:
        return 50 - 50 * value / end

    return {"mean": at(margin.mean), "left": at(high), "right": at(low), "interval": margin.interval is not None}


def _pair_row(row: Row, labels: tuple[str, str], report: str, pictures: tuple[str, ...]) -> PairRow:
    winner = row.verdict if row.verdict in ("a", "b") else ""
    verdict = labels["ab".index(winner)] if winner else {"tie": "equally good"}.get(row.verdict, row.verdict)
    size = unbroken(f"by {levels(row.margin)}") if winner else unbroken(f"{levels(row.margin)} apart")
    sure = "" if row.confidence is None or row.margin == 0 else unbroken(percent(row.confidence))
    return PairRow(
        row.pair.name, quote(report), pictures, winner, verdict, size, sure, row.sentence, row.margin,
        -1.0 if row.confidence is None else row.confidence,
    )  # fmt: skip


def _thumbnail(pixels: Any) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail(_THUMBNAIL_PX, Image.Resampling.BOX)
    return data_uri(encoded(picture, "WEBP", quality=70, method=3), "webp")
