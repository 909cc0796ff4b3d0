"""Images of any size, whole, in tiles and in batches; sizes that differ."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.catalog import AXES
from distortion_engine.errors import ImageError, UsageError
from relational_iqa.systems.pixel_perfect import RelationalIQA
from tests.relational_iqa.systems.comparisons import arrays_of, assert_equal, assert_mirrored

Scene = Callable[[int, int, int], Tensor]


Tiled = Callable[[int], RelationalIQA]


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (16, 75), (31, 33), (50, 18)])
def test_small_images_of_any_size_are_compared(
    random_model: RelationalIQA, scene: Scene, size: tuple[int, int]
) -> None:
    a, b = scene(*size, 1), scene(*size, 2)
    for reference in (None, scene(*size, 3)):
        result = random_model.compare(a, b, reference)
        assert np.isfinite(result.margin) and result.margin != 0
        assert {values.shape for values in arrays_of(result).values()} == {size}
        assert all(np.isfinite(values).all() for values in arrays_of(result).values())
    assert random_model.rank([a, b], a).order == [0, 1]


# The long ones are larger than a tile with its halo; 333 x 417 is not, but is a multiple of nothing.
@pytest.mark.parametrize(
    ("size", "tile_px", "referenced"),
    [((333, 417), 192, False), ((37, 1103), 128, False), ((37, 1103), 128, True), ((1019, 21), 96, True)],
)
def test_tiles_equal_the_whole_image(
    tiled: Tiled, scene: Scene, size: tuple[int, int], tile_px: int, referenced: bool
) -> None:
    a, b = scene(*size, 1), scene(*size, 2)
    reference = scene(*size, 3) if referenced else None
    whole = tiled(2048).compare(a, b, reference)
    # Networks of random weights have local margins of up to 6 levels.
    assert_equal(tiled(tile_px).compare(a, b, reference), whole, 2e-4)


def test_batches_equal_single_images(random_model: RelationalIQA, scene: Scene) -> None:
    a, b = (torch.stack([scene(45, 61, seed) for seed in seeds]) for seeds in ((1, 2, 3), (4, 5, 6)))
    maps, margins = random_model.relate_batch(a, b), random_model.margin_batch(a, b)
    qualities = random_model.quality_batch(a, b)
    assert maps.shape == (3, len(AXES), 45, 61)
    for i in range(3):
        single = random_model.compare(a[i], b[i])
        torch.testing.assert_close(maps[i], random_model.relate(a[i], b[i]), rtol=0, atol=1e-5)
        np.testing.assert_allclose(maps[i], np.stack([*single.maps.values()]), rtol=0, atol=1e-5)
        assert float(margins[i]) == pytest.approx(single.margin, abs=1e-4)
        assert float(qualities[i]) == pytest.approx(random_model.quality(a[i], b[i]), abs=1e-4)


def test_sizes_that_differ_are_refused_naming_both_and_the_remedy(random_model: RelationalIQA, scene: Scene) -> None:
    a, b = scene(40, 50, 1), scene(44, 48, 2)
    with pytest.raises(ImageError, match=r"50 ?x ?40.*48 ?x ?44.*--align"):
        random_model.compare(a, b)
    with pytest.raises(ImageError, match=r"50 ?x ?40.*48 ?x ?44.*--align"):
        random_model.score(a, b)
    with pytest.raises(ImageError, match=r"--align"):
        random_model.compare(a, a, reference=b)
    with pytest.raises(ImageError, match=r"--align"):
        random_model.rank([a, a, b])
    with pytest.raises(UsageError, match="'stretch'"):
        random_model.compare(a, b, align="stretch")


@pytest.mark.parametrize(("align", "height", "width"), [("resize", 44, 50), ("crop", 40, 48)])
def test_resized_images_are_compared_at_the_largest_size_and_cropped_ones_at_the_smallest(
    random_model: RelationalIQA, scene: Scene, align: Any, height: int, width: int
) -> None:
    a, b = scene(40, 50, 1), scene(44, 48, 2)
    result = random_model.compare(a, b, align=align)
    assert result.local_margin.shape == (height, width)
    assert align in result.meta["preprocessing"] and result.meta["size"] == f"{width} x {height}"
    assert_mirrored(result, random_model.compare(b, a, align=align))
    if align == "crop":
        assert_equal(result, random_model.compare(a[:, :, 1:49], b[:, 2:42]))
