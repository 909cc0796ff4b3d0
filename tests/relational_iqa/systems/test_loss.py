"""RelationalLoss: the number of `compare` with reference, with gradients that are real, finite and useful."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import relational_iqa
from distortion_engine.errors import ImageError, UsageError
from experiments.loss import denoise
from relational_iqa import RelationalLoss

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def loss() -> RelationalLoss:
    return RelationalLoss()


@pytest.fixture(scope="module")
def pair(versions: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Three damaged versions (3, 3, 80, 96) and their reference thrice."""
    return torch.stack(versions[1:4]), versions[0].expand(3, -1, -1, -1)


def gradient(loss: nn.Module, test: Tensor, reference: Tensor) -> Tensor:
    test = test.clone().requires_grad_()
    loss(test, reference).backward()
    assert test.grad is not None
    return test.grad


def test_the_loss_is_minus_the_quality_that_compare_reports(loss: RelationalLoss, pair: tuple[Tensor, Tensor]) -> None:
    model = relational_iqa.load()
    per_image = RelationalLoss(reduction="none")(*pair)
    assert per_image.shape == (3,) and per_image.min() > 0.3
    torch.testing.assert_close(per_image, -model.quality_batch(*pair))
    assert per_image[0].item() == pytest.approx(-model.compare(pair[0][0], pair[1][0], pair[1][0]).quality_a, abs=1e-4)
    torch.testing.assert_close(loss(*pair), per_image.mean())
    torch.testing.assert_close(RelationalLoss(reduction="sum")(*pair), per_image.sum())


def test_identical_inputs_give_0_and_a_finite_gradient_of_0(loss: RelationalLoss, photos: list[Tensor]) -> None:
    flat = torch.full((1, 3, 40, 40), 0.5)
    for same in (photos[0][None, :, :64, :64], flat, torch.zeros_like(flat), torch.ones_like(flat)):
        test = same.clone().requires_grad_()
        value = loss(test, same)
        value.backward()
        assert value.item() == 0 and torch.equal(test.grad, torch.zeros_like(same))


def test_gradients_are_finite_next_to_identical_inputs(loss: RelationalLoss, photos: list[Tensor]) -> None:
    same = photos[0][None, :, :64, :64]
    one_pixel = same.clone()
    one_pixel[..., 20, 20] += 1e-6
    for test in (one_pixel, same + 1e-7, same * (1 - 1e-6)):
        found = gradient(loss, test, same)
        assert found.isfinite().all()


def test_the_gradient_is_the_slope_of_the_loss_by_finite_differences(photos: list[Tensor]) -> None:
    loss = RelationalLoss().double()
    reference = photos[1][None, :, 30:70, 40:88].double()
    generator = torch.Generator().manual_seed(3)
    test = reference + 0.05 * torch.randn(reference.shape, generator=generator, dtype=torch.float64)
    slopes = gradient(loss, test, reference)
    assert loss(test, reference).dtype == torch.float64
    for direction in (slopes / slopes.norm(), torch.randn(test.shape, generator=generator, dtype=torch.float64)):
        step = 1e-8  # so small that no pixel crosses a threshold of the counting statistics
        measured = (loss(test + step * direction, reference) - loss(test - step * direction, reference)) / (2 * step)
        expected = (slopes * direction).sum()
        assert abs(float(expected)) > 1e-3
        assert float(measured) == pytest.approx(float(expected), rel=1e-3)
        with torch.no_grad():  # steps over thresholds are jumps, but too small to matter
            jump = loss(test + 1e-6 * direction, reference) - loss(test, reference)
        assert abs(float(jump)) < 1e-3


def test_descent_on_the_loss_alone_brings_a_damaged_image_closer_to_its_reference(
    loss: RelationalLoss, pair: tuple[Tensor, Tensor]
) -> None:
    test = pair[0][1:2, :, :48, :48].clone().requires_grad_()
    reference = pair[1][:1, :, :48, :48]
    before = loss(test, reference).item(), (test - reference).square().mean().item()
    optimizer = torch.optim.Adam([test], lr=0.005)
    for _ in range(12):
        optimizer.zero_grad()
        loss(test, reference).backward()
        optimizer.step()
    after = loss(test, reference).item(), (test - reference).square().mean().item()
    assert after[0] < 0.8 * before[0] and after[1] < before[1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inputs_and_autocast_give_the_float32_number(
    loss: RelationalLoss, pair: tuple[Tensor, Tensor], dtype: torch.dtype
) -> None:
    test, reference = pair[0][:1, :, :64, :64], pair[1][:1, :, :64, :64]
    halves = test.to(dtype), reference.to(dtype)
    value = loss(*halves)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(halves[0].float(), halves[1].float()))
    found = gradient(loss, *halves)
    assert found.dtype == dtype and found.isfinite().all() and found.any()
    mixed = test.clone().requires_grad_()
    with torch.autocast("cpu", dtype):
        value = loss(mixed, reference)
    value.backward()
    assert value.dtype == torch.float32 and value.item() == loss(test, reference).item()
    torch.testing.assert_close(mixed.grad, gradient(loss, test, reference))
    as_half = RelationalLoss().to(dtype)
    torch.testing.assert_close(as_half(test, reference), loss(test, reference))


def test_any_size_from_32_px_works_and_padding_does_not_count(
    loss: RelationalLoss, pair: tuple[Tensor, Tensor]
) -> None:
    model = relational_iqa.load()
    for height, width in ((32, 32), (33, 47), (50, 35)):
        test, reference = (x[:1, :, :height, :width] for x in pair)
        found = gradient(loss, test, reference)
        assert found.shape == test.shape and found.isfinite().all() and found.any()
        assert loss(test, reference).item() == pytest.approx(-model.quality(test[0], reference[0]), abs=1e-4)


def test_values_out_of_range_raise_the_loss_and_the_gradient_leads_back(
    loss: RelationalLoss, photos: list[Tensor]
) -> None:
    reference = photos[0][None, :, :48, :48]
    values = [loss(reference + shift, reference).item() for shift in (0.2, 0.6, 1.2)]
    assert values == sorted(values)
    assert gradient(loss, reference + 1.2, reference).sum() > 0


def test_weights_stay_frozen_and_out_of_optimizers_and_checkpoints(
    loss: RelationalLoss, pair: tuple[Tensor, Tensor]
) -> None:
    around = nn.ModuleDict({"net": nn.Conv2d(3, 3, 1), "loss": RelationalLoss()})
    assert {name.split(".")[0] for name in around.state_dict()} == {"net"}
    assert len(list(around.parameters())) == 2
    before = copy.deepcopy(around["loss"].networks.state_dict())
    around.train()
    around["loss"](around["net"](pair[0]), pair[1]).backward()
    assert around["net"].weight.grad is not None and around["net"].weight.grad.any()
    assert not around["loss"].networks.training
    after = around["loss"].networks.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None and not p.requires_grad for p in around["loss"].networks.parameters())


def test_the_reference_gets_no_gradient(loss: RelationalLoss, pair: tuple[Tensor, Tensor]) -> None:
    reference = pair[1][:1, :, :32, :32].clone().requires_grad_()
    test = pair[0][:1, :, :32, :32].clone().requires_grad_()
    loss(test, reference).backward()
    assert reference.grad is None and test.grad is not None


def test_the_loss_follows_the_module_around_it_to_another_device(pair: tuple[Tensor, Tensor]) -> None:
    around = nn.Sequential(RelationalLoss())
    around.to("meta")
    assert {p.device.type for p in around[0].networks.parameters()} == {"meta"}
    with pytest.raises(UsageError, match="test is on cpu, the loss on meta"):
        around[0](*pair)


def test_what_does_not_fit_is_named(loss: RelationalLoss) -> None:
    good = torch.rand(1, 3, 40, 40)
    cases = [
        (good[0], good, "shape (3, 40, 40), expected RGB images"),
        (good[:, :1], good[:, :1], "expected RGB images"),
        (good, good[..., :36], "expected equal shapes"),
        (good[..., :31], good[..., :31], "at least 32 px"),
        (good[:0], good[:0], "at least one"),
        ((good * 255).byte(), good, "divide 8 bit values by 255"),
        (good * 255, good * 255, "expected 0 to 1"),
        (good, good * 2 - 1, "expected 0 to 1"),
        (good, good * torch.nan, "expected 0 to 1"),
    ]
    for test, reference, said in cases:
        with pytest.raises(ImageError) as caught:
            loss(test, reference)
        assert said in str(caught.value)
    with pytest.raises(UsageError, match="'median', expected one of mean, sum, none"):
        RelationalLoss(reduction="median")
    with pytest.raises(UsageError, match="no weights 'nowhere'"):
        RelationalLoss("nowhere")


def test_the_example_trains_both_ways_measures_them_and_draws_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy, plain, with_loss = denoise.run(denoise.Options(tmp_path / "out", steps=16, weight=0.02))
    assert noisy.psnr < min(plain.psnr, with_loss.psnr)
    assert noisy.quality < min(plain.quality, with_loss.quality) < 0 and plain.quality != with_loss.quality
    said = capsys.readouterr().out.splitlines()
    assert said[1].split() == ["PSNR,", "dB", "SSIM", "HaarPSI", "quality"]
    assert said[4].startswith("MSE + RelationalLoss") and said[4].endswith(f"{with_loss.quality:.2f}")
    with Image.open(tmp_path / "out" / "before_after.png") as picture:
        assert picture.size == (4 * 2 * 160 + 3 * 4, 2 * 128 + 28)


def test_import_of_the_package_stays_quick_with_the_loss_in_it() -> None:
    code = "import sys, relational_iqa; print('torch' in sys.modules, 'RelationalLoss' in relational_iqa.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["False", "True"]
