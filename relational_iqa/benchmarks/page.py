"""A report as one HTML page: the numbers with their intervals, scatter plots, how often verdicts are right, and the
pairs on which metric and people disagree most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.jobs.printable import printable
from relational_iqa.benchmarks.agreement import Agreement
from relational_iqa.benchmarks.disagreements import PAIRS_SHOWN, Disagreement, worst
from relational_iqa.benchmarks.evaluation import Report
from relational_iqa.benchmarks.tables import bin_name
from relational_iqa.benchmarks.verdicts import VerdictRow
from relational_iqa.report.html import render_page
from relational_iqa.results.words.confidence import percent

_WIDTH, _HEIGHT = 320.0, 240.0  # of a scatter plot, in its own units
_CURVE_POINTS = 80
_FEW_POINTS = 300


@dataclass(frozen=True)
class Cell:
    """A number of the table: its text, and its interval in words, "" for none."""

    text: str
    ends: str = ""


@dataclass(frozen=True)
class Scatter:
    """A scatter plot of a metric against opinion, in units of its picture of `_WIDTH` by `_HEIGHT`.

    Args:
        title: the metric with its correlation.
        points: path of all points.
        curve: path of the fitted logistic; "" without one.
        across: texts at the ends of the horizontal axis, and its name.
        down: texts at the lower and upper end of the vertical axis.
        opacity: of a point: many of them overlap.
    """

    title: str
    points: str
    curve: str
    across: tuple[str, str, str]
    down: tuple[str, str]
    opacity: float


@dataclass(frozen=True)
class Bar:
    """Verdicts of one bin as parts of a bar, in percent.

    Args:
        name: of the bin.
        pairs: in it, in words.
        parts: (kind, percent, what a reader is told) of right, wrong, tie and cannot tell, those that are there.
        said: accuracy with its interval.
    """

    name: str
    pairs: str
    parts: tuple[tuple[str, float, str], ...]
    said: str


def render(report: Report, command: str | None = None) -> str:
    """The page as text. Pictures are read again from the data set; nothing else is loaded from anywhere.

    Args:
        report: what was found.
        command: the command line, shown at the foot; None for none.
    """
    benchmark = report.benchmark
    items = "images" if benchmark.images else "judged pairs"
    facts = [("Note", line) for line in report.notes()]
    if command:
        facts.append(("Command", printable(command)))
    headings, rows = _table(report)
    return render_page(
        "evaluation.html.j2",
        title=f"{benchmark.name}: agreement with people",
        eyebrow=f"{len(report.kept):,} {items} of {benchmark.name}",
        lead=_lead(report),
        headings=headings,
        rows=rows,
        scatters=[_scatter(report, label) for label, verdict in report.verdicts.items() if verdict.overall is not None],
        size=(_WIDTH, _HEIGHT),
        gap=report.gaps and report.gaps.unit,
        by_gap={label: _bars(found) for label, found in report.by_gap.items()},
        by_confidence={label: _calibration(found) for label, found in report.by_confidence.items()},
        disagreements={label: _shown(worst(report, label)) for label in _comparable(report)},
        failures=[(failure.file, failure.metric, failure.message) for failure in report.scores.failures[:PAIRS_SHOWN]],
        failed=len({failure.file for failure in report.scores.failures}),
        facts=facts,
    )


def _comparable(report: Report) -> list[str]:
    return list(report.said) or [label for label, verdict in report.verdicts.items() if verdict.overall is not None]


def _lead(report: Report) -> str:
    """One sentence on the first metric."""
    first = report.metrics[0].label
    rows = report.by_gap.get(first)
    if rows and rows[-1].right + rows[-1].wrong:
        whole = rows[-1]
        return (
            f"{first} names the image that people think better in {100 * whole.accuracy:.0f} % of the "
            f"{whole.right + whole.wrong:,} pairs in which it names one."
        )
    verdict = report.verdicts.get(first)
    overall = None if verdict is None else verdict.overall
    if overall is not None:
        return f"{first} orders the images with a rank correlation (SRCC) of {overall.srcc:.3f} with people's scores."
    return ""


def _table(report: Report) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    """Headings, and for each metric its name and cells."""
    if report.choices:
        rows = [(label, [_cell(found.score, found.interval)]) for label, found in report.choices.items()]
        if report.people is not None:
            people = zip(("one person against another", "best possible"), report.people, strict=True)
            rows += [(name, [_cell(value)]) for name, value in people]
        return ["2AFC score"], rows
    names = {"SRCC": "srcc", "KRCC": "krcc", "PLCC": "plcc", "RMSE": "rmse"}
    rows = []
    for label, verdict in report.verdicts.items():
        overall, ends = verdict.overall or Agreement(0), verdict.intervals
        cells = [_cell(getattr(overall, name), ends.get(name)) for name in names.values()]
        cells.append(_cell(verdict.srcc_within_scenes, ends.get("srcc_within_scenes")))
        rows.append((label, cells))
    for label, split in report.on_splits.items():
        cells = [_cell(split.median(name)) for name in names.values()]
        rows.append((f"{label}, median of {len(split.splits)} test shares", [*cells, _cell(float("nan"))]))
    return [*names, "SRCC in scenes"], rows


def _cell(value: float, ends: tuple[float, float] | None = None) -> Cell:
    if not np.isfinite(value):
        return Cell("–")
    return Cell(_number(value), "" if ends is None else f"{_number(ends[0])} to {_number(ends[1])}")


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _scatter(report: Report, label: str) -> Scatter:
    metric = next(chosen.metric for chosen in report.metrics if chosen.label == label)
    verdict = report.verdicts[label]
    scores = np.array([report.benchmark.images[i].score for i in report.kept])
    values = report.columns[label][report.kept]
    low, high = float(values.min()), float(values.max())
    bottom, top = float(scores.min()), float(scores.max())
    x = _scaled(values, low, high) * _WIDTH
    y = (1 - _scaled(scores, bottom, top)) * _HEIGHT
    curve = ""
    if verdict.curve is not None and high > low:
        line = np.linspace(low, high, _CURVE_POINTS)
        fitted = (1 - _scaled(verdict.curve(metric.oriented(line)), bottom, top)) * _HEIGHT
        drawn = zip(_scaled(line, low, high) * _WIDTH, fitted, strict=True)
        curve = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in drawn)
    overall = verdict.overall or Agreement(0)
    return Scatter(
        f"{label}: SRCC {_number(overall.srcc)}",
        "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x, y, strict=True)),
        curve,
        (_short(low), _short(high), f"{label}, {metric.unit}"),
        (_short(bottom), _short(top)),
        0.8 if len(values) <= _FEW_POINTS else 0.35,
    )


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled: np.ndarray = (values - low) / ((high - low) or 1.0)
    return scaled


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _bars(rows: Sequence[VerdictRow]) -> list[Bar]:
    names = [*(bin_name(row) for row in rows[:-1]), "all pairs"]
    found = []
    for name, row in zip(names, rows, strict=True):
        if not row.pairs:
            continue
        counts = (("right", row.right), ("cannot tell", row.cannot_tell), ("tie", row.ties), ("wrong", row.wrong))
        parts = tuple(
            (kind.replace(" ", "-"), 100 * count / row.pairs, f"{kind}: {count:,} of {row.pairs:,}")
            for kind, count in counts
            if count
        )
        said = "names none" if math.isnan(row.accuracy) else f"{100 * row.accuracy:.0f} % right"
        if row.interval is not None:
            said += f" ({100 * row.interval[0]:.0f} to {100 * row.interval[1]:.0f})"
        found.append(Bar(name, _counted(row.pairs), parts, said))
    return found


def _counted(pairs: int) -> str:
    return f"{pairs:,} pair{'s' if pairs != 1 else ''}"


def _calibration(rows: Sequence[VerdictRow]) -> list[tuple[str, str, str, float, float]]:
    """Bin, number of pairs, mean confidence in words and in percent, and how often the sign is right, in percent."""
    return [
        (
            f"{100 * row.low:g} to {100 * row.high:g} %",
            _counted(row.pairs),
            f"{percent(row.confidence)} sure",
            100 * row.confidence,
            100 * row.sign_accuracy,
        )
        for row in rows
        if row.pairs
    ]


def _shown(found: Sequence[Disagreement]) -> list[tuple[Disagreement, list[str]]]:
    """Each with its two pictures; those whose files cannot be read any more are left out."""
    from distortion_engine.reading.image_io import load_image, to_uint8
    from relational_iqa.report.pictures import thumbnail_uri

    pictured = []
    for one in found:
        try:
            pictures = [thumbnail_uri(to_uint8(load_image(path))) for path in one.files]
        except (ImageError, OSError):
            continue
        pictured.append((one, pictures))
    return pictured
