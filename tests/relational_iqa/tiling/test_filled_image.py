"""Pictures of which only what a mask shows is known: what is made of the rest."""

import numpy as np
import pytest
import torch
from torch import Tensor

from relational_iqa.tiling import filled_image
from relational_iqa.tiling.filled_image import MIRRORED_PX, FilledImage
from relational_iqa.tiling.stored_image import StoredImage


def filled(image: Tensor, mask: Tensor) -> FilledImage:
    return FilledImage(StoredImage(image, "image"), StoredImage(mask, "mask"))


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def blob(height: int, width: int) -> Tensor:
    """A mask of two discs, (3, H, W)."""
    y, x = np.mgrid[:height, :width]
    known = ((y - 50) ** 2 + (x - 60) ** 2 < 30**2) | ((y - 90) ** 2 + (x - 200) ** 2 < 15**2)
    return torch.from_numpy(known.astype(np.float32)).expand(3, -1, -1).contiguous()


def pushed_and_pulled(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Push-pull of an image (n, n, 3) whose sides are a power of two, pixel by pixel."""
    side = len(image)
    if side == 1:
        return np.where(known[..., None], image, 0.0)
    sums, count = np.zeros((side // 2, side // 2, 3)), np.zeros((side // 2, side // 2))
    for y in range(side):
        for x in range(side):
            sums[y // 2, x // 2] += image[y, x] * known[y, x]
            count[y // 2, x // 2] += known[y, x]
    coarse = pushed_and_pulled_cells(sums, count)
    out = image.copy()
    for y in range(side):
        for x in range(side):
            if not known[y, x]:
                out[y, x] = between(coarse, y, x)
    return out


def pushed_and_pulled_cells(sums: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The same of cells of which sums and numbers of known pixels are given."""
    side = len(sums)
    if side == 1:
        return sums / np.maximum(count[..., None], 1)
    shape = (side // 2, 2, side // 2, 2)
    coarse = pushed_and_pulled_cells(sums.reshape(*shape, 3).sum((1, 3)), count.reshape(shape).sum((1, 3)))
    out = np.empty_like(sums)
    for y in range(side):
        for x in range(side):
            out[y, x] = sums[y, x] / count[y, x] if count[y, x] else between(coarse, y, x)
    return out


def between(coarse: np.ndarray, y: int, x: int) -> np.ndarray:
    """Bilinear: a fine place lies a quarter of a cell from the middle of its own coarse cell."""
    other_y, other_x = (min(max(v // 2 + (1 if v % 2 else -1), 0), len(coarse) - 1) for v in (y, x))
    return (
        9 * coarse[y // 2, x // 2]
        + 3 * coarse[other_y, x // 2]
        + 3 * coarse[y // 2, other_x]
        + coarse[other_y, other_x]
    ) / 16


def test_far_from_the_mask_the_values_are_those_of_push_and_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filled_image, "MIRRORED_PX", 0)
    image, known = noise(64, 64), torch.rand(64, 64, generator=torch.Generator().manual_seed(1)) < 0.02
    known[:, 40:] = False
    found = filled(image, known.float().expand(3, -1, -1).contiguous()).pixels().permute(1, 2, 0).numpy()
    expected = pushed_and_pulled(image.permute(1, 2, 0).double().numpy(), known.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_near_the_mask_the_picture_is_mirrored_at_its_border() -> None:
    image, mask = noise(40, 200), torch.zeros(3, 40, 200)
    mask[..., :110] = 1
    found = filled(image, mask).pixels()
    assert torch.equal(found[..., :110], image[..., :110])
    for distance in (1, 10, MIRRORED_PX):  # from the last known column, 109
        assert torch.equal(found[..., 109 + distance], image[..., 109 - distance])
    assert not torch.equal(found[..., 110 + MIRRORED_PX], image[..., 108 - MIRRORED_PX])


def test_nothing_of_it_depends_on_what_is_not_known() -> None:
    mask = blob(130, 260)
    other = torch.where(mask > 0, noise(130, 260), noise(130, 260, seed=5))
    assert torch.equal(filled(noise(130, 260), mask).pixels(), filled(other, mask).pixels())


def test_a_plain_picture_stays_plain() -> None:
    plain = filled(torch.full((3, 130, 260), 0.3), blob(130, 260)).pixels()
    torch.testing.assert_close(plain, torch.full_like(plain, 0.3))


@pytest.mark.parametrize("box", [(0, 40, 0, 60), (33, 34, 90, 260), (100, 130, 8, 160)])
def test_a_window_equals_the_same_part_of_the_whole(box: tuple[int, int, int, int]) -> None:
    image = filled(noise(130, 260), blob(130, 260))
    top, bottom, left, right = box
    whole = image.pixels()[:, top:bottom, left:right]
    torch.testing.assert_close(image.window(*box), whole, rtol=0, atol=1e-6)
    part = image[..., top:bottom, left:right]
    assert part.shape == whole.shape and part.counts is not None and part.counts.shape == whole.shape
