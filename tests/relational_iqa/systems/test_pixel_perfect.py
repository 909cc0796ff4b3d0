"""The door to the networks: what holds for every answer by construction, and what it accepts and refuses."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from distortion_engine.catalog import AXES
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.image_io import save_image
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.results.comparison import Comparison
from relational_iqa.systems.pixel_perfect import RelationalIQA
from relational_iqa.tiling.tile_geometry import HALO_PX

Scene = Callable[[int, int, int], Tensor]
Tiled = Callable[[int], RelationalIQA]


@pytest.fixture
def tiled(random_networks: Networks) -> Tiled:
    """tiled(tile_px): the random model, run in tiles of this side."""
    return lambda tile_px: RelationalIQA(random_networks, {}, tile_px, whole_px=2 * tile_px**2)


def arrays_of(result: Comparison) -> dict[str, np.ndarray]:
    """Every array of a comparison that changes sign with the order of its images."""
    return {**result.maps, "local margin": result.local_margin}


def assert_mirrored(forward: Comparison, backward: Comparison) -> None:
    assert forward.margin == -backward.margin
    assert np.array_equal(forward.weight, backward.weight)
    for name, values in arrays_of(forward).items():
        assert np.array_equal(values, -arrays_of(backward)[name]), name


def assert_equal(one: Comparison, other: Comparison, tolerance: float = 0.0) -> None:
    assert one.margin == pytest.approx(other.margin, abs=tolerance)
    for name, values in {**arrays_of(one), "weight": one.weight}.items():
        np.testing.assert_allclose(values, {**arrays_of(other), "weight": other.weight}[name], rtol=0, atol=tolerance)


def test_the_random_model_answers_something(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    for reference in (None, versions[0]):
        result = random_model.compare(versions[1], versions[2], reference)
        assert abs(result.margin) > 0.1 and result.local_margin.std() > 0.1
        assert all(np.abs(values).max() > 1e-4 for values in result.maps.values())


# -- order and identity ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("referenced", [False, True])
def test_swapping_inputs_negates_every_map_the_local_margin_and_the_margin(
    random_model: RelationalIQA, versions: list[Tensor], referenced: bool
) -> None:
    reference = versions[0] if referenced else None
    for a, b in itertools.combinations(versions, 2):
        assert_mirrored(random_model.compare(a, b, reference), random_model.compare(b, a, reference))


@pytest.mark.parametrize("referenced", [False, True])
def test_swapping_inputs_negates_everything_in_tiles_too(tiled: Tiled, scene: Scene, referenced: bool) -> None:
    model = tiled(128)
    a, b = scene(40, 900, 1), scene(40, 900, 2)
    reference = scene(40, 900, 3) if referenced else None
    assert_mirrored(model.compare(a, b, reference), model.compare(b, a, reference))


@settings(max_examples=8)
@given(seed=st.integers(0, 2**20), height=st.integers(16, 70), width=st.integers(16, 70), faint=st.booleans())
def test_swapping_any_two_images_negates_the_answer(
    random_model: RelationalIQA, scene: Scene, seed: int, height: int, width: int, faint: bool
) -> None:
    a, b = scene(height, width, seed), scene(height, width, seed + 1)
    b = (a + 0.004 * (b - a)).clamp(0, 1) if faint else b
    assert_mirrored(random_model.compare(a, b), random_model.compare(b, a))


@pytest.mark.parametrize("referenced", ["none", "itself", "other"])
def test_identical_inputs_give_exactly_zero(
    random_model: RelationalIQA, versions: list[Tensor], referenced: str
) -> None:
    for image in versions:
        reference = {"none": None, "itself": image, "other": versions[0]}[referenced]
        result = random_model.compare(image, image.clone(), reference)
        assert result.margin == 0 and result.better == "tie" and result.identical
        assert not any(values.any() for values in arrays_of(result).values())
        assert "-0.0" not in json.dumps(result.to_json())


def test_image_equal_to_its_reference_has_quality_zero(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    for image in versions:
        score = random_model.score(image, image.clone())
        assert score.quality == 0 and not score.local_quality.any()
        assert not any(values.any() for values in score.maps.values())


@settings(max_examples=10)
@given(seed=st.integers(0, 2**20), height=st.integers(16, 60), width=st.integers(16, 60), log_change=st.floats(-7, 0))
def test_quality_is_never_above_zero(
    random_model: RelationalIQA, scene: Scene, seed: int, height: int, width: int, log_change: float
) -> None:
    reference, other = scene(height, width, seed), scene(height, width, seed + 1)
    test = reference + 10**log_change * (other - reference)
    score = random_model.score(test.clamp(0, 1), reference)
    assert score.quality <= 0 and score.local_quality.max() <= 0


def test_local_quality_is_zero_far_from_any_difference(random_model: RelationalIQA, scene: Scene) -> None:
    reference = scene(32, 768, 0)
    test = torch.cat([scene(32, 256, 1), reference[..., 256:]], -1)
    quality = random_model.score(test, reference).local_quality
    assert (quality[:, :256] < 0).all() and not quality[:, 256 + HALO_PX :].any()


# -- with a reference --------------------------------------------------------------------------------------------------


def test_margins_with_a_reference_are_differences_of_qualities(
    random_model: RelationalIQA, versions: list[Tensor]
) -> None:
    reference = versions[0]
    a, b = versions[1], versions[2]
    result = random_model.compare(a, b, reference)
    qualities = [random_model.score(image, reference).quality for image in (a, b)]
    assert [result.quality_a, result.quality_b] == qualities
    assert result.margin == pytest.approx(qualities[0] - qualities[1], abs=1e-6)
    assert random_model.compare(a, b).quality_a is None
    assert random_model.compare(reference, b, reference).margin == pytest.approx(-qualities[1], abs=1e-6)


def test_ranking_with_a_reference_is_transitive_and_antisymmetric(
    random_model: RelationalIQA, versions: list[Tensor]
) -> None:
    ranking = random_model.rank(versions[1:], reference=versions[0])
    table = ranking.pairwise
    assert np.array_equal(table, -table.T)
    for i, j, k in itertools.permutations(range(4), 3):
        assert table[i, j] + table[j, k] == pytest.approx(table[i, k], abs=1e-9)
    assert ranking.qualities is not None
    assert [ranking.qualities[i] for i in ranking.order] == sorted(ranking.qualities, reverse=True)
    assert all(margin >= 0 for margin in ranking.margins)
    direct = random_model.compare(versions[1], versions[3], versions[0]).margin
    assert table[0, 2] == pytest.approx(direct, abs=1e-6)


def test_ranking_does_not_depend_on_the_order_of_the_images(
    random_model: RelationalIQA, versions: list[Tensor]
) -> None:
    images = versions[1:]
    for reference in (None, versions[0]):
        forward, backward = random_model.rank(images, reference), random_model.rank(images[::-1], reference)
        assert list(forward.order) == [3 - index for index in backward.order]
        np.testing.assert_allclose(forward.pairwise, backward.pairwise[::-1, ::-1], atol=1e-6)


def test_ranking_without_a_reference_holds_the_margins_of_its_pairs(
    random_model: RelationalIQA, versions: list[Tensor]
) -> None:
    ranking = random_model.rank(versions[1:])
    assert ranking.qualities is None and np.array_equal(ranking.pairwise, -ranking.pairwise.T)
    assert ranking.pairwise[1, 3] == random_model.compare(versions[2], versions[4]).margin
    with pytest.raises(UsageError, match="two images or more, got 1"):
        random_model.rank(versions[:1])


# -- sizes and tiles ---------------------------------------------------------------------------------------------------


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
    assert_equal(tiled(tile_px).compare(a, b, reference), whole, 1e-4)


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


@pytest.mark.parametrize("align", ["resize", "crop"])
def test_aligned_images_are_compared_at_the_smallest_size(
    random_model: RelationalIQA, scene: Scene, align: Any
) -> None:
    a, b = scene(40, 50, 1), scene(44, 48, 2)
    result = random_model.compare(a, b, align=align)
    assert result.local_margin.shape == (40, 48)
    assert align in result.meta["preprocessing"] and result.meta["size"] == "48 x 40"
    assert_mirrored(result, random_model.compare(b, a, align=align))
    if align == "crop":
        assert_equal(result, random_model.compare(a[:, :, 1:49], b[:, 2:42]))


# -- what comes in and what goes out -----------------------------------------------------------------------------------


def test_paths_pil_images_arrays_and_tensors_give_equal_results(
    random_model: RelationalIQA, versions: list[Tensor], tmp_path: Path
) -> None:
    eight_bit = [(image * 255).round().byte().permute(1, 2, 0).numpy() for image in versions[:3]]
    expected = random_model.compare(*eight_bit)
    for kind in ("path", "text", "pil", "float", "tensor", "batch of one"):
        sources: list[Any] = []
        for index, array in enumerate(eight_bit):
            tensor = torch.from_numpy(array).permute(2, 0, 1).float() / 255
            path = tmp_path / f"{index}.png"
            save_image(tensor, path)
            sources.append(
                {
                    "path": path,
                    "text": str(path),
                    "pil": Image.fromarray(array),
                    "float": array.astype(np.float32) / 255,
                    "tensor": tensor,
                    "batch of one": tensor[None],
                }[kind]
            )
        result = random_model.compare(*sources)
        assert_equal(result, expected)
        assert result.has_reference and result.names == (("0.png", "1.png") if kind in ("path", "text") else ("A", "B"))


def test_inputs_are_not_written(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    a, b, reference = (versions[i].numpy().transpose(1, 2, 0).copy() for i in (1, 2, 0))
    kept = [array.copy() for array in (a, b, reference)]
    random_model.compare(a, b, reference)
    assert all(np.array_equal(x, y) for x, y in zip((a, b, reference), kept, strict=True))


def test_maps_have_the_promised_type_shape_and_range(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    for reference in (None, versions[0]):
        result = random_model.compare(versions[1], versions[3], reference)
        assert list(result.maps) == [axis.name for axis in AXES]
        for values in {**arrays_of(result), "weight": result.weight}.values():
            assert values.dtype == np.float32 and values.shape == (80, 96) and values.full().flags.c_contiguous
        assert all(np.abs(values).max() <= 1 for values in result.maps.values())
        assert result.weight.min() > 0
    score = random_model.score(versions[1], versions[0])
    assert score.local_quality.dtype == np.float32 and score.local_quality.shape == (80, 96)
    assert list(score.distortions) == list(score.maps) == [axis.name for axis in AXES]


def test_answers_are_plain_json(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    answers = [
        random_model.compare(versions[1], versions[2]),
        random_model.compare(versions[1], versions[2], versions[0]),
        random_model.score(versions[1], versions[0]),
        random_model.rank(versions[1:]),
        random_model.rank(versions[1:], versions[0]),
    ]
    for answer in answers:
        data = answer.to_json()
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert data["meta"]["weights_sha256"] == "0" * 64 and data["meta"]["weights"] == "random"
        assert data["meta"]["size"] == "96 x 80" and data["meta"]["seconds"] >= 0
        assert answer.summary().endswith(".")


def test_same_images_give_the_same_bits_again(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    assert_equal(*(random_model.compare(versions[1], versions[2], versions[0]) for _ in range(2)))


def test_pixel_limit_and_smallest_side_are_refused_by_name(random_model: RelationalIQA, scene: Scene) -> None:
    with pytest.raises(ImageError, match="max_pixels|max-pixels"):
        random_model.compare(scene(40, 40, 1), scene(40, 40, 2), max_pixels=1000)
    with pytest.raises(ImageError, match="16"):
        random_model.compare(torch.rand(3, 15, 40), torch.rand(3, 15, 40))
