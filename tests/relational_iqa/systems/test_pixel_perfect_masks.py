"""The model with a mask: only what is white counts."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.errors import ImageError
from relational_iqa.results.comparison import Comparison
from relational_iqa.systems.pixel_perfect import RelationalIQA
from relational_iqa.tiling.tile_geometry import HALO_PX

Scene = Callable[[int, int, int], Tensor]


def arrays_of(result: Comparison) -> dict[str, np.ndarray]:
    """Every array of a comparison that changes sign with the order of its images."""
    return {**result.maps, "local margin": result.local_margin}


def assert_equal(one: Comparison, other: Comparison, tolerance: float = 0.0) -> None:
    assert one.margin == pytest.approx(other.margin, abs=tolerance)
    for name, values in {**arrays_of(one), "weight": one.weight}.items():
        np.testing.assert_allclose(values, {**arrays_of(other), "weight": other.weight}[name], rtol=0, atol=tolerance)


# -- masks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("referenced", [False, True])
def test_a_difference_far_from_the_white_region_does_not_change_the_margin(
    random_model: RelationalIQA, scene: Scene, referenced: bool
) -> None:
    a = scene(32, 864, 1)
    reference = scene(32, 864, 3) if referenced else None
    b, other = scene(32, 864, 2), scene(32, 864, 4)
    b_elsewhere = torch.cat([other[..., :400], b[..., 400:]], -1)
    mask = torch.zeros(3, 32, 864)
    mask[..., 400 + HALO_PX :] = 1
    plain, changed = (random_model.compare(a, x, reference, mask=mask) for x in (b, b_elsewhere))
    assert changed.margin == plain.margin != 0
    assert random_model.compare(a, b_elsewhere, reference).margin != random_model.compare(a, b, reference).margin


@pytest.mark.parametrize("referenced", [False, True])
def test_images_equal_around_the_white_region_tie(random_model: RelationalIQA, scene: Scene, referenced: bool) -> None:
    a, other = scene(32, 864, 1), scene(32, 864, 2)
    b = torch.cat([other[..., :400], a[..., 400:]], -1)
    mask = torch.zeros(3, 32, 864)
    mask[..., 400 + HALO_PX :] = 1
    reference = scene(32, 864, 3) if referenced else None
    assert random_model.compare(a, b, reference, mask=mask).margin == 0
    assert random_model.compare(a, b, reference, mask=1 - mask).margin != 0


def test_white_mask_changes_nothing_and_grey_only_weighs(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    a, b = versions[1], versions[2]
    plain = random_model.compare(a, b)
    assert_equal(random_model.compare(a, b, mask=torch.ones_like(a)), plain)
    grey = random_model.compare(a, b, mask=torch.full_like(a, 0.5))
    assert grey.margin == pytest.approx(plain.margin, rel=1e-5)


def test_unusable_masks_are_refused(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    a, b = versions[1], versions[2]
    with pytest.raises(ImageError, match="black everywhere"):
        random_model.compare(a, b, mask=torch.zeros_like(a))
    with pytest.raises(ImageError, match="96 ?x ?80"):
        random_model.compare(a, b, mask=torch.ones(3, 64, 64))
    resized = random_model.compare(a, b, mask=torch.ones(3, 64, 64), align="resize")
    assert resized.margin == pytest.approx(random_model.compare(a, b).margin, rel=1e-5)
