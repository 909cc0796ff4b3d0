"""The table that the evaluation prints: rows with a value, what it must be, and whether it holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

NOT_MEASURED = "not measured"
Unit = Literal["share", "number", "seconds", "levels"]


@dataclass(frozen=True)
class Row:
    """One line. value: None where it could not be measured (`note` says why). must: least value, None for rows that are
    only reported. unit: "share" in [0, 1] is shown as a percentage. spread: half-width of a 95 % interval, same unit.
    part: a breakdown of the row above it."""

    name: str
    value: float | None
    samples: str = ""
    must: float | None = None
    unit: Unit = "number"
    spread: float | None = None
    note: str = ""
    part: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether the value is at least what it must be; None where nothing is asked or nothing was measured."""
        return None if self.must is None or self.value is None else bool(self.value >= self.must)

    def to_json(self) -> dict[str, Any]:
        """Plain Python; a value that is not finite becomes None."""
        data = asdict(self) | {"holds": self.holds}
        return {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in data.items()}

    def cells(self) -> tuple[str, str, str, str, str]:
        """What is shown: name, value, at least, holds, samples and note."""
        value = NOT_MEASURED if self.value is None else _number(self.value, self.unit)
        if self.spread is not None and self.value is not None:
            value += f" ± {_number(self.spread, self.unit).removesuffix(' %')}"
        word = "" if self.must is None else "yes" if self.holds else "?" if self.value is None else "NO"
        return (
            f"· {self.name}" if self.part else self.name,
            value,
            "" if self.must is None else _number(self.must, self.unit, short=True),
            word,
            "; ".join(text for text in (self.samples, self.note) if text),
        )


HEADER = ("on held-out photographs", "value", "at least", "holds", "samples, notes")


def markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, ending in a sentence of how many requirements hold."""
    lines = [f"| {' | '.join(HEADER)} |", "| --- | ---: | ---: | --- | --- |"]
    for row in rows:
        name, *rest = (cell.replace("|", "\\|") for cell in row.cells())
        lines.append(f"| {' | '.join((f'**{name}**' if row.must is not None else name, *rest))} |")
    return "\n".join([*lines, "", verdict(rows), ""])


def verdict(rows: Sequence[Row]) -> str:
    """One line: "5 of 7 requirements hold | not met: this; that | not measured: those"."""
    asked = [row for row in rows if row.must is not None]
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
        return f"{100 * value:.{0 if short else 1}f} %"
    digits = {"number": 2 if short else 3, "seconds": 3, "levels": 2}[unit]
    return f"{value:.{digits}f}{ {'seconds': ' s', 'levels': ' levels'}.get(unit, '') }"
