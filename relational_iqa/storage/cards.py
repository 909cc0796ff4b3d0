"""The card beside weights, NAME.json beside NAME.safetensors: where they come from and under which licence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distortion_engine.jobs.safe_files import atomic_file, file_sha256
from relational_iqa.storage.opinions import NO_OPINIONS

FREE_LICENCE = "Apache-2.0 (weights); photographs under the licences in their manifest"
NO_HUMAN_SCORE = "no human score in losses, choice of checkpoint or severity curves"


@dataclass(frozen=True)
class WeightCard:
    """Facts about a file of weights.

    Args:
        name: name of the weights.
        licence: licence of the weights and of what they were made from.
        data: what they were trained on.
        command: how they were trained.
        config: all options of that command, plain data.
        git_commit: commit of the code that ran.
        opinions: whose judgments they were fitted to, "none" for nobody's.
        started_from: name, sha256 and opinions of the weights that the training started from; None for random ones.
        seconds: training time.
        hardware: hardware of the training.
        stages: results of each stage of the training.
        results: measured values by name.
    """

    name: str
    licence: str
    data: str
    command: str
    config: Mapping[str, Any]
    git_commit: str
    opinions: str = NO_OPINIONS
    started_from: Mapping[str, Any] | None = None
    seconds: int | None = None
    hardware: str | None = None
    stages: Sequence[Mapping[str, Any]] | None = None
    results: Mapping[str, Any] = field(default_factory=dict)


def card_path(weights: Path) -> Path:
    """Where the card of a file of weights lies."""
    return weights.with_suffix(".json")


def write_card(weights: Path, card: WeightCard | Mapping[str, Any]) -> Path:
    """Writes the card beside `weights` and returns its path; what is None is left out.

    A WeightCard gets the sha256 of the file `weights` as well, which has to be there.
    """
    content = dict(card) if isinstance(card, Mapping) else {"sha256": file_sha256(weights), **asdict(card)}
    text = json.dumps({key: value for key, value in content.items() if value is not None}, indent=1)
    with atomic_file(card_path(weights)) as file:
        file.write((text + "\n").encode())
    return card_path(weights)


def read_card(weights: Path) -> dict[str, Any]:
    """The card beside `weights` as plain data; OSError or ValueError where there is none to read."""
    try:
        card: Any = json.loads(card_path(weights).read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{card_path(weights)}: is nested too deeply") from error
    if not isinstance(card, dict):
        raise ValueError(f"{card_path(weights)}: holds {type(card).__name__}, expected a mapping")
    return card
