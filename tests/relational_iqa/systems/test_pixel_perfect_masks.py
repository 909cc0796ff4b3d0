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


# -- what lies outside has no influence --------------------------------------------------------------------------------


def ellipse(height: int, width: int, top: int, left: int, tall: int, wide: int) -> Tensor:
    """(3, H, W): 1 in an ellipse, 0 outside."""
    y, x = torch.arange(height)[:, None] - top - tall / 2, torch.arange(width)[None] - left - wide / 2
    return ((2 * y / tall).square() + (2 * x / wide).square() < 1).float().expand(3, -1, -1).contiguous()


@pytest.mark.parametrize("referenced", [False, True])
def test_what_lies_outside_of_a_mask_changes_nothing_however_different_it_is(
    random_model: RelationalIQA, scene: Scene, referenced: bool
) -> None:
    images = [scene(80, 96, seed) for seed in ((1, 2, 3) if referenced else (1, 2))]
    mask = ellipse(80, 96, 10, 20, 50, 60)
    others = [
        torch.where(mask > 0, image, torch.rand(image.shape, generator=torch.Generator().manual_seed(seed)))
        for seed, image in enumerate(images)
    ]
    one = random_model.compare(images[0], images[1], *images[2:], mask=mask)
    other = random_model.compare(others[0], others[1], *others[2:], mask=mask)
    assert one.margin == other.margin != 0 and one.confidence == other.confidence
    assert one.visible_difference == other.visible_difference
    assert_equal(one, other)
    assert one.summary() == other.summary()


def test_nothing_outside_of_a_mask_is_listed(random_model: RelationalIQA, scene: Scene) -> None:
    a, mask = scene(96, 128, 1), ellipse(96, 128, 16, 60, 60, 60)
    b = torch.where(mask > 0, a, scene(96, 128, 2))
    b[:, 30:50, 80:100] = 1 - a[:, 30:50, 80:100]
    found = random_model.compare(a, b, mask=mask)
    assert found.shape == (59, 59) and found.origin == (61, 17) and found.regions
    for region in found.regions:
        left, top = region.to_json()["left"], region.to_json()["top"]
        assert 60 <= left and left + region.width <= 120 and 16 <= top and top + region.height <= 76
        assert f"at ({left}, {top})" in region.box
    assert not mask[0, 17:21, 61:65].any()  # the first cell, none of whose pixels count
    for name, values in arrays_of(found).items():
        assert not np.asarray(values.grid)[0, 0], name


@pytest.mark.parametrize("referenced", [False, True])
def test_a_rectangle_has_the_answer_of_the_cropped_pictures_as_mask_and_as_numbers(
    random_model: RelationalIQA, scene: Scene, referenced: bool
) -> None:
    images = [scene(80, 96, seed) for seed in ((1, 2, 3) if referenced else (1, 2))]
    mask = torch.zeros(3, 80, 96)
    mask[:, 7:55, 13:77] = 1
    cropped = random_model.compare(*(image[:, 7:55, 13:77].contiguous() for image in images))
    for region in ((13, 7, 64, 48), mask):
        whole = random_model.compare(*images, rois=[region])
        (part,) = whole.rois
        assert part.region.box == (13, 7, 64, 48) and part.share == pytest.approx(64 * 48 / (80 * 96))
        assert part.result.margin == cropped.margin and part.result.confidence == cropped.confidence
        assert_equal(part.result, cropped)
    assert_equal(whole, random_model.compare(*images))
    assert_equal(random_model.compare(*images, mask=mask), cropped)


def test_a_mask_far_from_its_border_sees_the_pixels_themselves(random_model: RelationalIQA, scene: Scene) -> None:
    """Up to the halo a masked answer is that of the picture: what is further inside than the networks reach."""
    a, b = scene(32, 864, 1), scene(32, 864, 2)
    mask = torch.ones(3, 32, 864)
    mask[:, ::2, :100] = 0  # no rectangle
    plain, masked = random_model.compare(a, b), random_model.compare(a, b, mask=mask)
    for name, values in arrays_of(masked).items():
        inside = np.asarray(values)[:, 100 + HALO_PX :]
        np.testing.assert_allclose(inside, np.asarray(arrays_of(plain)[name])[:, 100 + HALO_PX :], rtol=0, atol=1e-5)


def test_tiles_of_a_masked_picture_give_the_numbers_of_the_whole(random_model: RelationalIQA, scene: Scene) -> None:
    a, b, mask = scene(64, 1200, 1), scene(64, 1200, 2), ellipse(64, 1200, 2, 40, 60, 1100)
    tiled = RelationalIQA(random_model._networks._networks, random_model.meta, tile_px=400, whole_px=64 * 500)
    expected = random_model.compare(a, b, mask=mask).margin
    assert tiled.compare(a, b, mask=mask).margin == pytest.approx(expected, abs=1e-4)


def test_regions_that_are_none_are_refused(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    a, b = versions[1], versions[2]
    for region, said in (((90, 0, 16, 16), "does not lie"), ((0, 0, 3, 3), "at least"), ((-1, 0, 20, 20), "does not")):
        with pytest.raises(ImageError, match=said):
            random_model.compare(a, b, rois=[region])
