"""What the core system accepts, promises of its answers, and refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.catalog import AXES
from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import save_image
from relational_iqa.systems.pixel_perfect import RelationalIQA
from tests.relational_iqa.systems.comparisons import arrays_of, assert_equal

Scene = Callable[[int, int, int], Tensor]


def test_paths_pil_images_arrays_and_tensors_give_equal_results(
    random_model: RelationalIQA, versions: list[Tensor], tmp_path: Path
) -> None:
    eight_bit = [(image * 255).round().byte().permute(1, 2, 0).numpy() for image in versions[:3]]
    expected = random_model.compare(*eight_bit)
    for kind in ("path", "text", "pil", "float", "tensor", "batch of one"):
        sources: list[Any] = []
        for index, array in enumerate(eight_bit):
            tensor = torch.from_numpy(array).permute(2, 0, 1).float() / 255
            path = tmp_path / f"{index}.png"
            save_image(tensor, path)
            sources.append(
                {
                    "path": path,
                    "text": str(path),
                    "pil": Image.fromarray(array),
                    "float": array.astype(np.float32) / 255,
                    "tensor": tensor,
                    "batch of one": tensor[None],
                }[kind]
            )
        result = random_model.compare(*sources)
        assert_equal(result, expected)
        assert result.has_reference and result.names == (("0.png", "1.png") if kind in ("path", "text") else ("A", "B"))


def test_inputs_are_not_written(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    a, b, reference = (versions[i].numpy().transpose(1, 2, 0).copy() for i in (1, 2, 0))
    kept = [array.copy() for array in (a, b, reference)]
    random_model.compare(a, b, reference)
    assert all(np.array_equal(x, y) for x, y in zip((a, b, reference), kept, strict=True))


def test_maps_have_the_promised_type_shape_and_range(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    for reference in (None, versions[0]):
        result = random_model.compare(versions[1], versions[3], reference)
        assert list(result.maps) == [axis.name for axis in AXES]
        for values in {**arrays_of(result), "weight": result.weight}.values():
            assert values.dtype == np.float32 and values.shape == (80, 96) and values.full().flags.c_contiguous
        assert all(np.abs(values).max() <= 1 for values in result.maps.values())
        assert result.weight.min() > 0
    score = random_model.score(versions[1], versions[0])
    assert score.local_quality.dtype == np.float32 and score.local_quality.shape == (80, 96)
    assert list(score.distortions) == list(score.maps) == [axis.name for axis in AXES]


def test_answers_are_plain_json(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    answers = [
        random_model.compare(versions[1], versions[2]),
        random_model.compare(versions[1], versions[2], versions[0]),
        random_model.score(versions[1], versions[0]),
        random_model.rank(versions[1:]),
        random_model.rank(versions[1:], versions[0]),
    ]
    for answer in answers:
        data = answer.to_json()
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert data["meta"]["weights_sha256"] == "0" * 64 and data["meta"]["weights"] == "random"
        assert data["meta"]["size"] == "96 x 80" and data["meta"]["seconds"] >= 0
        assert answer.summary().endswith(".")


def test_same_images_give_the_same_bits_again(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    first, second = (random_model.compare(versions[1], versions[2], versions[0]) for _ in range(2))
    assert_equal(first, second)


def test_pixel_limit_and_smallest_side_are_refused_by_name(random_model: RelationalIQA, scene: Scene) -> None:
    with pytest.raises(ImageError, match="max_pixels|max-pixels"):
        random_model.compare(scene(40, 40, 1), scene(40, 40, 2), max_pixels=1000)
    with pytest.raises(ImageError, match="16"):
        random_model.compare(torch.rand(3, 15, 40), torch.rand(3, 15, 40))
