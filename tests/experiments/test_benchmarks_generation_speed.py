"""The measurement of `riqa generate` covers every format that images are stored in."""

import json
from pathlib import Path

import pytest
import torch

from distortion_engine.generation.choices import IMAGE_FORMATS, ImageFormat
from distortion_engine.generation.options import GenerateOptions
from experiments.benchmarks import generation_speed

PHOTOS = Path(__file__).parents[1] / "images"


def test_parts_and_whole_runs_are_measured_in_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    path = tmp_path / "speed.json"
    generation_speed.main([str(PHOTOS), "--sets", "2", "--sizes", "32", "--workers", "1", "--json", str(path)])
    measured = json.loads(path.read_text())
    assert {f"encode {name}" for name in IMAGE_FORMATS} < set(measured["ms_of_cpu_per_image"]["32"])
    assert [run["format"] for run in measured["runs"]] == list(IMAGE_FORMATS)
    assert all(run["images_per_s"] > 0 and run["kB_per_set"] > 0 for run in measured["runs"])


@pytest.mark.parametrize("image_format", IMAGE_FORMATS)
def test_the_default_sizes_suit_every_format(image_format: ImageFormat):
    for size_px in generation_speed.SIZES_PX:
        assert GenerateOptions(2, size_px=size_px, image_format=image_format).size_px == size_px
