"""Cards of weights carry what was measured on these weights and on no others."""

import json
from pathlib import Path

import pytest

from experiments.pixel_perfect.card import main

CARD = {"name": "tiny", "sha256": "ab" * 32, "note": "old", "results": {"old row": 1.0}}
ROWS = [
    {"name": "order", "value": 0.98, "must": 0.99},
    {"name": "part of it", "value": 0.5, "must": None, "part": True},
    {"name": "sign", "value": 0.97, "must": 0.9},
    {"name": "foreign", "value": 0.8, "must": 0.7},
    {"name": "sign", "value": 0.6, "must": 0.5, "part": True},
    {"name": "false alarms", "value": 0.01, "must": None, "most": 0.03},
]


def written(folder: Path, sha256: str) -> tuple[Path, Path]:
    card, result = folder / "tiny.json", folder / "result.json"
    card.write_text(json.dumps(CARD))
    result.write_text(json.dumps({"about": {"weights": {"sha256": sha256}}, "rows": ROWS}))
    return card, result


def test_rows_with_bounds_replace_what_stood_there(tmp_path: Path) -> None:
    card, result = written(tmp_path, CARD["sha256"])
    assert main([str(card), str(result), "--note", "new"]) == 0
    filled = json.loads(card.read_text())
    expected = {"order": 0.98, "sign": 0.97, "foreign": 0.8, "foreign: sign": 0.6, "false alarms": 0.01}
    assert filled["results"] == expected and filled["note"] == "new" and filled["name"] == "tiny"


def test_results_of_other_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card, result = written(tmp_path, "cd" * 32)
    assert main([str(card), str(result)]) == 2
    assert "cdcdcdcd" in capsys.readouterr().err and json.loads(card.read_text()) == CARD
