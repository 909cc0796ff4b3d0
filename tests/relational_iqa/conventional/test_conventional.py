"""The conventional metrics agree with their equations, with published values, and with what users expect of a metric.

`python tests/relational_iqa/conventional/test_conventional.py` prints the values of SYNTHETIC_VALUES (float64).
"""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.errors import ImageError
from relational_iqa.conventional import METRICS, gmsd_map, mdsi, ms_ssim, psnr_map, ssim, ssim_map

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
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


# piq 0.8.0 (github.com/photosynthesis-team/piq), float64, RGB in [0, 1], default arguments, FSIM and MS-GMSD chromatic:
# distorted images of TID2013 against their reference, which do not ship.
PIQ_METRICS = ("psnr", "ssim", "ms_ssim", "gmsd", "ms_gmsd", "mdsi", "haarpsi", "vsi", "fsim")
PIQ_VALUES: dict[str, tuple[float, ...]] = {
    "images/i03_01_5.png": (
        21.1844405121, 0.530904588934, 0.734318852914, 0.140221548412, 0.129866253447,
        0.367515130684, 0.650957695203, 0.954118197743, 0.874611078073,
    ),
    "images/i03_08_3.png": (
        31.83999649, 0.968685092357, 0.985404822135, 0.0608438196037, 0.0501179289291,
        0.254216850266, 0.816270133374, 0.994588369016, 0.965744950287,
    ),
    "images/i03_10_5.png": (
        23.4592265125, 0.702645760698, 0.771110460386, 0.19438629249, 0.192955054682,
        0.422555821214, 0.445790072728, 0.954724612584, 0.798449259653,
    ),
    "images/i03_07_2.png": (
        30.2848548543, 0.88182647388, 0.930399507629, 0.0601792747457, 0.0610522033944,
        0.288144113715, 0.834829908301, 0.987506651818, 0.955635626543,
    ),
}  # fmt: skip


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
    """Distorted image, reference and the values of piq 0.8.0, of images of TID2013 that are at hand."""
    folder = SHARED / "rated" / "tid2013_i03"
    if not folder.is_dir():
        return []
    with (folder / "scores.csv").open(newline="") as lines:
        reference_of = {row["image"]: row["reference"] for row in csv.DictReader(lines)}
    return [
        (read(folder / image), read(folder / reference_of[image]), dict(zip(PIQ_METRICS, values, strict=True)))
        for image, values in PIQ_VALUES.items()
    ]


def test_values_agree_with_published_implementation() -> None:
    """The formulas are held to their papers in test_formulas.py, whatever is at hand; piq's numbers check the reading
    of the papers. SYNTHETIC_VALUES were printed when all of PIQ_VALUES agreed."""
    synthetic = [
        (image, scene(), {name: values[index] for name, values in SYNTHETIC_VALUES.items()})
        for index, image in enumerate((damaged(scene(), 0.08), blurred(scene())))
    ]
    for test, reference, expected in synthetic + published_cases():
        for name, value in expected.items():
            assert METRICS[name].function(test, reference).item() == pytest.approx(value, rel=2e-4), name


@ALL
def test_values_of_synthetic_pictures_do_not_drift(name: str) -> None:
    for test, value in zip((damaged(scene(), 0.08), blurred(scene())), SYNTHETIC_VALUES[name], strict=True):
        assert METRICS[name].function(test, scene()).item() == pytest.approx(value, rel=1e-6)
        single = METRICS[name].function(test.float(), scene().float())
        assert single.dtype == torch.float32
        assert single.item() == pytest.approx(value, rel=2e-3)


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


@pytest.mark.parametrize("name", ["fsim", "vsi", "haarpsi"])
def test_where_nothing_is_salient_all_pixels_count_alike(name: str) -> None:
    flat = torch.full((1, 3, 64, 64), 0.5, dtype=torch.float64)
    redder = flat + torch.tensor([0.2, 0.0, -0.2], dtype=torch.float64).view(1, 3, 1, 1)
    values = [METRICS[name].function(redder * share + flat * (1 - share), flat).item() for share in (0, 0.5, 1)]
    assert values[0] == 1 and 0.2 < values[2] < values[1] < 1


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
    for bad in (good * 255, good * 2 - 1, good.where(good < good.max(), torch.nan)):
        with pytest.raises(ImageError, match="reference: values from .* expected 0 to 1; rescale both images"):
            function(good, bad)


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
