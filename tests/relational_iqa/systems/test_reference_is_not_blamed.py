"""Beside a reference, defects of an image are told from its own relation to the reference: one that equals it has none.

The manipulations are those with which an earlier version blamed the reference, on photographs, with shipped weights.
"""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

import relational_iqa
from distortion_engine.catalog import AXES
from relational_iqa.systems.network_inference import has_and_lacks
from relational_iqa.systems.pixel_perfect import RelationalIQA


def _webp(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=20)
    return Image.open(file).convert("RGB")


MANIPULATIONS = {
    "median": lambda image: image.filter(ImageFilter.MedianFilter(5)),
    "unsharp": lambda image: image.filter(ImageFilter.UnsharpMask(3, 150)),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.4),
    "shift": lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0, 2, 0, 1, 0)),
    "webp": _webp,
}


@pytest.fixture(scope="module")
def model() -> RelationalIQA:
    return relational_iqa.load()


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_an_image_that_equals_the_reference_has_no_defect(name: str, model: RelationalIQA, photos: list[Tensor]):
    for photo in photos[:2]:
        pristine = Image.fromarray((photo[:, :192, :192].permute(1, 2, 0) * 255).round().byte().numpy())
        changed = MANIPULATIONS[name](pristine)
        for first, second, side in ((pristine, changed, "b"), (changed, pristine, "a")):
            result = model.compare(first, second, pristine, names=("first", "second"))
            assert {finding.side for finding in result.findings} <= {side}
            clean = "first" if side == "b" else "second"
            assert f"{clean} is more" not in result.summary() and "though" not in result.summary()


def test_what_an_image_has_and_lacks_is_never_negative_but_on_two_sided_axes():
    maps = torch.rand(2, len(AXES), 3, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = has_and_lacks(maps)
    two_sided = [k for k, axis in enumerate(AXES) if axis.two_sided]
    for k, axis in enumerate(AXES):
        assert torch.equal(found[:, k], maps[:, k] if axis.two_sided else maps[:, k].clamp_min(0))
    for row, k in enumerate(two_sided, len(AXES)):
        assert torch.equal(found[:, row], (-maps[:, k]).clamp_min(0))
    assert found.shape[1] == len(AXES) + len(two_sided)
    assert not has_and_lacks(torch.zeros_like(maps)).any()


def test_what_is_lacking_is_known_beside_a_reference_alone(model: RelationalIQA, photos: list[Tensor]):
    a, b = photos[0][:, :96, :96], (photos[0][:, :96, :96] * 0.7)
    beside, alone = model.compare(a, b, a), model.compare(a, b)
    assert sorted(beside.lacks) == sorted(axis.name for axis in AXES if axis.two_sided) and not alone.lacks
    assert all(np.all(values.full() >= 0) for values in beside.lacks.values())  # a is the reference and lacks nothing
    assert beside.lacks["brightness"].mean() > 0.1
