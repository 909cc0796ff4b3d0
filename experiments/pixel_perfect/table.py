"""The table that the evaluation prints: rows with a value, what it must be, and whether it holds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

NOT_MEASURED = "not measured"
Unit = Literal["share", "number", "seconds", "levels"]


@dataclass(frozen=True)
class Row:
    """One line of a table of results.

    Args:
        name: of the line.
        value: None where it could not be measured; `note` says why.
        samples: what the value was measured on.
        must: least value that is required, None for none.
        unit: "share" for values in [0, 1] that are shown as a percentage, or another unit.
        spread: half-width of a 95 % interval, or standard deviation over seeds, in the unit of the value.
        note: what has to be read with the value.
        part: whether the line is a part of the line above it.
        most: largest value that is allowed, None for none.
        aim: value that is aimed at beyond the bound, None for none; shown, never counted.
    """

    name: str
    value: float | None
    samples: str = ""
    must: float | None = None
    unit: Unit = "number"
    spread: float | None = None
    note: str = ""
    part: bool = False
    most: float | None = None
    aim: float | None = None

    @property
    def asked(self) -> bool:
        """Whether anything is asked of the value."""
        return self.must is not None or self.most is not None

    @property
    def holds(self) -> bool | None:
        """Whether the value is what it must be; None where nothing is asked or nothing was measured."""
        if not self.asked or self.value is None:
            return None
        return (self.must is None or self.value >= self.must) and (self.most is None or self.value <= self.most)

    def to_json(self) -> dict[str, Any]:
        """Plain Python; a value that is not finite becomes None."""
        data = asdict(self) | {"holds": self.holds}
        return {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in data.items()}

    def cells(self) -> tuple[str, str, str, str, str]:
        """What is shown: name, value, bounds, holds, samples and note."""
        value = NOT_MEASURED if self.value is None else _number(self.value, self.unit)
        if self.spread is not None and self.value is not None:
            value += f" ± {_number(self.spread, self.unit).removesuffix(' %')}"
        word = "" if not self.asked else "yes" if self.holds else "?" if self.value is None else "NO"
        bounds = [f"≥ {_number(self.must, self.unit, short=True)}"] if self.must is not None else []
        bounds += [f"≤ {_number(self.most, self.unit, short=True)}"] if self.most is not None else []
        aim = f" (aim {_number(self.aim, self.unit, short=True)})" if self.aim is not None else ""
        return (
            f"· {self.name}" if self.part else self.name,
            value,
            ", ".join(bounds) + aim,
            word,
            "; ".join(text for text in (self.samples, self.note) if text),
        )


HEADER = ("on held-out photographs", "value", "must be", "holds", "samples, notes")


def over_seeds(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """Rows of several runs of one evaluation that differ in their seed alone -> rows with mean and standard deviation
    over the seeds, in the order of the first run. Bounds that depend on the run are averaged as the values are. Rows
    that some run does not have are left out; those that were not measured in every run have the value None."""
    if len(runs) == 1:
        return list(runs[0])
    first, *others = (_keyed(rows) for rows in runs)
    joined = []
    for key, row in first.items():
        if not all(key in other for other in others):
            continue
        same = [row, *(other[key] for other in others)]
        values = [one.value for one in same]
        known = [value for value in values if value is not None]
        every = len(known) == len(values)
        joined.append(
            replace(
                row,
                value=statistics.mean(known) if every else None,
                spread=statistics.stdev(known) if every else None,
                must=_mean([one.must for one in same]),
                most=_mean([one.most for one in same]),
                samples=_shared([one.samples for one in same], len(runs)),
                note=_shared([one.note for one in same], 0),
            )
        )
    return joined


def _keyed(rows: Sequence[Row]) -> dict[tuple[str, str, int], Row]:
    """By name of the row it is a part of, own name, and number among equals: "sign" may be said of several rows."""
    result: dict[tuple[str, str, int], Row] = {}
    above = ""
    for row in rows:
        above = above if row.part else row.name
        number = sum(key[:2] == (above, row.name) for key in result)
        result[above, row.name, number] = row
    return result


def _mean(bounds: Sequence[float | None]) -> float | None:
    known = [bound for bound in bounds if bound is not None]
    return statistics.mean(known) if known else None


def _shared(texts: Sequence[str], seeds: int) -> str:
    """The text of the first run, marked as such where the others differ."""
    if len(set(texts)) > 1:
        return f"first seed: {texts[0]}"
    return f"{texts[0]}, {seeds} seeds" if seeds and texts[0] else texts[0]


def markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, ending in a sentence of how many requirements hold."""
    lines = [f"| {' | '.join(HEADER)} |", "| --- | ---: | ---: | --- | --- |"]
    for row in rows:
        name, *rest = (cell.replace("|", "\\|") for cell in row.cells())
        lines.append(f"| {' | '.join((f'**{name}**' if row.asked else name, *rest))} |")
    return "\n".join([*lines, "", verdict(rows), ""])


def verdict(rows: Sequence[Row]) -> str:
    """One line: "5 of 7 requirements hold | not met: this; that | not measured: those"."""
    asked = [row for row in rows if row.asked]
    failed = [row.name for row in asked if row.holds is False]
    absent = [row.name for row in asked if row.holds is None]
    parts = [f"{sum(row.holds is True for row in asked)} of {len(asked)} requirements hold"]
    parts += [f"not met: {'; '.join(failed)}"] if failed else []
    parts += [f"{NOT_MEASURED}: {'; '.join(absent)}"] if absent else []
    return " | ".join(parts) + "."


def print_table(rows: Sequence[Row]) -> None:
    """The table on the terminal; Markdown where the output is no terminal, so that it can be kept as it is."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        print(markdown(rows))
        return
    table = Table(*HEADER, title=None)
    colors = {"yes": "green", "NO": "bold red", "?": "yellow"}
    for row in rows:
        cells = row.cells()
        if not row.part:
            table.add_section()
        table.add_row(*cells[:3], f"[{colors[cells[3]]}]{cells[3]}[/]" if cells[3] else "", cells[4])
    console.print(table)
    console.print(verdict(rows))


def _number(value: float, unit: Unit, short: bool = False) -> str:
    if unit == "share":
        return f"{round(100 * value, 1):g} %" if short else f"{100 * value:.1f} %"
    digits = {"number": 2 if short else 3, "seconds": 3, "levels": 2}[unit]
    return f"{value:.{digits}f}{ {'seconds': ' s', 'levels': ' levels'}.get(unit, '') }"
