"""A card says where weights come from: written whole, read back, nothing in it that is not known."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from relational_iqa.storage.cards import WeightCard, read_card, write_card

CARD = WeightCard(
    name="mine",
    licence="free",
    data="3 ranked sets of 2 photographs",
    command="riqa pretrain --config CONFIG",
    config={"steps": 2},
    git_commit="0123456789ab",
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights, or what stands for one."""
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    return tmp_path / "mine.safetensors"


def test_a_card_is_read_back_as_it_was_written_with_the_hash_of_the_weights(weights: Path) -> None:
    path = write_card(weights, replace(CARD, seconds=3, results={"srcc": 0.5}))
    assert path == weights.with_suffix(".json") and sorted(weights.parent.iterdir()) == [path, weights]
    card = read_card(weights)
    assert card["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert card["name"] == "mine" and card["config"] == {"steps": 2} and card["seconds"] == 3
    assert card["results"] == {"srcc": 0.5} and card["opinions"] == "none"


def test_what_is_not_known_is_not_on_the_card(weights: Path) -> None:
    card = json.loads(write_card(weights, CARD).read_text(encoding="utf-8"))
    assert not {"seconds", "hardware", "stages", "started_from"} & card.keys()


def test_a_card_with_more_entries_is_written_as_it_is(tmp_path: Path) -> None:
    write_card(tmp_path / "mine.json", {"name": "mine", "note": "more"})
    assert read_card(tmp_path / "mine.json") == {"name": "mine", "note": "more"}
