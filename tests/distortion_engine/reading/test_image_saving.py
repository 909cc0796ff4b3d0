"""Writing: lossless, whole or not at all, the same bytes for the same tensor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import load_image, save_image, to_uint8

pytestmark = pytest.mark.filterwarnings("error")  # nothing of Pillow's leaks: no DecompressionBombWarning, no metadata


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_what_is_saved_is_read_back_equal_and_with_the_same_bytes(
    tmp_path: Path, pixels: np.ndarray, suffix: str, expected: Callable[..., torch.Tensor]
) -> None:
    image = expected(pixels)
    save_image(image, tmp_path / f"a{suffix}")
    save_image(image[None], str(tmp_path / f"b{suffix}"))
    assert torch.equal(load_image(tmp_path / f"a{suffix}"), image)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]


def test_to_uint8_rounds_and_clamps() -> None:
    image = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 2.0]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert to_uint8(image)[:, :, 0].tolist() == [[0, 0], [1, 255]]


def test_a_failed_save_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    image = torch.zeros(3, 16, 16)
    with pytest.raises(ImageError, match=r"x\.jpg: images are written lossless; end the name in \.png or \.webp"):
        save_image(image, tmp_path / "x.jpg")
    with pytest.raises(ImageError, match=r"no/x\.png: cannot be written"):
        save_image(image, tmp_path / "no" / "x.png")
    with pytest.raises(ImageError, match="expected one RGB image"):
        save_image(torch.zeros(1, 16, 16), tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []
