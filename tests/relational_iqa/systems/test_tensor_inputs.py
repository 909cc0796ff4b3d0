"""Batches of tensors: what is in another unit, shape or type is refused, not judged."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

import relational_iqa
from distortion_engine.errors import ImageError
from relational_iqa.systems import pmos, reiqa, spips
from relational_iqa.viewing.tensor_images import check_images

GOOD = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
IN_ANOTHER_UNIT: list[Callable[[Tensor], Tensor]] = [
    lambda images: images * 255,
    lambda images: images * 2 - 1,
    lambda images: images.where(images < 0.9, torch.nan),
    lambda images: images.where(images < 0.9, torch.inf),
]


@pytest.fixture(scope="module")
def calls() -> dict[str, tuple[Any, bool]]:
    """Functions of one or two images, and whether they take batches."""
    core, of_one, features, full_reference = relational_iqa.load(), pmos.load(), reiqa.load(), spips.load()
    return {
        "relate_batch": (core.relate_batch, True),
        "quality_batch": (core.quality_batch, True),
        "margin_batch": (core.margin_batch, True),
        "verdict_batch": (core.verdict_batch, True),
        "relate": (core.relate, False),
        "quality": (core.quality, False),
        "judgement": (core.judgement, False),
        "spips quality_batch": (full_reference.quality_batch, True),
        "spips quality": (full_reference.quality, False),
        "pmos maps_batch": (of_one.maps_batch, True),
        "pmos mos": (of_one.mos, False),
        "reiqa features_of_batch": (features.features_of_batch, True),
    }


OF_ONE = ("judgement", "pmos", "reiqa")
NAMES = (
    "relate_batch", "quality_batch", "margin_batch", "verdict_batch", "relate", "quality", "judgement",
    "spips quality_batch", "spips quality", "pmos maps_batch", "pmos mos", "reiqa features_of_batch",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_values_in_another_unit_are_refused_by_every_function(calls: dict[str, tuple[Any, bool]], name: str) -> None:
    call, batched = calls[name]
    good = GOOD if batched else GOOD[0]
    alone = name.startswith(OF_ONE)
    call(good) if alone else call(good, good)
    for change in IN_ANOTHER_UNIT:
        for images in [(change(good),)] if alone else [(change(good), good), (good, change(good))]:
            with pytest.raises(ImageError, match="expected 0 to 1; rescale it"):
                call(*images)


def first_number(found: Any) -> float:
    while not isinstance(found, float):
        found = found.item() if found.shape == () else found[0] if isinstance(found, np.ndarray) else found.flatten()[0]
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_every_floating_type_is_judged_as_float32(
    calls: dict[str, tuple[Any, bool]], name: str, dtype: torch.dtype
) -> None:
    call, batched = calls[name]
    coarse = (GOOD * 256).round() / 256  # exact in 16 bits, too
    images = [coarse, (coarse + coarse.flip(-1)) / 2][: 1 if name.startswith(OF_ONE) else 2]
    given = [image if batched else image[0] for image in images]
    found, wanted = call(*(image.to(dtype) for image in given)), call(*given)
    found, wanted = ((part[1] if name == "pmos maps_batch" else part) for part in (found, wanted))
    found, wanted = ((part.margin if name == "verdict_batch" else part) for part in (found, wanted))
    assert first_number(found) == first_number(wanted)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(OF_ONE)])
def test_images_of_different_sizes_are_refused(calls: dict[str, tuple[Any, bool]], name: str) -> None:
    call, batched = calls[name]
    good = GOOD if batched else GOOD[0]
    with pytest.raises((ImageError, TypeCheckError)):  # the latter in tests alone, from the shapes in the signature
        call(good, good[..., :47])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda images: (images * 255).byte(), "second: torch.uint8, expected floats in .0, 1.; divide"),
        (lambda images: images[..., :47], "first is .2, 3, 48, 48., second .2, 3, 48, 47.: expected equal shapes"),
        (lambda images: images.numpy(), "second: ndarray, expected a tensor .B, 3, H, W."),
        (lambda images: images[:, :1], "second: shape .2, 1, 48, 48., expected RGB .B, 3, H, W."),
        (lambda images: images[0], "expected RGB"),
    ],
)
def test_other_types_and_shapes_are_refused_by_name(change: Callable[[Tensor], Tensor], said: str) -> None:
    check_images(True, first=GOOD, second=GOOD)
    with pytest.raises(ImageError, match=said):
        check_images(True, first=GOOD, second=change(GOOD))


@pytest.mark.parametrize("name", NAMES)
def test_images_that_are_too_small_are_refused_as_files_are(calls: dict[str, tuple[Any, bool]], name: str) -> None:
    call, batched = calls[name]
    small = GOOD[..., :15] if batched else GOOD[0, ..., :15]
    with pytest.raises(ImageError, match="15x48 px; use a larger image, each side needs at least 16 px"):
        call(small) if name.startswith(OF_ONE) else call(small, small)


def test_errors_name_the_argument_of_the_function(calls: dict[str, tuple[Any, bool]]) -> None:
    for name, argument in (("margin_batch", "b"), ("relate_batch", "b"), ("quality_batch", "references")):
        with pytest.raises(ImageError, match=f"^{argument}: values from"):
            calls[name][0](GOOD, GOOD * 255)


def test_a_batch_of_nothing_is_refused(calls: dict[str, tuple[Any, bool]]) -> None:
    with pytest.raises(ImageError, match="no pixel"):
        calls["margin_batch"][0](GOOD[:0], GOOD[:0])


def test_values_a_little_outside_are_judged(calls: dict[str, tuple[Any, bool]]) -> None:
    margin = calls["margin_batch"][0](GOOD * 1.1 - 0.05, GOOD)
    assert margin.isfinite().all()
