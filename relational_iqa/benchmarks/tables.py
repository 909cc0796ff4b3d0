"""A report on the terminal: one table of metrics, tables of parts, and the notes that belong to the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from rich.console import Console
from rich.table import Table

from relational_iqa.benchmarks.agreement import Agreement, natural_order
from relational_iqa.benchmarks.evaluation import Report

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
        return _choice_tables(report)
    tables = [_overall(report)]
    if report.on_splits:
        tables.append(_on_splits(report))
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
