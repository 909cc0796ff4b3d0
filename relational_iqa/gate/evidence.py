"""What a person wants to see of a gate that fails: a report for each picture, a page that links them, the line that
accepts the new state."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from relational_iqa.folders.compared_files import ComparedFiles
from relational_iqa.folders.index_page import thumbnails
from relational_iqa.gate.verdicts import Outcome, counts
from relational_iqa.gate.words import TITLES, Results, numbers
from relational_iqa.report.html import render_page, write_page
from relational_iqa.report.link import Link

INDEX = "index.html"
REPORTS = "pictures"


def write_evidence(folder: str | Path, command: str | None, outcome: Outcome, compared: ComparedFiles) -> Outcome:
    """Writes the report of a picture below a folder; the outcome with its address and with thumbnails. Raises
    UsageError, OSError where that cannot be done."""
    place = Path(REPORTS, *_parts(outcome.name))
    target = place.with_name(place.name + ".html")
    up = "../" * (len(target.parts) - 1)
    compared.write_report(Path(folder, target), command, Link(up + INDEX, "All pictures"))
    return replace(outcome, report=quote(target.as_posix()), thumbnails=thumbnails(compared))


def write_index(folder: str | Path, results: Results, facts: Sequence[tuple[str, str]] = ()) -> Path:
    """Writes `index.html` into a folder and returns its path: what failed first, each with its report and with the line
    that accepts it. Raises UsageError, OSError where that cannot be done.

    Args:
        folder: where `write_evidence` wrote.
        results: of all pictures.
        facts: what stands at the foot, name and value.
    """
    shown = [
        (TITLES[status], [(one, numbers(one), results.accept_only(one) if status != "error" else "") for one in listed])
        for status in ("failed", "error", "undecided")
        if (listed := results.of(status))
    ]
    found = counts(results.outcomes)
    others = [
        (TITLES[status], [(one, numbers(one)) for one in listed])
        for status in ("new", "passed", "unchanged")
        if (listed := results.of(status))
    ]
    page = render_page(
        "gate.html.j2", results=results, shown=shown, others=others, facts=list(facts),
        counts=[(TITLES[status], number) for status, number in found.items() if number],
    )  # fmt: skip
    return write_page(page, Path(folder) / INDEX)


def _parts(name: str) -> list[str]:
    """The parts of a name as names of folders and of a file: none leads out of the folder."""
    return [part if part not in ("", ".", "..") else "_" for part in name.split("/")]
