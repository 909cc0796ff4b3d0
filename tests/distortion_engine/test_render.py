"""render: what a recipe says is what happened, where it says, and nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.masks import MaskSpec, render_mask
from distortion_engine.reading.image_io import load_image
from distortion_engine.recipe import Recipe, Step
from distortion_engine.render import apply_step, render
from distortion_engine.sampling import sample_set
from distortion_engine.severity import amount_for, max_severity

PHOTO = load_image(Path(__file__).parents[1] / "images" / "photo_2.png")[:, 20:84, 30:110]
HARD, SOFT = MaskSpec("ellipse", 0.4, 0.0, 11), MaskSpec("blobs", 0.4, 0.4, 11)
EACH = pytest.mark.parametrize("name", DISTORTIONS)


def step(name: str, severity: float, mask: MaskSpec = HARD, seed: int = 3) -> Step:
    severity = min(severity, max_severity(name))
    params = DISTORTIONS[name].sample_params(np.random.default_rng(1))
    return Step(name, severity, amount_for(name, severity), params, mask, seed)


@EACH
def test_pixels_outside_the_mask_stay_equal_to_the_bit_and_some_inside_change(name: str):
    result = render(PHOTO, Recipe((step(name, 0.8),)))
    mask = render_mask(HARD, PHOTO)[0] > 0
    changed = (result.image != PHOTO).any(0)
    assert not bool(changed[~mask].any())
    assert float(changed[mask].float().mean()) > 0.02


@EACH
def test_the_field_is_sign_times_severity_times_mask_on_its_own_axis_alone(name: str):
    spec, done = DISTORTIONS[name], step(name, 0.6, SOFT)
    result = render(PHOTO, Recipe((done,)))
    mask = render_mask(SOFT, PHOTO)
    if spec.support is not None:  # only the pixels that are replaced
        generator = torch.Generator().manual_seed(done.seed)
        mask = mask * spec.support(done.amount, generator, *PHOTO.shape[1:], **done.params)
    if spec.profile is not None:  # stronger in some places than in others
        mask = mask * spec.profile(done.amount, done.params, *PHOTO.shape[1:])
    claimed = (spec.sign * done.severity * mask[0]).clamp(-1.0, 1.0)
    own = AXIS_INDEX[spec.axis]
    assert torch.allclose(result.field[own], claimed, atol=1e-6) and bool(claimed.any())
    others = [index for index in range(len(AXES)) if index != own]
    assert not bool(result.field[others].any())


def test_where_a_support_is_zero_nothing_changes_and_nothing_is_claimed():
    result = render(PHOTO, Recipe((step("color_blocks", 0.8, MaskSpec()),)))
    untouched = result.field[AXIS_INDEX["local_damage"]] == 0
    assert 0.02 < float(untouched.float().mean()) < 0.99
    assert torch.equal(result.image[:, untouched], PHOTO[:, untouched])


@pytest.mark.parametrize("name", [name for name, spec in DISTORTIONS.items() if spec.profile is not None])
def test_uneven_damage_claims_its_severity_on_the_mean_and_most_where_it_changes_most(name: str):
    spec = DISTORTIONS[name]
    edges = torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(5))
    image = edges if name == "radial_fringing" else torch.full((3, 64, 80), 0.5)
    done = step(name, 0.3, MaskSpec())
    result = render(image, Recipe((done,)))
    field = spec.sign * result.field[AXIS_INDEX[spec.axis]]
    assert float(field.mean()) == pytest.approx(done.severity, rel=0.02) and float(field.max()) > 1.3 * done.severity
    change = (result.image - image).abs().amax(0)
    cells = [torch.nn.functional.avg_pool2d(part[None], 16).flatten() for part in (field, change)]
    assert float(torch.corrcoef(torch.stack(cells))[0, 1]) > 0.85


def test_vignetting_claims_nothing_at_the_centre_and_the_field_stops_at_one_in_the_corners():
    field = render(PHOTO, Recipe((step("vignetting", 1.0, MaskSpec()),))).field[AXIS_INDEX["brightness"]]
    assert float(field[31:33, 39:41].abs().max()) < 0.02 and float(field[0, 0]) == -1.0


def test_a_last_block_that_is_half_there_is_mixed_in_once():
    amount = 2.0  # of 64 x 80 px: a block of 8 px and a fraction
    alone = DISTORTIONS["color_blocks"].apply(PHOTO, amount, torch.Generator().manual_seed(3), side_px=8.0)
    done = Step("color_blocks", 0.3, amount, {"side_px": 8.0}, MaskSpec(), 3)
    assert torch.equal(render(PHOTO, Recipe((done,))).image, alone)


def test_a_recipe_without_steps_is_the_reference_with_field_zero():
    result = render(PHOTO, Recipe())
    assert torch.equal(result.image, PHOTO) and not bool(result.field.any()) and bool((result.validity == 1).all())
    assert result.field.shape == (len(AXES), 64, 80) and result.validity.shape == (1, 64, 80)


@EACH
def test_rendering_writes_nothing_and_gives_the_same_bits_again(name: str):
    before, recipe = PHOTO.clone(), Recipe((step(name, 0.7, SOFT), step("white_noise", 0.3, HARD)))
    torch.manual_seed(1)
    first = render(PHOTO, recipe)
    torch.manual_seed(2)  # hidden draws from the global generator would differ
    second = render(PHOTO, recipe)
    assert torch.equal(PHOTO, before)
    for part in ("image", "field", "validity"):
        assert torch.equal(getattr(first, part), getattr(second, part))


def test_steps_on_one_axis_add_up_and_stop_at_one():
    steps = (step("white_noise", 0.7, MaskSpec()), step("film_grain", 0.2, MaskSpec()), step("brighten", 0.3))
    once, noisy = AXIS_INDEX["brightness"], AXIS_INDEX["noise"]
    two = render(PHOTO, Recipe(steps)).field
    assert torch.allclose(two[noisy], torch.full_like(two[noisy], 0.9), atol=1e-6)
    more = render(PHOTO, Recipe((*steps, step("raw_noise", 0.6, MaskSpec())))).field
    assert bool((more[noisy] == 1.0).all())
    assert torch.equal(two[once], more[once])


def test_opposite_steps_cancel_in_the_field():
    steps = (step("saturate", 0.5, MaskSpec()), step("desaturate", 0.2, MaskSpec()))
    field = render(PHOTO, Recipe(steps)).field[AXIS_INDEX["saturation"]]
    assert torch.allclose(field, torch.full_like(field, 0.3), atol=1e-6)


def test_the_order_of_steps_matters_and_is_kept():
    blur, noise = step("gaussian_blur", 0.8, MaskSpec()), step("white_noise", 0.8, MaskSpec())
    noisy, smooth = (render(PHOTO, Recipe(steps)).image for steps in ((blur, noise), (noise, blur)))
    gradients = [float((image[:, :, 1:] - image[:, :, :-1]).abs().mean()) for image in (noisy, smooth)]
    assert gradients[0] > 2 * gradients[1]


def test_image_driven_masks_look_at_the_reference_not_at_earlier_steps():
    texture = MaskSpec("textured", 0.3, 0.0, 2)
    blurred = render(PHOTO, Recipe((step("gaussian_blur", 1.0, MaskSpec()),))).image
    assert torch.equal(apply_step(blurred, step("darken", 0.8, texture), PHOTO)[1], render_mask(texture, PHOTO))


@pytest.mark.parametrize("name", ["saturate", "desaturate", "hue_rotate_warm", "color_diffusion"])
def test_a_change_of_colour_on_grey_is_no_evidence(name: str):
    grey = PHOTO[1:2].repeat(3, 1, 1)
    done = step(name, 0.6)
    outside = render_mask(HARD, grey) == 0
    assert not bool(render(grey, Recipe((done,))).validity[~outside].any())
    assert bool((render(grey, Recipe((done,))).validity[outside] == 1).all())


def test_blur_is_evidence_on_texture_and_none_on_a_flat_patch():
    noise = torch.rand(3, 64, 48, generator=torch.Generator().manual_seed(0))
    image = torch.cat([noise, torch.full((3, 64, 48), 0.5)], dim=2)
    validity = render(image, Recipe((step("gaussian_blur", 0.6, MaskSpec()),))).validity[0]
    assert bool((validity[:, :48] == 1).all()) and not bool(validity[:, 72:].any())


@pytest.mark.parametrize("name", ["impulse_noise", "dead_pixels"])
def test_sparse_impulses_are_evidence_around_themselves_and_nowhere_else(name: str):
    flat = torch.full((3, 96, 128), 0.5)
    spec = DISTORTIONS[name]
    done = Step(name, 0.1, 0.1 * spec.ladder[0], {}, MaskSpec(), 4)
    result = render(flat, Recipe((done,)))
    hit = ((result.image - flat).abs().amax(0) > 0.1).float()
    assert 1 <= int(hit.sum()) <= 40
    near = torch.nn.functional.max_pool2d(hit[None], 17, stride=1, padding=8)[0] > 0
    assert torch.equal(result.validity[0] > 0, near) and 0.05 < float(near.float().mean()) < 0.95


@pytest.mark.parametrize("name", ["brighten", "white_noise", "gaussian_blur", "jpeg", "haze", "jitter"])
def test_a_clear_change_of_a_textured_photograph_is_evidence_almost_everywhere(name: str):
    textured = torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(4)) * 0.5 + 0.5 * PHOTO
    assert float(render(textured, Recipe((step(name, 0.6, MaskSpec()),))).validity.mean()) > 0.95


def test_a_set_renders_within_range_whatever_was_drawn():
    for seed in range(12):
        for member in sample_set(np.random.default_rng(seed)).members:
            result = render(PHOTO, member)
            assert bool(torch.isfinite(result.image).all()) and float(result.field.abs().max()) <= 1.0
            assert 0.0 <= float(result.image.min()) and float(result.image.max()) <= 1.0
            assert set(result.validity.unique().tolist()) <= {0.0, 1.0}


def test_an_unknown_distortion_is_refused_by_name():
    with pytest.raises(KeyError, match="sparkle"):
        render(PHOTO, Recipe((replace(step("jpeg", 0.5), distortion="sparkle"),)))
