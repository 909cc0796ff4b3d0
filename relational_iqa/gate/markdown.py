"""The results of a gate as the summary of a pull request, in the Markdown of GitHub and GitLab."""

import re

from distortion_engine.jobs.printable import printable
from relational_iqa.gate.verdicts import STATUSES, Outcome
from relational_iqa.gate.words import TITLES, Results, numbers

_MARKS = {"failed": "❌", "error": "⚠️", "undecided": "❔", "new": "🆕", "passed": "✅", "unchanged": "✅"}
MOST_ROWS = 200
"""Of a table: a summary of GitHub has room for a megabyte, a comment for 65,536 letters."""


def markdown(results: Results) -> str:
    """The text: what failed in a table, all others folded, and the line that accepts the new state."""
    mark = "✅" if results.passes else "❌"
    against = f"`{_plain(results.labels[0])}` beside `{_plain(results.labels[1])}`"
    parts = [f"## {mark} Image quality: {results.headline}", f"{against}; margins in levels, positive: better."]
    stands = [outcome for status in ("failed", "error", "undecided") for outcome in results.of(status)]
    others = [outcome for status in STATUSES[3:] for outcome in results.of(status)]
    if stands:
        parts.append(_table(stands))
    if others:
        how_many = f"{len(others)} others" if stands else f"all {len(others)}"
        parts += [f"<details><summary>{how_many}</summary>", _table(others), "</details>"]
    if results.accept and not results.passes:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", results.accept)), default=0))
        parts.append(
            f"Where this is meant, accept the new state and commit it:\n\n{fence}bash\n{results.accept}\n{fence}"
        )
    if weights := results.meta.get("weights"):
        parts.append(f"<sub>riqa {results.meta.get('version', '')}, weights {_plain(str(weights))}</sub>")
    return "\n\n".join(parts) + "\n"


def _table(outcomes: list[Outcome]) -> str:
    rows = ["| | picture | margin | sure | accepted | |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for outcome in outcomes[:MOST_ROWS]:
        said = list(outcome.verdict.problems) or [TITLES[outcome.status] if outcome.status != "passed" else ""]
        sentence = "" if outcome.measured is None else outcome.measured.sentence
        words = "<br>".join(_plain(text) for text in (*said, sentence) if text)
        cells = " | ".join((_MARKS[outcome.status], _plain(outcome.name), *numbers(outcome), words))
        rows.append(f"| {cells} |")
    if len(outcomes) > MOST_ROWS:
        rows.append(f"| | and {len(outcomes) - MOST_ROWS} more | | | | |")
    return "\n".join(rows)


def _plain(text: str) -> str:
    """Text that no letter of Markdown or HTML in it changes."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#@])", r"\\\1", text)
