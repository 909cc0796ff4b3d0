"""Checkpoints that are damaged, foreign, hostile or of another stage are refused by name."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from distortion_engine.errors import UsageError
from relational_iqa.training.loop.checkpoint import load_checkpoint, save_checkpoint
from relational_iqa.training.loop.trainer import train
from tests.relational_iqa.training.loop.toy_stage import CONFIG, ToyStage, state_of


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "other"])
def test_damaged_checkpoint_is_named(damage: str, tmp_path: Path, finished: Path) -> None:
    path = tmp_path / "last.pt"
    data = bytearray((finished / "last.pt").read_bytes())
    if damage == "flipped":
        weight = state_of(finished)["ema"]["0.weight"].numpy().tobytes()
        data[data.index(weight) + 5] ^= 1
    content = {"cut": bytes(data[: len(data) // 2]), "flipped": bytes(data), "empty": b"", "text": b"no checkpoint"}
    if damage == "other":
        torch.save({"weight": torch.ones(1)}, path)
    else:
        path.write_bytes(content[damage])
    with pytest.raises(UsageError, match=r"last\.pt.*resume='never'"):
        train(ToyStage(), CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x00\x00\x00\x00\x00\x00\x00{}", r"is a safetensors file \(weights\), no training checkpoint"),
        (b"\x89PNG\r\n\x1a\n", r"is another kind of file \(it starts with b'.x89PNG"),
        (pickle.dumps({"step": 1}), "is a pickle of another program"),
    ],
)  # fmt: skip
def test_foreign_file_in_place_of_a_checkpoint_is_named_for_what_it_is(
    content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(UsageError, match=rf"last\.pt {said}.*resume='never'"):
        train(ToyStage(), CONFIG, tmp_path)


def test_code_or_a_bomb_in_a_checkpoint_is_refused_and_never_run(tmp_path: Path, finished: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save(Hostile(), tmp_path / "last.pt")
    with pytest.raises(UsageError, match=r"last\.pt cannot be read"):
        load_checkpoint(tmp_path / "last.pt", "toy")
    assert not (tmp_path / "ran").exists()
    with zipfile.ZipFile(finished / "last.pt") as stored, zipfile.ZipFile(tmp_path / "small.pt", "w") as squeezed:
        for entry in stored.infolist():
            squeezed.writestr(entry.filename, stored.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(UsageError, match=r"small\.pt cannot be read \(compressed"):
        load_checkpoint(tmp_path / "small.pt", "toy")


def test_checkpoint_of_another_stage_or_model_is_refused(tmp_path: Path, finished: Path) -> None:
    other = ToyStage()
    other.name = "other"
    with pytest.raises(UsageError, match="is of stage 'toy', this run is 'other'"):
        train(other, CONFIG, tmp_path, resume=finished)
    wider = ToyStage()
    wider.model = nn.Sequential(nn.Linear(3, 17), nn.BatchNorm1d(17), nn.Dropout(0.1), nn.Linear(17, 1))
    for stage in (wider, ToyStage(frozen=True)):
        with pytest.raises(UsageError, match="does not fit the model"):
            train(stage, CONFIG, tmp_path, resume=finished)


def test_failed_write_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"step": 1})
    with pytest.raises(Exception, match="local object"):  # that cannot be pickled; Python words it anew in 3.13
        save_checkpoint(tmp_path / "last.pt", {"step": lambda: 2})
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 1
