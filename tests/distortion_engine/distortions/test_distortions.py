"""Every distortion is a pure, deterministic, monotone function of its amount that works on any image."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import pytest
import torch

from distortion_engine.catalog import DISTORTIONS, Distortion
from distortion_engine.errors import UsageError
from tests.distortion_engine.distortions.runs import (
    EACH,
    PHOTOS,
    generator,
    grey,
    run,
    squared_error,
)


@EACH
def test_amount_zero_returns_equal_values_in_a_new_tensor(spec: Distortion) -> None:
    result = run(spec, PHOTOS, 0.0)
    assert torch.equal(result, PHOTOS)
    assert result.data_ptr() != PHOTOS.data_ptr()


@EACH
def test_the_input_is_never_written(spec: Distortion) -> None:
    before = PHOTOS.clone()
    run(spec, PHOTOS, spec.ladder[3])
    assert torch.equal(PHOTOS, before)


@EACH
def test_damage_rises_along_the_ladder_on_every_photograph(spec: Distortion) -> None:
    errors = torch.stack([squared_error(run(spec, PHOTOS, amount), PHOTOS) for amount in (0.0, *spec.ladder)])
    assert (errors[1:] > errors[:-1]).all(), errors.tolist()


@EACH
def test_between_rungs_damage_stays_between_theirs(spec: Distortion) -> None:
    amounts = [0.5 * (low + high) for low, high in zip(spec.ladder, spec.ladder[1:], strict=False)]
    errors = torch.stack([squared_error(run(spec, PHOTOS, amount), PHOTOS) for amount in spec.ladder]).mean(dim=1)
    middle = torch.stack([squared_error(run(spec, PHOTOS, amount), PHOTOS) for amount in amounts]).mean(dim=1)
    assert (middle >= errors[:-1]).all() and (middle <= errors[1:]).all(), (errors.tolist(), middle.tolist())


@EACH
def test_the_lowest_rung_can_be_measured_and_the_top_one_is_severe(spec: Distortion) -> None:
    low, high = (squared_error(run(spec, PHOTOS, amount), PHOTOS).mean() for amount in (spec.ladder[0], spec.ladder[4]))
    assert 10 * torch.log10(1 / low) < 46.0
    assert 10 * torch.log10(1 / high) < 29.0


@EACH
def test_equal_arguments_give_equal_bits(spec: Distortion) -> None:
    torch.manual_seed(1)
    once = run(spec, PHOTOS[:1], spec.ladder[2])
    torch.manual_seed(2)  # hidden draws from the global generator would differ
    assert torch.equal(run(spec, PHOTOS[:1], spec.ladder[2]), once)


@EACH
def test_the_number_of_threads_does_not_change_a_bit(spec: Distortion) -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            cv2.setNumThreads(threads)
            results.append(run(spec, PHOTOS[:1, :, :127, :159], spec.ladder[3]))
            assert torch.get_num_threads() == threads and cv2.getNumThreads() == threads  # as they were
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
    assert torch.equal(*results)


@EACH
def test_the_result_keeps_shape_and_type_and_stays_in_range(spec: Distortion) -> None:
    result = run(spec, PHOTOS, spec.ladder[4])
    assert result.shape == PHOTOS.shape and result.dtype == torch.float32 and result.is_contiguous()
    assert float(result.min()) >= 0.0 and float(result.max()) <= 1.0
    half = run(spec, PHOTOS[:1].half(), spec.ladder[2])
    assert half.dtype == torch.float16 and bool(torch.isfinite(half).all())


@EACH
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (97, 16)])
def test_small_odd_and_grey_images_work_at_every_rung(spec: Distortion, size: tuple[int, int]) -> None:
    image = grey(16, 16) if size == (16, 16) else PHOTOS[:1, :, : size[0], : size[1]]
    for amount in (1e-3 * spec.ladder[0], *spec.ladder):
        result = run(spec, image, amount)
        assert result.shape == image.shape
        assert bool(torch.isfinite(result).all())


@EACH
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_stay_finite_and_in_range(spec: Distortion, level: float) -> None:
    result = run(spec, torch.full((1, 3, 24, 24), level), spec.ladder[4])
    assert bool(torch.isfinite(result).all()) and float(result.min()) >= 0.0 and float(result.max()) <= 1.0


CODECS = [name for name, spec in DISTORTIONS.items() if spec.codec]


@pytest.mark.parametrize("name", [name for name in DISTORTIONS if name not in CODECS])
def test_a_vanishing_amount_does_almost_nothing(name: str) -> None:
    result = run(DISTORTIONS[name], PHOTOS, 1e-4 * DISTORTIONS[name].ladder[0])
    assert float(squared_error(result, PHOTOS).mean()) < 1e-5


@pytest.mark.parametrize("name", CODECS)
def test_codecs_act_in_eight_bits_over_their_whole_range(name: str) -> None:
    result = run(DISTORTIONS[name], PHOTOS, 0.01 * DISTORTIONS[name].ladder[0])
    assert torch.allclose(result * 255.0, (result * 255.0).round(), atol=1e-4)
    assert float(squared_error(result, PHOTOS).mean()) < 1e-3


def test_threads_that_distort_at_the_same_time_leave_the_number_of_threads_as_it_was() -> None:
    spec, before = DISTORTIONS["gaussian_blur"], (torch.get_num_threads(), cv2.getNumThreads())
    try:
        torch.set_num_threads(2)
        cv2.setNumThreads(2)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda image: spec.apply(image, 2.0, torch.Generator()), PHOTOS.repeat(8, 1, 1, 1)))
        assert torch.get_num_threads() == 2 and cv2.getNumThreads() == 2
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
    assert torch.equal(torch.stack(results), run(spec, PHOTOS, 2.0).repeat(8, 1, 1, 1))


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_an_unusable_amount_is_refused(amount: float) -> None:
    with pytest.raises(UsageError, match="expected a finite number"):
        run(DISTORTIONS["gaussian_blur"], PHOTOS, amount)


def test_shapes_that_do_not_fit_are_refused() -> None:
    for shape in ((1, 32, 32), (1, 3, 32, 32), (3, 15, 32), (3, 32, 15)):
        with pytest.raises(UsageError, match=r"expected \(3, H, W\) with sides of at least 16 px"):
            DISTORTIONS["white_noise"].apply(torch.zeros(shape), 1.0, generator(0))
