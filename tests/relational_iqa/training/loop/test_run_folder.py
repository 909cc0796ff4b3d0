"""The folder of a run: no run goes on from checkpoints of another one, and only one writes at a time."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distortion_engine.errors import UsageError
from distortion_engine.jobs import safe_files
from distortion_engine.jobs.safe_files import sole_writer
from relational_iqa.storage.shipped import find_weights
from relational_iqa.training.data.training_sets import DataConfig
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.run_folder import RECORD_NAME, made_from, one_run_a_folder
from relational_iqa.training.pixel_perfect.pretrain import PretrainConfig

IMAGES = Path(__file__).parents[3] / "images"


@pytest.fixture
def config(tmp_path: Path) -> PretrainConfig:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in (1, 2):
        shutil.copy(IMAGES / f"photo_{number}.png", photos)
    stage = TrainConfig(steps=5, batch_size=6, learning_rate=3e-3)
    return PretrainConfig("mine", DataConfig(str(photos), seed=1), stage, stage, str(tmp_path / "run"))


@one_run_a_folder
def trained(config: PretrainConfig, resume: str = "auto", stages: tuple[str, ...] = ("distortion", "scoring")) -> str:
    """Stands for a training: leaves a checkpoint for each stage."""
    for stage in stages:
        (Path(config.out) / stage).mkdir(exist_ok=True)
        (Path(config.out) / stage / "last.pt").touch()
    return resume


def with_options(config: PretrainConfig, **options: Any) -> PretrainConfig:
    """`distortion__seed=4` is the seed of the distortion stage."""
    for name, value in options.items():
        part, _, key = name.partition("__")
        config = replace(config, **{part: replace(getattr(config, part), **{key: value}) if key else value})
    return config


def test_a_run_is_repeated_with_the_same_options_wherever_its_photographs_lie(
    config: PretrainConfig, tmp_path: Path
) -> None:
    assert trained(config) == "auto"
    photos = shutil.copytree(config.data.photos, tmp_path / "elsewhere")
    assert trained(with_options(config, data__photos=str(photos), data__workers=7, distortion__threads=3)) == "auto"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data__seed": 2}, r"\(data.seed 1, now 2\)"),
        ({"distortion__seed": 4}, r"\(distortion.seed 0, now 4\)"),
        ({"scoring__learning_rate": 0.5}, r"\(scoring.learning_rate 0.003, now 0.5\)"),
        ({"architecture__width": 16}, r"\(architecture.width 96, now 16\)"),
        ({"start_from": "riqa-small"}, r'\(start_from "", now "\w{12}..."\)'),
        ({"distortion__steps": 9}, r"\(distortion.steps 5, now 9\)"),  # of what the scoring stage was trained on
    ],
)
def test_a_run_of_something_else_is_refused_with_the_difference(
    config: PretrainConfig, options: dict[str, Any], said: str
) -> None:
    trained(config)
    record = (Path(config.out) / RECORD_NAME).read_bytes()
    with pytest.raises(UsageError, match=f"holds a run of something else {said}; give that again"):
        trained(with_options(config, **options))
    assert (Path(config.out) / RECORD_NAME).read_bytes() == record
    assert trained(with_options(config, **options), "never") == "never"
    assert trained(with_options(config, **options)) == "auto"


def test_photographs_of_the_same_names_and_other_content_are_something_else(config: PretrainConfig) -> None:
    trained(config)
    shutil.copy(IMAGES / "photo_3.png", Path(config.data.photos) / "photo_1.png")
    with pytest.raises(UsageError, match="data.photos"):
        trained(config)


def test_weights_to_start_from_are_told_apart_by_content(config: PretrainConfig, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    shutil.copy(find_weights("riqa-small"), start)
    run = replace(config, start_from=str(start))
    assert made_from(run) == made_from(replace(config, start_from="riqa-small"))
    trained(run)
    start.write_bytes(b"others")
    with pytest.raises(UsageError, match="start_from"):
        trained(run)


def test_all_stages_or_the_last_may_become_longer(config: PretrainConfig) -> None:
    trained(config)
    trained(with_options(config, scoring__steps=9))
    trained(with_options(config, scoring__steps=12, distortion__steps=9))


def test_a_first_stage_may_become_longer_before_the_next_has_begun(config: PretrainConfig) -> None:
    trained(config, stages=("distortion",))
    trained(with_options(config, distortion__steps=9))


def test_a_folder_of_a_former_version_is_gone_on_with_and_a_damaged_record_is_not(config: PretrainConfig) -> None:
    trained(config)
    record = Path(config.out) / RECORD_NAME
    record.unlink()
    assert trained(config) == "auto"
    for damage in ("", "[1]", '{"made_from": 3}', "[" * 100_000):
        record.write_text(damage)
        with pytest.raises(UsageError, match=r"run\.json: is damaged"):
            trained(config)
    assert trained(config, "never") == "never" and json.loads(record.read_text())["made_from"]["data.seed"] == 1


def test_a_second_run_in_the_folder_is_kept_out(config: PretrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_files, "_LOCK_PATIENCE_S", 0.0)
    Path(config.out).mkdir()
    with sole_writer(Path(config.out)), pytest.raises(UsageError, match="another run is writing here"):
        trained(config)


def test_the_result_does_not_replace_the_weights_that_it_starts_from(config: PretrainConfig) -> None:
    Path(config.out).mkdir()
    own = Path(config.out) / "mine.safetensors"
    shutil.copy(find_weights("riqa-small"), own)
    with pytest.raises(UsageError, match="is start_from, which the result would replace"):
        trained(replace(config, start_from=str(own)))


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(config: PretrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        trained(replace(config, out=str(tmp_path / "file" / "run")))


def test_other_processes_of_the_run_leave_the_folder_to_the_first(
    config: PretrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert trained(config, stages=()) == "auto" and not Path(config.out).exists()
