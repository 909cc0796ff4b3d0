"""The tables of options in docs/commands.md, from the dataclasses: `python -m experiments.docs_tables.commands`.

Only the tables change; what stands around them is written by hand.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import MISSING
from pathlib import Path

from relational_iqa.cli import COMMANDS
from relational_iqa.commands.options import Option, options_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
HEAD = "| option | default | meaning |\n| --- | --- | --- |\n"
_TABLE = re.compile(re.escape(HEAD) + r"(\|.*\n)*")


def table(name: str) -> str:
    """The table of the options of a command, as Markdown."""
    return HEAD + "".join(_row(option) for option in options_of(COMMANDS[name].options))


def page_with_tables(page: str) -> str:
    """The page with the table of each section `## riqa NAME` written anew. ValueError where a section has none."""
    before, *sections = re.split(r"^(?=## riqa )", page, flags=re.MULTILINE)
    written = []
    for section in sections:
        name = section.split("\n", 1)[0].removeprefix("## riqa ").strip()
        fresh = table(name)
        section, count = _TABLE.subn(lambda _, fresh=fresh: fresh, section)
        if count != 1:
            raise ValueError(f"section riqa {name}: expected one table that begins with {HEAD!r}, found {count}")
        written.append(section)
    return before + "".join(written)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the page, or says with --check whether it is up to date (exit code 1 where it is not)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a table is out of date")
    chosen = parser.parse_args(argv)
    there = chosen.page.read_text(encoding="utf-8")
    wanted = page_with_tables(there)
    if chosen.check:
        print(f"{chosen.page}: {'up to date' if there == wanted else 'out of date'}")
        return int(there != wanted)
    chosen.page.write_text(wanted, encoding="utf-8")
    print(f"tables of {len(COMMANDS)} commands: {chosen.page.resolve()}")
    return 0


def _row(option: Option) -> str:
    value = option.shown_value
    names = [f"{flag} {value}".strip() for flag in option.flags] or [value]
    default = "required" if option.default is MISSING else _default(option)
    help = option.help
    if option.choices and option.metavar:
        help += f" One of {', '.join(map(str, option.choices))}."
    cells = [", ".join(f"`{name}`" for name in names), default, help]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def _default(option: Option) -> str:
    return "" if option.is_switch or option.default is None or option.default == () else f"`{option.default}`"


if __name__ == "__main__":
    raise SystemExit(main())
