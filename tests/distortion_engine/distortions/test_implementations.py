"""One distortion stands for many implementations: its parameters span them, and leaving them out is the plain one."""

import colorsys
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.distortions import samplers
from distortion_engine.distortions.blur import DISPLACEMENT_WEIGHT
from distortion_engine.distortions.color_conversion import luma
from distortion_engine.distortions.filters import shift, warp
from distortion_engine.masks import MaskSpec
from distortion_engine.reading.image_io import load_image
from distortion_engine.recipe import Recipe, Step
from distortion_engine.render import render

IMAGES = Path(__file__).parents[2] / "images"
PHOTO = load_image(IMAGES / "photo_1.png")[:, :96, :112].contiguous()
# The types with several implementations, and the parameters that recipes of engine 1.2 had.
BROAD = {
    "motion_blur": {"angle_deg": 40.0},
    "sharpen": {},
    "halo_sharpen": {"radius_px": 6.0},
    "contrast_up": {},
    "contrast_down": {},
    "saturate": {},
    "desaturate": {},
    "hue_rotate_warm": {},
    "hue_rotate_cool": {},
    "white_balance_warm": {},
    "white_balance_cool": {},
    "tint_green": {},
    "tint_magenta": {},
    "chroma_shift": {"angle_deg": 200.0},
}
EACH = pytest.mark.parametrize("name", BROAD)


def run(name: str, image: Tensor, amount: float, **params: float) -> Tensor:
    """Distortion `name` of one image (3, H, W)."""
    return DISTORTIONS[name].apply(image, amount, torch.Generator(), **params)


def drawn(name: str, count: int) -> list[dict[str, float]]:
    return [DISTORTIONS[name].sample_params(np.random.default_rng(seed)) for seed in range(count)]


@EACH
def test_a_recipe_of_an_older_engine_is_the_plain_implementation(name: str):
    keywords = inspect.signature(inspect.unwrap(DISTORTIONS[name].apply)).parameters.values()
    plain = {one.name: one.default for one in keywords if one.default is not one.empty}
    assert plain and set(plain) | set(BROAD[name]) == set(drawn(name, 1)[0])
    amount = DISTORTIONS[name].ladder[2]
    old = Recipe.from_dict(Recipe((Step(name, 0.5, amount, BROAD[name], MaskSpec(), 1),)).to_dict())
    assert torch.equal(render(PHOTO, old).image, run(name, PHOTO, amount, **BROAD[name], **plain))


@EACH
def test_draws_differ_visibly_and_all_of_them_get_worse_with_the_amount(name: str):
    ladder = DISTORTIONS[name].ladder
    middle = []
    for params in drawn(name, 6):
        levels = torch.stack([run(name, PHOTO, amount, **params) for amount in ladder])
        errors = ((levels - PHOTO) ** 2).mean(dim=(1, 2, 3))
        assert bool((errors.diff() > 0).all()), (params, errors.tolist())
        nothing = run(name, PHOTO, 1e-4 * ladder[0], **params)
        assert float(((nothing - PHOTO) ** 2).mean()) < 1e-5
        middle.append(levels[2])
    assert max(float((one - middle[0]).abs().max()) for one in middle[1:]) > 4 / 255


@EACH
def test_every_draw_is_the_same_picture_on_both_paths(name: str):
    image = PHOTO[:, :48, :56].contiguous()
    for params in drawn(name, 4):
        amount = DISTORTIONS[name].ladder[3]
        slow = run(name, image.clone().requires_grad_(True), amount, **params).detach()
        assert float((slow - run(name, image, amount, **params)).abs().max()) < 5e-4


def kernel_of(amount: float, **params: float) -> tuple[Tensor, Tensor]:
    """What a motion blur along x makes of a point: weights, and places relative to it in px."""
    point = torch.zeros(3, 17, 161)
    point[:, 8, 80] = 1.0
    weights = run("motion_blur", point, amount, angle_deg=0.0, **params)[0].sum(dim=0).double()
    return weights / weights.sum(), torch.arange(-80.0, 81.0, dtype=torch.float64)


def test_motion_blur_reaches_from_even_and_centred_to_a_trail_on_one_side():
    even, place = kernel_of(20.0)
    assert float((even * place).sum()) == pytest.approx(0.0, abs=1e-5)
    assert float(even[72:89].max() - even[72:89].min()) < 1e-3
    trail, _ = kernel_of(20.0, decay=3.0, bow=1.0, anchor=1.0)
    sides = [float(trail[:80].sum()), float(trail[81:].sum())]
    assert min(sides) < 0.02 and max(sides) > 0.8
    fading = trail if sides[1] > sides[0] else trail.flip(0)
    assert bool((fading[81:].diff() <= 1e-6).all())
    centred, _ = kernel_of(20.0, decay=3.0, bow=1.0)
    assert float((centred * place).sum()) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("params", [(0.0, 0.0, 1.0), (3.0, 0.0, 0.0), (3.0, 1.0, 1.0), (1.3, 0.5, 0.6)])
def test_a_motion_blur_of_a_given_length_spreads_and_moves_as_much_with_any_exposure(params: tuple[float, ...]):
    def damage(weights: Tensor, place: Tensor) -> float:
        mean = (weights * place).sum()
        return float((weights * (place - mean) ** 2).sum() + DISPLACEMENT_WEIGHT * mean**2)

    decay, bow, anchor = params
    assert damage(*kernel_of(24.0, decay=decay, bow=bow, anchor=anchor)) == pytest.approx(24.0**2 / 12, rel=0.02)


def test_a_whole_pixel_shift_of_red_alone_is_that_channel_moved_and_nothing_else():
    for crisp in (0.0, 0.5, 1.0):
        moved = run("chroma_shift", PHOTO, 3.0, angle_deg=0.0, red=1.0, blue=0.0, crisp=crisp)
        assert torch.allclose(moved[0, :, :-3], PHOTO[0, :, 3:], atol=1e-5) and torch.equal(moved[1:], PHOTO[1:])


def test_chroma_planes_move_under_a_luma_that_stays():
    soft = 0.35 + 0.3 * PHOTO  # within the range, wherever its chroma goes
    moved = run("chroma_shift", soft, 2.0, angle_deg=30.0, red=1.0, blue=-1.0, chroma=1.0, crisp=1.0)
    assert torch.allclose(luma(moved), luma(soft), atol=1e-5) and float((moved - soft).abs().max()) > 0.02


def test_crisp_shifts_keep_the_detail_that_bilinear_ones_lose_and_agree_at_the_edges():
    def detail(image: Tensor) -> float:
        return float(image.diff(dim=2).std())

    soft, crisp = (shift(PHOTO, 0.0, 0.5, value) for value in (0.0, 1.0))
    assert detail(soft) < detail(crisp) < 1.02 * detail(PHOTO)
    assert torch.equal(soft, warp(PHOTO, 0.0, 0.5))
    for down, right in ((0.3, -2.6), (-200.0, 1.2), (-0.4, 200.0)):
        slow = shift(PHOTO.clone().requires_grad_(True), down, right, 0.7).detach()
        assert torch.allclose(shift(PHOTO, down, right, 0.7), slow, atol=1e-5)


def test_colours_fade_to_luma_to_lightness_or_to_the_mean():
    lightness = 0.5 * (PHOTO.amax(dim=0) + PHOTO.amin(dim=0))
    for params, grey in (({}, luma(PHOTO)[0]), ({"lightness": 1.0}, lightness), ({"mean": 1.0}, PHOTO.mean(dim=0))):
        assert torch.allclose(run("desaturate", PHOTO, 1.0, **params), grey.expand(3, -1, -1), atol=1e-5)


def test_bounded_saturation_about_lightness_is_that_of_hls():
    pixels = run("saturate", PHOTO, 1.5, lightness=1.0, bounded=1.0)
    for y, x in ((5, 9), (40, 70), (60, 20), (90, 100)):
        hue, light, saturation = colorsys.rgb_to_hls(*PHOTO[:, y, x].double().tolist())
        expected = colorsys.hls_to_rgb(hue, light, min(1.0, 2.5 * saturation))
        assert pixels[:, y, x].tolist() == pytest.approx(expected, abs=1e-4)


def test_a_turn_of_hues_keeps_luma_or_lightness():
    soft = 0.35 + 0.3 * PHOTO

    def lightness(image: Tensor) -> Tensor:
        return 0.5 * (image.amax(dim=0) + image.amin(dim=0))

    plain, other = (run("hue_rotate_warm", soft, 60.0, lightness=value) for value in (0.0, 1.0))
    assert torch.allclose(luma(plain), luma(soft), atol=1e-4)
    assert torch.allclose(lightness(other), lightness(soft), atol=1e-4) and not torch.allclose(plain, other, atol=0.01)


def test_unsharp_masks_of_any_radius_add_about_as_much():
    added = [
        float((run("sharpen", PHOTO, 0.7, radius_px=radius, all_channels=channels) - PHOTO).std())
        for radius, channels in ((0.6, 0.0), (1.0, 0.0), (1.0, 1.0), (1.7, 0.5), (2.5, 1.0))
    ]
    assert max(added) < 1.5 * min(added)  # 2.9 with one gain for all


def test_contrast_turns_about_the_mean_or_about_mid_grey():
    dark = 0.5 * PHOTO
    flat = run("contrast_down", dark, 1.0, mid_grey=1.0)
    assert torch.allclose(flat, torch.full_like(flat, 0.5), atol=1e-6)
    assert float(run("contrast_down", dark, 1.0).mean()) == pytest.approx(float(luma(dark).mean()), abs=1e-4)


def test_samplers_draw_the_ends_of_a_range_often_and_all_between():
    values = np.array([samplers.with_ends(a=(2.0, 6.0))(np.random.default_rng(seed))["a"] for seed in range(400)])
    assert all(np.mean(values == end) == pytest.approx(samplers.AT_AN_END, abs=0.07) for end in (2.0, 6.0))
    between = values[(values > 2.0) & (values < 6.0)]
    assert between.mean() == pytest.approx(4.0, abs=0.3) and between.min() < 2.2 and between.max() > 5.8
    greys = [samplers.grey(np.random.default_rng(seed)) for seed in range(100)]
    assert {(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)} < {(grey["lightness"], grey["mean"]) for grey in greys}
    assert all(grey["lightness"] >= 0 and grey["mean"] >= 0 and sum(grey.values()) <= 1 + 1e-9 for grey in greys)


def test_every_case_of_misregistration_is_drawn_at_any_angle_and_often_along_the_grid():
    draws = drawn("chroma_shift", 300)
    cases = {(np.sign(draw["red"]), np.sign(draw["blue"]), draw["chroma"]) for draw in draws}
    assert cases == {(np.sign(red), np.sign(blue), chroma) for _, red, blue, chroma in samplers.MISREGISTRATIONS}
    upright = np.mean([draw["angle_deg"] % 90.0 == 0.0 for draw in draws])
    assert upright == pytest.approx(samplers.UPRIGHT, abs=0.08)
    assert sum(case[0] for case in samplers.MISREGISTRATIONS) == pytest.approx(1.0)
