"""The conventional metrics agree with their equations, with published values, and with what users expect of a metric.

`python tests/relational_iqa/conventional/test_conventional.py` prints the values of SYNTHETIC_VALUES (float64).
"""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate
from torch import Tensor

from distortion_engine.errors import ImageError
from relational_iqa.conventional import METRICS, gmsd, gmsd_map, mdsi, ms_ssim, psnr, psnr_map, ssim, ssim_map

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
PIQ_NAMES = {"fsim": "fsim_chromatic", "ms_gmsd": "ms_gmsd_chromatic"}
ALL = pytest.mark.parametrize("name", METRICS)

# Of damaged(scene(), 0.08) and blurred(scene()) against scene(), printed by the command above when all agreed with piq.
SYNTHETIC_VALUES: dict[str, tuple[float, float]] = {
    "psnr": (21.484507071957033, 27.991682886153498),
    "ssim": (0.4315245991524908, 0.7483578013734327),
    "ms_ssim": (0.886139991956208, 0.9182168387356203),
    "gmsd": (0.0967093763213267, 0.09880146295095073),
    "ms_gmsd": (0.10979219160936496, 0.10548839168621424),
    "mdsi": (0.4197957454152982, 0.49746722715449276),
    "haarpsi": (0.7136648364394748, 0.801134850398153),
    "vsi": (0.8945577566334159, 0.923338725010974),
    "fsim": (0.69440146141529, 0.7763564023321915),
}


def scene(height: int = 96, width: int = 128) -> Tensor:
    """A deterministic colour picture with smooth parts, texture and edges, (1, 3, H, W) float64, no random numbers."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    texture = torch.sin(x * 0.9) * torch.sin(y * 0.7) * (x > width / 2)
    disk = ((x - width / 3) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2).double()
    red = 0.45 + 0.25 * torch.sin(x / 17) + 0.15 * texture + 0.2 * disk
    green = 0.40 + 0.25 * torch.cos(y / 13) + 0.15 * texture - 0.1 * disk
    blue = 0.50 + 0.20 * torch.sin((x + y) / 23) + 0.10 * texture - 0.2 * disk
    return torch.stack([red, green, blue])[None].clamp(0, 1)


def damaged(image: Tensor, strength: float) -> Tensor:
    """Deterministic noise that differs by channel, plus a colour shift; `strength` is about its spread."""
    index = torch.arange(image[0].numel(), dtype=torch.float64).view_as(image[0])
    noise = torch.frac(torch.sin(index * 12.9898) * 43758.5453) * 1.7
    shift = torch.tensor([0.5, 0.0, -0.5], dtype=torch.float64).view(3, 1, 1)
    return (image + strength * (noise + shift).to(image.dtype)).clamp(0, 1)


def blurred(image: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(image, 5, stride=1, padding=2, count_include_pad=False)


def worse(name: str, a: Tensor, b: Tensor) -> Tensor:
    """True where metric value a says more damage than b."""
    return a < b if METRICS[name].higher_is_better else a > b


def read(path: Path) -> Tensor:
    pixels = np.array(Image.open(path).convert("RGB"), dtype=np.float64) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def published_cases() -> list[tuple[Tensor, Tensor, dict[str, float]]]:
    """Distorted image, reference and expected values: piq 0.8.0 on TID2013 where at hand, else our literals."""
    table = SHARED / "reference_values.json"
    if not table.is_file():
        pairs = [(damaged(scene(), 0.08), scene()), (blurred(scene()), scene())]
        return [(*pair, {name: v[i] for name, v in SYNTHETIC_VALUES.items()}) for i, pair in enumerate(pairs)]
    folder = SHARED / "rated" / "tid2013_i03"
    with (folder / "scores.csv").open(newline="") as lines:
        reference_of = {row["image"]: row["reference"] for row in csv.DictReader(lines)}
    values = json.loads(table.read_text())["images"]
    cases = []
    for image in list(values)[::7]:
        expected = {name: values[image][PIQ_NAMES.get(name, name)] for name in METRICS}
        cases.append((read(folder / image), read(folder / reference_of[image]), expected))
    return cases


def test_values_agree_with_published_implementation() -> None:
    for test, reference, expected in published_cases():
        for name, value in expected.items():
            assert METRICS[name].function(test, reference).item() == pytest.approx(value, rel=2e-4), name


@ALL
def test_values_of_synthetic_pictures_do_not_drift(name: str) -> None:
    for test, value in zip((damaged(scene(), 0.08), blurred(scene())), SYNTHETIC_VALUES[name], strict=True):
        assert METRICS[name].function(test, scene()).item() == pytest.approx(value, rel=1e-6)
        single = METRICS[name].function(test.float(), scene().float())
        assert single.dtype == torch.float32
        assert single.item() == pytest.approx(value, rel=2e-3)


def test_psnr_is_its_definition() -> None:
    test, reference = damaged(scene(), 0.1), scene()
    error = np.mean((test.numpy() - reference.numpy()) ** 2)
    assert psnr(test, reference).item() == pytest.approx(10 * math.log10(1 / error), abs=1e-4)


def test_ssim_is_its_definition_window_by_window() -> None:
    test, reference = damaged(scene(24, 20), 0.1), scene(24, 20)
    offset = np.arange(11) - 5
    window = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for x, y in zip(test[0].numpy(), reference[0].numpy(), strict=True):
        for top in range(24 - 10):
            for left in range(20 - 10):
                p, q = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
                mean_p, mean_q = (window * p).sum(), (window * q).sum()
                var_p, var_q = (window * (p - mean_p) ** 2).sum(), (window * (q - mean_q) ** 2).sum()
                cov = (window * (p - mean_p) * (q - mean_q)).sum()
                luminance = (2 * mean_p * mean_q + 1e-4) / (mean_p**2 + mean_q**2 + 1e-4)
                values.append(luminance * (2 * cov + 9e-4) / (var_p + var_q + 9e-4))
    assert ssim(test, reference).item() == pytest.approx(np.mean(values), rel=1e-9)


def test_gmsd_is_its_definition() -> None:
    test, reference = damaged(scene(), 0.1), scene()
    prewitt = np.array([[1, 0, -1]] * 3) / 3

    def edges(image: Tensor) -> np.ndarray:
        luma = np.tensordot([0.299, 0.587, 0.114], image[0].numpy(), 1) * 255
        half = (luma[::2, ::2] + luma[1::2, ::2] + luma[::2, 1::2] + luma[1::2, 1::2]) / 4
        horizontal, vertical = (correlate(half, kernel, mode="constant") for kernel in (prewitt, prewitt.T))
        return np.hypot(horizontal, vertical)

    x, y = edges(test), edges(reference)
    assert gmsd(test, reference).item() == pytest.approx(np.std((2 * x * y + 170) / (x**2 + y**2 + 170)), rel=1e-9)


@ALL
def test_identical_images_have_the_best_value(name: str) -> None:
    metric = METRICS[name]
    value = metric.function(scene(), scene()).item()
    assert value == pytest.approx(metric.identical, abs=1e-9)
    assert metric.identical == metric.range[1 if metric.higher_is_better else 0]


@ALL
def test_more_damage_is_never_a_better_value(name: str) -> None:
    reference = scene()
    values = [METRICS[name].function(damaged(reference, s), reference) for s in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)]
    assert all(worse(name, later, earlier) for earlier, later in zip(values, values[1:], strict=False))
    low, high = METRICS[name].range
    assert all(low <= value.item() <= high + 1e-9 for value in values)


@pytest.mark.parametrize("name", [name for name in METRICS if name != "mdsi"])
def test_swapping_the_images_keeps_the_value(name: str) -> None:
    test, reference = blurred(scene()), scene()
    forward, backward = METRICS[name].function(test, reference), METRICS[name].function(reference, test)
    torch.testing.assert_close(forward, backward, rtol=1e-9, atol=1e-12)


def test_mdsi_tells_lost_edges_from_added_ones() -> None:
    test, reference = blurred(scene()), scene()
    assert mdsi(test, reference).item() != pytest.approx(mdsi(reference, test).item(), rel=1e-3)


@ALL
def test_a_batch_gives_the_values_of_its_images(name: str) -> None:
    reference = scene(64, 48).repeat(3, 1, 1, 1)
    test = torch.cat([damaged(scene(64, 48), 0.1), blurred(scene(64, 48)), scene(64, 48)])
    singles = [METRICS[name].function(test[i : i + 1], reference[i : i + 1]) for i in range(3)]
    together = METRICS[name].function(test, reference)
    assert together.shape == (3,)
    torch.testing.assert_close(together, torch.cat(singles), rtol=1e-9, atol=1e-9)


@ALL
@pytest.mark.parametrize("size", [(16, 16), (17, 33), (45, 300), (391, 70)])
def test_any_size_from_16_px_gives_a_finite_value_that_sees_damage(name: str, size: tuple[int, int]) -> None:
    reference = scene(*size).float()
    same, hurt = (METRICS[name].function(test, reference) for test in (reference, damaged(reference, 0.2)))
    assert torch.isfinite(same).all() and torch.isfinite(hurt).all()
    assert worse(name, hurt, same).all()


@ALL
def test_grey_and_constant_pictures_give_finite_values(name: str) -> None:
    grey = scene().mean(dim=1, keepdim=True).repeat(1, 3, 1, 1).float()
    flat = torch.full_like(grey, 0.5)
    for test, reference in ((blurred(grey), grey), (flat, flat), (flat, grey), (grey, flat)):
        assert torch.isfinite(METRICS[name].function(test, reference)).all()


@ALL
@pytest.mark.parametrize("strength", [0.0, 0.1])
def test_gradients_are_finite_even_for_identical_images(name: str, strength: float) -> None:
    reference = scene(48, 48).float()
    test = damaged(reference, strength).requires_grad_()
    METRICS[name].function(test, reference).sum().backward()
    assert METRICS[name].differentiable and test.grad is not None
    assert torch.isfinite(test.grad).all()
    assert strength == 0.0 or test.grad.abs().max() > 0


def test_a_metric_used_for_inference_first_still_gives_gradients() -> None:
    reference = scene(40, 56).float()
    with torch.inference_mode():
        METRICS["fsim"].function(reference, reference)
    test = damaged(reference, 0.1).requires_grad_()
    METRICS["fsim"].function(test, reference).sum().backward()
    assert test.grad is not None and test.grad.abs().max() > 0


@ALL
def test_inputs_are_never_written(name: str) -> None:
    test, reference = damaged(scene(), 0.1), scene()
    before = test.clone(), reference.clone()
    METRICS[name].function(test, reference)
    assert torch.equal(test, before[0]) and torch.equal(reference, before[1])


@ALL
def test_wrong_inputs_are_refused_with_the_remedy(name: str) -> None:
    function, good = METRICS[name].function, scene(32, 32)
    for bad, words in (
        (good[0], "batch dimension"),
        (good[:, :1], r"\(B, 3, H, W\)"),
        ((good * 255).to(torch.uint8), "divide"),
        (good[..., :15, :], "at least 16 px"),
        (good[..., :20, :], "differ"),
    ):
        with pytest.raises(ImageError, match=words):
            function(bad, good)


def test_maps_have_the_size_of_the_image_and_point_at_the_damage() -> None:
    reference = scene()
    test = reference.clone()
    test[..., 20:40, 90:120] = damaged(reference, 0.3)[..., 20:40, 90:120]
    for name, values in (("psnr", psnr_map(test, reference)), ("ssim", ssim_map(test, reference))):
        assert values.shape == (1, 1, 96, 128)
        assert values[..., 25:35, 95:115].max() < METRICS[name].identical
        assert torch.allclose(values[..., :40], torch.full_like(values[..., :40], METRICS[name].identical))
    assert gmsd_map(test, reference)[..., 12:18, 47:58].mean() < 0.9


def test_ms_ssim_below_176_px_uses_the_scales_that_fit() -> None:
    reference = scene(16, 16)
    test = damaged(reference, 0.1)
    assert ms_ssim(test, reference).item() == pytest.approx(ssim(test, reference).item(), rel=0.05)


if __name__ == "__main__":
    for metric_name, entry in METRICS.items():
        both = [entry.function(image, scene()).item() for image in (damaged(scene(), 0.08), blurred(scene()))]
        print(f'    "{metric_name}": ({both[0]!r}, {both[1]!r}),')
