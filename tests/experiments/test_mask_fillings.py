"""experiments.benchmarks.mask_fillings: fillings are held against what really lies outside of a mask."""

from pathlib import Path

import pytest
import torch

from experiments.benchmarks import mask_fillings

IMAGES = Path(__file__).parents[1] / "images"


def test_every_filling_keeps_the_inside_and_only_that() -> None:
    image = torch.rand(3, mask_fillings.SIDE_PX, mask_fillings.SIDE_PX, generator=torch.Generator().manual_seed(1))
    for mask in mask_fillings.masks().values():
        assert 0.2 < float(mask.mean()) < 0.8
        for fill in mask_fillings.FILLINGS.values():
            found, other = fill(image, mask), fill(torch.where(mask > 0, image, 1 - image), mask)
            assert torch.equal(found, other) and torch.equal(found[mask > 0], image[mask > 0])


def test_the_table_has_a_row_for_each_filling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_fillings, "DAMAGES", ("white_noise",))
    monkeypatch.setattr(mask_fillings, "SIDE_PX", 64)
    disc = mask_fillings.masks()["disc"]
    monkeypatch.setattr(mask_fillings, "masks", lambda: {"disc": disc})
    lines = mask_fillings.table([IMAGES / "photo_1.png"]).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:5]] == list(mask_fillings.FILLINGS)
    assert lines[-1].startswith("1 pairs, mean margin ")
