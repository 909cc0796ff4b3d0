"""What the tests of the evaluation share: a model that measures error, a photograph, and rows by name."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distortion_engine.catalog import AXES, AXIS_INDEX
from distortion_engine.reading.photos import is_held_out, list_photos
from experiments.pixel_perfect.table import Row
from relational_iqa.networks.joint_margin import PairVerdict

IMAGES = Path(__file__).parents[1] / "images"


class ErrorModel:
    """Quality is minus the mean absolute error; without reference it knows nothing; maps: all difference is noise."""

    meta: dict[str, Any] = {"name": "error", "sha256": "0"}

    def quality(self, image: Tensor, reference: Tensor) -> float:
        return float(self.quality_batch(image[None], reference[None])[0])

    def quality_batch(self, tests: Tensor, references: Tensor) -> Tensor:
        return -(tests - references).abs().mean((1, 2, 3))

    def margin_batch(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.zeros(len(a))

    def verdict_batch(self, a: Tensor, b: Tensor) -> PairVerdict:
        return PairVerdict(self.margin_batch(a, b), None, None)

    def relate_batch(self, a: Tensor, b: Tensor) -> Tensor:
        maps = torch.zeros(len(a), len(AXES), *a.shape[-2:])
        maps[:, AXIS_INDEX["noise"]] = (b - a).abs().mean(1)
        return maps

    def compare(self, a: Any, b: Any, reference: Any = None) -> None:
        return None

    def score(self, image: Any, reference: Any) -> None:
        return None


@pytest.fixture
def error_model() -> ErrorModel:
    """A model whose answers are known."""
    return ErrorModel()


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """A folder with one held-out and one training photograph."""
    folder = tmp_path / "photos"
    folder.mkdir()
    source = sorted(IMAGES.glob("*.png"))[0]
    for wanted in (True, False):
        number = next(n for n in range(1000) if is_held_out(f"photo{n}.png") == wanted)
        shutil.copy(source, folder / f"photo{number}.png")
    return folder


@pytest.fixture
def held_out(photo_folder: Path) -> list[Path]:
    """The held-out photograph alone."""
    return list_photos(photo_folder, "held_out")


@pytest.fixture
def by_name() -> Callable[[list[Row]], dict[str, Row]]:
    """by_name(rows): the first row of every name."""
    return lambda rows: {row.name: row for row in reversed(rows)}


@pytest.fixture
def no_judge() -> Callable[[Tensor, Tensor], Tensor]:
    """A judge that sees no difference anywhere."""
    return lambda test, reference: torch.zeros(len(test), 1)
