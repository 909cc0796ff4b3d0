"""Writes measured results into the card beside weights: `python -m experiments.pixel_perfect.card CARD RESULT.json`.

Only rows with a bound go on the card; the table has the others. The result has to be of the same weights.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from relational_iqa.storage.cards import write_card


def with_results(card: Mapping[str, Any], result: Mapping[str, Any], command: str, note: str = "") -> dict[str, Any]:
    """The card with `results` (value by row), `results_command` and `note`.

    Args:
        card: content of the JSON file of the card.
        result: content of the JSON file of the evaluation.
        command: that made the result.
        note: "" for none.

    Raises:
        UsageError: where card and result are of different weights.
    """
    measured = result["about"]["weights"]["sha256"]
    if measured != card["sha256"]:
        raise UsageError(f"the result is of weights {measured[:8]}, the card of {card['sha256'][:8]}: evaluate again")
    values, above = {}, ""
    for row in result["rows"]:
        above = above if row.get("part") else row["name"]
        if row.get("must") is not None or row.get("most") is not None:
            # Parts of several rows have the same name.
            values[f"{above}: {row['name']}" if row.get("part") else row["name"]] = row["value"]
    kept = {key: value for key, value in card.items() if key not in ("results", "results_command", "note")}
    return {**kept, **({"note": note} if note else {}), "results_command": command, "results": values}


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrites the card; exit code 0, or 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="python -m experiments.pixel_perfect.card", description=__doc__)
    parser.add_argument("card", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--note", default="", help="what the config does not say")
    parser.add_argument("--command", default="python -m experiments.pixel_perfect.evaluate --seeds 3")
    options = parser.parse_args(arguments)
    try:
        card, result = (json.loads(path.read_text(encoding="utf-8")) for path in (options.card, options.result))
        filled = with_results(card, result, options.command, options.note)
    except (OSError, ValueError, KeyError) as error:
        print(f"card: {error}", file=sys.stderr)
        return 2
    write_card(options.card, filled)
    return 0


if __name__ == "__main__":
    sys.exit(main())
