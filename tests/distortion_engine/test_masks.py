"""Masks: a drawn place of a known size that only grows when its extent does."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distortion_engine.masks import MASK_KINDS, MaskSpec, render_mask
from distortion_engine.reading.image_io import load_image

PHOTO = load_image(Path(__file__).parents[1] / "images" / "photo_1.png")[:, :64, :80]
LOCAL = [kind for kind in MASK_KINDS if kind != "whole"]
kinds, seeds = st.sampled_from(LOCAL), st.integers(0, 2**31 - 2)
extents, softnesses = st.floats(0.05, 0.95), st.sampled_from([0.0, 0.05, 0.2, 0.4])
quick = settings(max_examples=60, deadline=None)


@quick
@given(kinds, seeds, extents, extents, softnesses)
def test_a_larger_extent_contains_a_smaller_one_at_every_pixel(kind, seed, one, other, softness):
    small, large = (
        render_mask(MaskSpec(kind, extent, softness, seed), PHOTO) for extent in (min(one, other), max(one, other))
    )
    assert bool((small <= large + 1e-5).all())
    assert bool((large <= render_mask(MaskSpec(kind, 1.0, softness, seed), PHOTO)).all())


@quick
@given(kinds, seeds, extents, softnesses)
def test_the_mean_of_a_mask_is_its_extent_and_values_span_zero_to_one(kind, seed, extent, softness):
    mask = render_mask(MaskSpec(kind, extent, softness, seed), PHOTO)
    assert mask.shape == (1, 64, 80) and mask.dtype == torch.float32
    assert float(mask.mean()) == pytest.approx(extent, abs=0.01)
    assert 0.0 <= float(mask.min()) < 0.01 and 0.99 < float(mask.max()) <= 1.0


@pytest.mark.parametrize("kind", LOCAL)
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_the_extent_is_met_on_a_flat_image_too(kind: str, level: float):
    mask = render_mask(MaskSpec(kind, 0.3, 0.0, 5), torch.full((3, 64, 80), level))
    assert float(mask.mean()) == pytest.approx(0.3, abs=0.001)


@pytest.mark.parametrize("kind", LOCAL)
def test_a_hard_edge_has_no_values_between_and_a_soft_one_has(kind: str):
    hard = render_mask(MaskSpec(kind, 0.4, 0.0, 3), PHOTO)
    soft = render_mask(MaskSpec(kind, 0.4, 0.4, 3), PHOTO)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    between = ((soft > 0.0) & (soft < 1.0)).float().mean()
    assert float(between) == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("kind", LOCAL)
def test_a_mask_is_a_function_of_its_spec_and_another_seed_is_another_place(kind: str):
    masks = [render_mask(MaskSpec(kind, 0.4, 0.2, seed), PHOTO) for seed in (7, 7, 8, 9, 10)]
    assert torch.equal(masks[0], masks[1])
    if kind in ("textured", "flat"):  # the place is the image's; the seed only breaks ties
        return
    assert any(not torch.equal(masks[0], mask) for mask in masks[2:])


def test_the_whole_image_is_covered_by_kind_whole_and_by_extent_one():
    for spec in (MaskSpec(), MaskSpec("whole", 0.3), MaskSpec("polygon", 1.0, 0.4, 3)):
        assert bool((render_mask(spec, PHOTO) == 1.0).all())


def test_textured_and_flat_masks_go_where_the_texture_is_and_is_not():
    noise = torch.rand(3, 64, 32, generator=torch.Generator().manual_seed(0))
    image = torch.cat([noise, torch.full((3, 64, 32), 0.5)], dim=2)
    textured, flat = (render_mask(MaskSpec(kind, 0.4, 0.0, 1), image)[0] for kind in ("textured", "flat"))
    assert float(textured[:, :32].mean()) > 0.75 and float(textured[:, 36:].max()) == 0.0
    assert float(flat[:, 32:].mean()) > 0.75 and float(flat[:, :28].max()) == 0.0


def test_an_unknown_kind_or_an_extent_out_of_range_is_refused_with_its_value():
    with pytest.raises(KeyError, match="'star'.*polygon"):
        render_mask(MaskSpec("star", 0.5), PHOTO)
    for extent in (0.0, -0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"{extent} is outside"):
            render_mask(MaskSpec("ramp", extent), PHOTO)
