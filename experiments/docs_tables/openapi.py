"""docs/openapi.json, the interface of `riqa serve` for programs: `python -m experiments.docs_tables.openapi`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from relational_iqa.web.openapi import openapi

PAGE = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the document, or says with --check whether it is up to date (exit code 1 where it is not)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE, help="the file to write")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where it is out of date")
    chosen = parser.parse_args(argv)
    wanted = json.dumps(openapi(), indent=2, ensure_ascii=False) + "\n"
    if chosen.check:
        current = chosen.page.exists() and chosen.page.read_text(encoding="utf-8") == wanted
        print(f"{chosen.page}: {'up to date' if current else 'out of date'}")
        return int(not current)
    chosen.page.write_text(wanted, encoding="utf-8")
    print(f"interface of riqa serve: {chosen.page.resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
