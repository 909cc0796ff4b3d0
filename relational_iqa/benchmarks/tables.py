"""A report on the terminal: one table of metrics, tables of parts, and the notes that belong to the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from relational_iqa.benchmarks.agreement import Agreement, natural_order
from relational_iqa.benchmarks.evaluation import Report
from relational_iqa.benchmarks.verdicts import VerdictRow

PARTS_SHOWN = 40
"""Tables of more distortions or scenes than that are left to the JSON."""


def show(report: Report, console: Console) -> None:
    """Prints tables and notes."""
    for table in _tables(report):
        console.print(table)
    for line in report.notes():
        console.print(line, style="dim", markup=False, highlight=False)


def _tables(report: Report) -> list[Table]:
    if report.choices:
        return [*_choice_tables(report), *_verdict_tables(report)]
    tables = [_overall(report)]
    if report.on_splits:
        tables.append(_on_splits(report))
    tables += _verdict_tables(report)
    whole = {label: verdict for label, verdict in report.verdicts.items() if verdict.overall is not None}
    tables += _parts("SRCC by distortion", {label: verdict.by_distortion for label, verdict in whole.items()})
    tables += _parts("SRCC by scene", {label: verdict.by_scene for label, verdict in report.verdicts.items()})
    return tables


def _overall(report: Report) -> Table:
    table = Table("metric", title=f"{report.benchmark.name}: {len(report.kept):,} images", title_justify="left")
    for heading in ("SRCC", "KRCC", "PLCC", "PLCC raw", "RMSE", "SRCC in scenes", "pairs in scenes"):
        table.add_column(heading, justify="right")
    table.add_column("SRCC: first minus this" if report.ahead else "unit")
    for chosen in report.metrics:
        verdict = report.verdicts.get(chosen.label)
        if verdict is None:
            continue
        overall, ends = verdict.overall or Agreement(0), verdict.intervals
        cells = [
            _number(getattr(overall, name), ends.get(name)) for name in ("srcc", "krcc", "plcc", "plcc_raw", "rmse")
        ]
        cells.append(_number(verdict.srcc_within_scenes, ends.get("srcc_within_scenes")))
        cells.append(_number(verdict.pair_accuracy, ends.get("pair_accuracy")))
        last = "" if report.ahead else chosen.metric.unit
        if chosen.label in report.ahead:
            last = _number(*report.ahead[chosen.label])
        table.add_row(chosen.label, *cells, last)
    return table


def _on_splits(report: Report) -> Table:
    table = Table("metric", title=f"medians over {report.settings.splits or 10} test shares", title_justify="left")
    names = {"SRCC": "srcc", "KRCC": "krcc", "PLCC": "plcc", "PLCC raw": "plcc_raw", "RMSE": "rmse"}
    for heading in names:
        table.add_column(heading, justify="right")
    for chosen in report.metrics:
        if chosen.label in report.on_splits:
            verdict = report.on_splits[chosen.label]
            fitted = " (fitted)" if chosen.metric.fitted else ""
            table.add_row(chosen.label + fitted, *(_number(verdict.median(name)) for name in names.values()))
    return table


def _verdict_tables(report: Report) -> list[Table]:
    """How often verdicts are right: by the gap of opinion, and by their own confidence."""
    if report.gaps is None:
        return []
    tables = [_counted(f"verdicts right, by {report.gaps.unit}", report.by_gap, last="all pairs")]
    if report.by_confidence:
        tables.append(_counted("how often the sign is right, by confidence", report.by_confidence))
    return tables


def _counted(title: str, rows: Mapping[str, Sequence[VerdictRow]], last: str = "") -> Table:
    table = Table("", title=title, title_justify="left")
    for heading in ("pairs", *rows):
        table.add_column(heading, justify="right")
    by_bin = list(zip(*rows.values(), strict=True))
    for number, bin_rows in enumerate(by_bin, 1):
        whole = bool(last) and number == len(by_bin)
        name = last if whole else bin_name(bin_rows[0])
        counts = {row.pairs for row in bin_rows}
        pairs = f"{counts.pop():,}" if len(counts) == 1 else ""
        cells = [verdict_cell(row, with_count=not pairs) for row in bin_rows]
        table.add_row(name, pairs, *cells, end_section=bool(last) and number == len(by_bin) - 1)
    return table


def bin_name(row: VerdictRow) -> str:
    """The ends of a bin: ".5 to 1", "over 2"."""
    low, high = (f"{end:g}" for end in (row.low, row.high))
    return f"over {low}" if np.isinf(row.high) else f"{low} to {high}"


def verdict_cell(row: VerdictRow, with_count: bool = False) -> str:
    """A row in one cell: the share that is right with its interval, and how many pairs were not told."""
    if not row.pairs:
        return "-"
    if row.by == "confidence":
        return f"{row.sign_accuracy:.3f} ({row.confidence:.3f} sure{f', {row.pairs:,}' if with_count else ''})"
    untold = [f"{count:,} {name}" for count, name in ((row.ties, "ties"), (row.cannot_tell, "cannot tell")) if count]
    return _number(row.accuracy, row.interval) + (f" ({', '.join(untold)})" if untold else "")


def _parts(title: str, parts: Mapping[str, Mapping[str, Agreement]]) -> list[Table]:
    names = sorted({name for by_name in parts.values() for name in by_name}, key=natural_order)
    if not 2 <= len(names) <= PARTS_SHOWN:
        return []
    counts = {name: max(by_name[name].n for by_name in parts.values() if name in by_name) for name in names}
    return [_grid(title, names, counts, parts, lambda label, name: _srcc(parts[label], name))]


def _choice_tables(report: Report) -> list[Table]:
    table = Table("metric", title=f"{report.benchmark.name}: {len(report.kept):,} pairs", title_justify="left")
    table.add_column("2AFC score", justify="right")
    for label, verdict in report.choices.items():
        table.add_row(label, _number(verdict.score, verdict.interval))
    if report.people is not None:
        table.add_row("one person against another", _number(report.people[0]), end_section=True)
        table.add_row("best possible", _number(report.people[1]))
    kinds = sorted({kind for verdict in report.choices.values() for kind in verdict.by_distortion})
    if len(kinds) < 2:
        return [table]
    distortions = np.array([report.benchmark.pairs[i].distortion for i in report.kept])
    counts = {kind: int((distortions == kind).sum()) for kind in kinds}
    choices = report.choices
    return [table, _grid("2AFC by distortion", kinds, counts, choices,
                         lambda label, kind: choices[label].by_distortion.get(kind, float("nan")))]  # fmt: skip


def _grid(
    title: str, names: list[str], counts: Mapping[str, int], labels: Mapping[str, object],
    value: Callable[[str, str], float],
) -> Table:  # fmt: skip
    table = Table("", title=title, title_justify="left")
    table.add_column("n", justify="right")
    for label in labels:
        table.add_column(label, justify="right")
    for name in names:
        table.add_row(name, str(counts[name]), *(_number(value(label, name)) for label in labels))
    return table


def _srcc(by_name: Mapping[str, Agreement], name: str) -> float:
    return by_name[name].srcc if name in by_name else float("nan")


def _number(value: float, ends: tuple[float, float] | None = None) -> str:
    """A number of three places with its interval; a dash for none."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.3f}" if ends is None else f"{value:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
