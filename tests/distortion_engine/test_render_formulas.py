"""render against its formulas: mixing by the mask, the signed sum of the field, and the thresholds of evidence."""

import numpy as np
import pytest
import torch

from distortion_engine.catalog import AXIS_INDEX, DISTORTIONS
from distortion_engine.masks import MaskSpec, render_mask
from distortion_engine.recipe import Recipe, Step
from distortion_engine.render import render
from tests.distortion_engine.distortions.literal import PHOTO, array, seeded

HALF = MaskSpec("blobs", 0.5, 0.6, 4)


def test_pixels_under_a_soft_mask_are_mixed_in_proportion_to_it():
    amount = DISTORTIONS["gaussian_blur"].ladder[3]
    mask = array(render_mask(HALF, PHOTO))
    blurred = array(DISTORTIONS["gaussian_blur"].apply(PHOTO, amount, seeded()))
    result = render(PHOTO, Recipe((Step("gaussian_blur", 0.8, amount, {}, HALF),))).image
    assert np.abs(array(result) - (mask * blurred + (1.0 - mask) * array(PHOTO))).max() < 1e-6


@pytest.mark.parametrize(("name", "sign"), [("darken", -1), ("brighten", +1), ("gaussian_blur", -1), ("sharpen", +1)])
def test_the_field_has_the_sign_of_the_direction_in_which_the_image_moved(name: str, sign: int):
    spec = DISTORTIONS[name]
    field = render(PHOTO, Recipe((Step(name, 0.4, spec.ladder[1], {}, MaskSpec()),))).field[AXIS_INDEX[spec.axis]]
    assert torch.allclose(field, torch.full_like(field, sign * 0.4))


@pytest.mark.parametrize(("code_values", "valid"), [(0.4, 0.0), (0.6, 1.0)])
def test_a_change_of_half_a_code_value_on_the_mean_is_evidence(code_values: float, valid: float):
    flat = torch.full((3, 48, 64), 0.5)
    step = Step("mean_shift_up", 0.1, code_values / 255.0)
    assert set(render(flat, Recipe((step,))).validity.unique().tolist()) == {valid}


@pytest.mark.parametrize(("code_values", "valid"), [(7.0, False), (9.0, True)])
def test_a_lone_pixel_is_evidence_around_itself_from_eight_code_values_on(code_values: float, valid: bool):
    flat = torch.full((3, 96, 128), code_values / 255.0)  # pepper changes a pixel by all that it has
    result = render(flat, Recipe((Step("impulse_noise", 0.1, 0.0003, {}, MaskSpec(), 2),)))
    pepper, salt = ((result.image == value).any(dim=0).float() for value in (0.0, 1.0))
    near_pepper, near_salt = (
        torch.nn.functional.max_pool2d(hit[None], 2 * reach + 1, stride=1, padding=reach)[0] > 0
        for hit, reach in ((pepper, 8), (salt, 20))
    )
    alone = near_pepper & ~near_salt
    assert int(alone.sum()) > 100
    assert bool((result.validity[0][alone] == float(valid)).all())


@pytest.mark.parametrize(("severity", "valid"), [(0.01, 1.0), (0.1, 0.0)])
def test_only_a_step_that_claims_something_needs_evidence(severity: float, valid: float):
    grey = PHOTO[1:2].repeat(3, 1, 1)
    validity = render(grey, Recipe((Step("saturate", severity, 1.0),))).validity
    assert set(validity.unique().tolist()) == {valid}


def test_a_place_without_evidence_stays_so_whatever_other_steps_do():
    grey = PHOTO[1:2].repeat(3, 1, 1)
    steps = (Step("saturate", 0.5, 1.0), Step("brighten", 0.5, 0.8))
    assert float(render(grey, Recipe(steps)).validity.max()) == 0.0
