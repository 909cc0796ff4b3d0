"""The page of a sequence: the verdict, a timeline that is clicked, and the worst moments with their reports."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from relational_iqa.report.html import render_page, write_page
from relational_iqa.report.pictures import data_uri, encoded
from relational_iqa.results.words.confidence import percent
from relational_iqa.results.words.margins import levels
from relational_iqa.sequences.frame_row import FrameRow
from relational_iqa.sequences.summary import SequenceSummary
from relational_iqa.tiling.stored_image import StoredImage

INDEX = "index.html"
_THUMBNAIL_PX = (320, 240)
_WIDTH, _HEIGHT, _TOP = 1000, 220, 12
_MOST_POINTS = 2000  # of one line: two a pixel of the figure


@dataclass(frozen=True)
class Moment:
    """One of the worst moments.

    Args:
        row: its numbers.
        report: file name of its report.
        pictures: data URIs of the candidates that are compared.
        titles: what they are.
        said: a sentence.
    """

    row: FrameRow
    report: str
    pictures: tuple[str, ...]
    titles: tuple[str, ...]
    said: str


def thumbnail(image: StoredImage) -> str:
    """A small picture as a data URI."""
    picture = Image.fromarray(image.to_uint8())
    picture.thumbnail(_THUMBNAIL_PX, Image.Resampling.BOX)
    return data_uri(encoded(picture, "WEBP", quality=80, method=3), "webp")


def write_sequence_page(
    folder: str | Path,
    rows: Mapping[str, Sequence[FrameRow]],
    summaries: Sequence[SequenceSummary],
    moments: Sequence[Moment],
    *,
    fps: float | None = None,
    notes: Sequence[str] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> Path:
    """Writes `index.html` into a folder, where the reports of the moments lie, and returns its path.

    Args:
        folder: where to write.
        rows: candidate -> its rows in order.
        summaries: of the candidates, in their order.
        moments: the worst ones.
        fps: frames a second, None where nobody knows.
        notes: what a person should know.
        facts: what stands at the foot, name and value.

    Raises:
        UsageError, OSError: where it cannot be written.
    """
    by_quality = summaries[0].quality is not None
    lines = {name: _values(each, by_quality) for name, each in rows.items()}
    frames = [row.frame for row in next(iter(rows.values()))]
    everything = [value for values in lines.values() for value in values]
    low, high = min(0.0, *everything), max(0.0, *everything)
    low, high = (low - 0.5, high + 0.5) if high - low < 1e-6 else (low, high)
    linked = {moment.row.frame: quote(moment.report) for moment in moments}
    return write_page(
        render_page(
            "sequence.html.j2",
            summaries=summaries,
            verdicts=[summary.verdict() for summary in summaries if summary.margin is not None]
            or [summaries[0].verdict()],
            flicker=[line for summary in summaries for line in summary.flicker_lines(fps)],
            by_quality=by_quality,
            first=summaries[0].name if by_quality else summaries[0].first,
            width=_WIDTH,
            height=_HEIGHT,
            lines=[(name, polyline(values, low, high)) for name, values in lines.items()],
            zero=_y(0.0, low, high),
            low=low,
            high=high,
            count=len(frames),
            moments=[
                {
                    "x": _x(frames.index(moment.row.frame), len(frames)),
                    "index": frames.index(moment.row.frame),
                    "frame": moment.row.frame,
                    "time": _time(moment.row.seconds),
                    "report": quote(moment.report),
                    "pictures": list(zip(moment.pictures, moment.titles, strict=True)),
                    "said": moment.said,
                    "size": _size(moment.row, by_quality),
                }
                for moment in moments
            ],
            data=json.dumps(
                {
                    "frames": frames,
                    "fps": fps,
                    "lines": [
                        {"name": name, "values": [round(v, 3) for v in values]} for name, values in lines.items()
                    ],
                    "sure": {
                        name: [None if row.confidence is None else percent(row.confidence) for row in each]
                        for name, each in rows.items()
                    },
                    "reports": linked,
                }
            ).replace("</", "<\\/"),
            notes=list(notes),
            facts=list(facts),
        ),
        Path(folder) / INDEX,
    )


def polyline(values: Sequence[float], low: float, high: float) -> str:
    """Points of the line of a series, as SVG has them: "x,y x,y". Of more than _MOST_POINTS values the lowest and the
    highest of each part are kept, so that no peak is lost."""
    count = len(values)
    kept = list(range(count))
    if count > _MOST_POINTS:
        part = 2 * count / _MOST_POINTS
        kept = []
        for number in range(_MOST_POINTS // 2):
            within = range(int(number * part), min(count, int((number + 1) * part)))
            kept += sorted({min(within, key=values.__getitem__), max(within, key=values.__getitem__)})
    return " ".join(f"{_x(index, count):.1f},{_y(values[index], low, high):.1f}" for index in kept)


def _values(rows: Sequence[FrameRow], by_quality: bool) -> list[float]:
    chosen = [row.quality if by_quality else row.margin for row in rows]
    return [0.0 if value is None else value for value in chosen]


def _x(index: int, count: int) -> float:
    return _WIDTH * (index / (count - 1) if count > 1 else 0.5)


def _y(value: float, low: float, high: float) -> float:
    return _TOP + (_HEIGHT - 2 * _TOP) * (high - value) / (high - low)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:05.2f}"


def _size(row: FrameRow, by_quality: bool) -> str:
    said: list[Any] = []
    if row.margin is not None:
        said.append(f"margin {row.margin:+.2f}")
    if by_quality and row.quality is not None:
        said.append(f"{row.name} is {levels(row.quality)} below the reference")
    return ", ".join(said)
