"""A finished run that several tests read."""

from pathlib import Path

import pytest

from relational_iqa.training.loop.trainer import train
from tests.relational_iqa.training.loop.toy_stage import CONFIG, ToyStage


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of CONFIG."""
    folder = tmp_path_factory.mktemp("finished")
    train(ToyStage(), CONFIG, folder)
    return folder
