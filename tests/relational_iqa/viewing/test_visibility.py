"""What an eye can see of a difference: thresholds, symmetry, that the strongest place decides."""

from io import BytesIO
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.reading.image_io import load_image
from relational_iqa.viewing import visibility
from relational_iqa.viewing.visibility import delta_e_map, visible_difference, visible_differences

SIDE = 192
IMAGES = sorted((Path(__file__).parents[2] / "images").glob("*.png"))


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return load_image(IMAGES[0])[:, :160, :160].clone()


def seen(a: Tensor, b: Tensor, counts: Tensor | None = None) -> float:
    cells = torch.ones(1, 1, a.shape[-2] // 4, a.shape[-1] // 4) if counts is None else counts
    return float(visible_difference(a[None], b[None], cells))


def eight_bit(values: Tensor) -> Tensor:
    return (values * 255).round().clamp(0, 255) / 255


def test_what_nobody_sees_lies_below_the_threshold(photo: Tensor) -> None:
    steps = torch.randint(-1, 2, photo.shape, generator=torch.Generator().manual_seed(0)) / 255
    assert 0 < seen(photo, eight_bit(photo + steps)) < 1
    assert 0 < seen(photo, eight_bit(photo + 1 / 255)) < 1
    assert seen(photo, photo.clone()) == 0


def test_noise_and_blur_that_are_seen_lie_above_it(photo: Tensor) -> None:
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    assert seen(photo, eight_bit(photo + noise * 4 / 255)) == 1
    blurred = cv2.GaussianBlur(photo.permute(1, 2, 0).numpy(), (0, 0), 1.0)
    assert seen(photo, torch.from_numpy(blurred).permute(2, 0, 1)) == 1


@pytest.mark.parametrize(("y", "x"), [(0, 0), (95, 101), (191, 191), (5, 190)])
def test_one_pixel_in_a_flat_image_decides_wherever_it_lies(y: int, x: int) -> None:
    flat = torch.full((3, SIDE, 320), 0.5)
    faint, strong = flat.clone(), flat.clone()
    faint[:, y, x] += 10 / 255
    strong[:, y, x] += 60 / 255
    assert 0 < seen(flat, faint) < 1 and seen(flat, strong) == 1


def test_the_place_that_differs_most_in_code_values_need_not_be_the_visible_one() -> None:
    a = torch.full((3, 64, 800), 0.5)
    b = a.clone()
    b[:, :32, :32] += torch.tensor([0.0, 0.0, 6 / 255])[:, None, None] * ((torch.arange(32) % 2) * 2 - 1)  # fine blue
    b[:, 16:48, 760:792] += 3.5 / 255  # smaller in code values, and seen
    assert (b - a)[..., :400].abs().max() > (b - a)[..., 400:].abs().max()
    whole = delta_e_map(a[None], b[None])
    assert whole[..., :400].max() < 1 < whole[..., 400:].max() and seen(a, b) == 1


def test_swapping_the_images_gives_the_same_bits(photo: Tensor) -> None:
    other = eight_bit(photo + torch.randn(photo.shape, generator=torch.Generator().manual_seed(1)) / 255)
    assert torch.equal(delta_e_map(photo[None], other[None]), delta_e_map(other[None], photo[None]))
    assert seen(photo, other) == seen(other, photo)


def test_flat_images_differ_as_cie94_says_of_the_flare_lit_colours() -> None:
    """Blurring changes no flat image, so the formula of CIE94 applies, here by OpenCV's CIELAB."""
    colours = np.array([[[0.55, 0.40, 0.35]], [[0.56, 0.395, 0.355]]], np.float32)
    light = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    lab = cv2.cvtColor(((light + 0.01) / 1.01).astype(np.float32), cv2.COLOR_LRGB2Lab).reshape(2, 3).astype(np.float64)
    lightness, chroma = lab[0, 0] - lab[1, 0], np.hypot(*lab[:, 1:].T)
    hue = ((lab[0, 1:] - lab[1, 1:]) ** 2).sum() - (chroma[0] - chroma[1]) ** 2
    mean = np.sqrt(chroma.prod())
    expected = np.sqrt(
        lightness**2 + ((chroma[0] - chroma[1]) / (1 + 0.045 * mean)) ** 2 + hue / (1 + 0.015 * mean) ** 2
    )
    a, b = (torch.from_numpy(colour.reshape(3, 1, 1)).expand(3, 256, 256) for colour in colours)
    assert float(delta_e_map(a[None], b[None])[0, 0, 128, 128]) == pytest.approx(expected, rel=0.01)
    assert expected > 1


def test_one_pixel_spreads_as_the_gaussians_of_s_cielab() -> None:
    """A literal, slow version of its peak: opponent colours, Gaussians at 60 pixels per degree, then CIELAB."""
    weights = [((0.921, 0.0283), (0.105, 0.133)), ((0.531, 0.0392), (0.330, 0.494)), ((0.488, 0.0536), (0.371, 0.386))]
    opponent = np.array([[0.279, 0.72, -0.107], [-0.449, 0.29, -0.077], [0.086, -0.59, 0.501]])
    white = np.array([0.9505, 1.0, 1.089])
    x = np.arange(-200, 201) / 60
    peaks = []
    for parts in weights:
        sums = [np.exp(-((x / spread) ** 2)).sum() ** 2 for _, spread in parts]
        peaks.append(sum(w / total for (w, _), total in zip(parts, sums, strict=True)) / sum(w for w, _ in parts))
    low, high = ((((v + 0.055) / 1.055) ** 2.4 + 0.01) / 1.01 for v in (0.5, 0.6))
    around = opponent @ white * low
    at_peak = np.linalg.solve(opponent, around + np.array(peaks) * (opponent @ white) * (high - low)) / white
    roots = np.cbrt(np.stack([np.full(3, low), at_peak]))
    lab = np.stack([116 * roots[:, 1], 500 * (roots[:, 0] - roots[:, 1]), 200 * (roots[:, 1] - roots[:, 2])], 1)
    expected = np.linalg.norm(lab[1] - lab[0])  # the flat image has no chroma, so CIE94 has no weights
    flat = torch.full((3, 256, 256), 0.5)
    point = flat.clone()
    point[:, 128, 128] += 0.1
    assert float(delta_e_map(flat[None], point[None])[0, 0, 128, 128]) == pytest.approx(expected, rel=0.02)


def test_cells_that_do_not_count_are_left_out_and_pairs_of_a_batch_stand_alone(photo: Tensor) -> None:
    other = photo.clone()
    other[:, :40, :40] = 1 - other[:, :40, :40]
    counts = torch.ones(1, 1, photo.shape[-2] // 4, photo.shape[-1] // 4)
    assert seen(photo, other, counts) == 1
    counts[..., :32, :32] = 0
    assert seen(photo, other, counts) < 1
    batch = visible_difference(torch.stack([photo, photo]), torch.stack([photo, other]), torch.ones_like(counts))
    assert batch.tolist() == [0, 1]


def test_images_of_sixteen_pixels_are_compared_too() -> None:
    tiny = torch.full((3, 16, 16), 0.3)
    assert 0 < seen(tiny, tiny + 1 / 255) < 1 and seen(tiny, tiny + 0.1) == 1


def test_lossless_files_and_high_quality_jpeg_stay_below(photo: Tensor) -> None:
    pixels = (photo * 255).round().byte().permute(1, 2, 0).numpy()
    for quality, subsampling, visible in ((98, 0, False), (85, 2, True)):
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=subsampling)
        again = torch.from_numpy(np.array(Image.open(BytesIO(stream.getvalue())))).permute(2, 0, 1).float() / 255
        assert (seen(photo, again) == 1) == visible


def test_pairs_of_several_images_are_as_visible_as_each_pair_alone_and_each_image_is_filtered_once(
    photo: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = photo.repeat(1, 1, 3)
    noise = torch.randn(wide.shape, generator=torch.Generator().manual_seed(2))
    patch = wide.clone()
    patch[:, 32:64, 400:432] += 0.3
    images = [wide, eight_bit(wide + noise.round().clamp(-1, 1) / 255), wide.clone(), eight_bit(wide + noise / 20),
              patch.clamp(0, 1), eight_bit(wide + 1 / 255)]  # fmt: skip
    pairs = list(combinations(range(len(images)), 2))
    expected = [seen(images[i], images[j]) for i, j in pairs]
    assert expected[1] == 0 and 1 in expected and sum(0 < value < 1 for value in expected) >= 3
    filtered = []
    plain = visibility._as_seen
    monkeypatch.setattr(visibility, "_as_seen", lambda image: filtered.append(image.shape[-1]) or plain(image))
    counts = torch.ones(1, 1, wide.shape[-2] // 4, wide.shape[-1] // 4)
    found = visible_differences([image[None] for image in images], pairs, counts)
    assert found.tolist() == pytest.approx(expected, abs=1e-6)
    # Wholly at most once an image, and only those that are not plainly different from all others.
    assert 0 < filtered.count(wide.shape[-1]) <= 4


def test_cells_that_do_not_count_are_left_out_of_pairs_of_several_images(photo: Tensor) -> None:
    wide = photo.repeat(1, 1, 3)
    marked = wide.clone()
    marked[:, :40, :40] = 1 - marked[:, :40, :40]
    counts = torch.ones(1, 1, wide.shape[-2] // 4, wide.shape[-1] // 4)
    images, pairs = [wide[None], marked[None], wide[None] + 1e-3], [(0, 1), (0, 2), (1, 2)]
    assert visible_differences(images, pairs, counts)[0] == 1
    counts[..., :40, :40] = 0
    expected = [float(visible_difference(images[i], images[j], counts)) for i, j in pairs]
    assert visible_differences(images, pairs, counts).tolist() == pytest.approx(expected, abs=1e-6)
    assert expected[0] < 1
