"""pMOS for users: the score is the mean of its maps, tiles and size change nothing, and the answer reads well."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import relational_iqa.systems.pmos as pmos
from distortion_engine.errors import ImageError, UsageError
from relational_iqa.networks.pmos_encoder import MOS_CELL_PX
from relational_iqa.networks.pmos_head import DEFECTS, MosMaps, full_resolution, image_mos, thumbnail
from relational_iqa.results import mos_score
from relational_iqa.results.mos_score import GRADES, MosScore
from relational_iqa.results.words.single_image import index_of
from relational_iqa.storage.pmos_weights import load_pmos_weights, save_pmos_weights
from relational_iqa.systems.pmos import PMOS
from relational_iqa.tiling.tile_geometry import GRID_PX
from tests.relational_iqa.small_pmos import TINY, random_pmos


@pytest.fixture(scope="module")
def model(versions: list[Tensor]) -> PMOS:
    return PMOS(random_pmos(versions), {"name": "random", "sha256": "0" * 64, "opinions": "none"})


@pytest.fixture
def tiled(model: PMOS) -> PMOS:
    """The same in the smallest tiles that make several of the pictures of these tests."""
    return PMOS(model.network, model.meta, tile_px=64)


# -- the score and its maps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 16), (33, 70), (128, 80)])
def test_mos_is_exactly_the_weighted_mean_of_the_maps_that_are_returned(
    model: PMOS, scene: Callable[[int, int, int], Tensor], size: tuple[int, int]
) -> None:
    result = model.score(scene(*size, 1))
    assert result.defects is not None and result.defects.shape == (DEFECTS, -(-size[0] // 8), -(-size[1] // 8))
    assert 0 <= result.defects.min() < result.defects.max() <= 1 and result.doubt is not None and result.doubt > 0
    assert result.pmos.shape == result.roi.shape == size and result.pmos.dtype == np.float32
    mean = np.average(result.pmos.astype(np.float64), weights=result.roi.astype(np.float64))
    assert result.mos == pytest.approx(mean, abs=1e-9)
    assert 1 <= result.pmos.min() < result.pmos.max() <= 5 and result.roi.min() > 0 and result.roi.std() > 1e-4
    assert abs(result.mos - result.pmos.mean()) > 1e-6  # the weights matter
    assert model.mos(scene(*size, 1)) == pytest.approx(result.mos, abs=1e-5)


def test_tiles_give_the_numbers_of_the_whole_image(
    model: PMOS, tiled: PMOS, scene: Callable[[int, int, int], Tensor]
) -> None:
    image = scene(70, 700, 2)
    assert len(list(tiled.feature_tiles(image))) == 22 and len(list(model.feature_tiles(image))) == 1
    whole, parts = model.score(image), tiled.score(image)
    np.testing.assert_allclose(parts.pmos, whole.pmos, atol=1e-4)
    np.testing.assert_allclose(parts.roi, whole.roi, rtol=1e-4)
    assert parts.defects is not None and whole.defects is not None and parts.defects.std() > 1e-4
    np.testing.assert_allclose(parts.defects, whole.defects, atol=1e-4)
    assert parts.doubt == pytest.approx(whole.doubt, abs=1e-4)
    assert parts.mos == pytest.approx(whole.mos, abs=1e-5)
    mean = np.average(parts.pmos.astype(np.float64), weights=parts.roi.astype(np.float64))
    assert parts.mos == pytest.approx(mean, abs=1e-9)
    assert tiled.mos(image) == pytest.approx(parts.mos, abs=1e-5)


def test_parts_give_the_numbers_of_the_whole_image(model: PMOS, scene: Callable[[int, int, int], Tensor]) -> None:
    """Where gradients are wanted nothing runs in parts."""
    image = scene(64, 1728, 4)[None]
    with torch.inference_mode():
        parts = model.network(image, thumbnail(image))
    with torch.enable_grad():
        whole = model.network(image, thumbnail(image))
    torch.testing.assert_close(parts.mos, whole.mos, rtol=0, atol=1e-4)
    torch.testing.assert_close(parts.roi, whole.roi, rtol=1e-4, atol=0)


def test_large_image_is_never_seen_whole_by_the_encoder(
    tiled: PMOS, scene: Callable[[int, int, int], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    see = tiled.network.encoder.see
    monkeypatch.setattr(tiled.network.encoder, "see", lambda x: (seen.append(x.shape[-1]), see(x))[1])
    tiled.score(scene(32, 1600, 0))
    assert len(seen) == 25 and max(seen) <= 64 + 2 * tiled.network.encoder.reach_px


def test_nothing_beyond_the_stated_reach_matters_but_the_thumbnail(
    model: PMOS, scene: Callable[[int, int, int], Tensor]
) -> None:
    """Tiles start on the grid and end with the bilinear enlargement to pixels, which the reach includes."""
    reach = model.network.encoder.reach_px
    assert reach % GRID_PX == 0
    image = scene(16, 1296, 3)[None]
    changed = image.clone()
    changed[..., 640:656] = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    small = thumbnail(image)
    with torch.inference_mode():
        maps, others = (torch.cat(model.network(x, small), 1) for x in (image, changed))
        full, other = (full_resolution(x, 16, 1296, MOS_CELL_PX) for x in (maps, others))
    difference = (full - other).abs().amax((0, 1, 2))
    assert (difference[: 640 - reach] == 0).all() and (difference[656 + reach :] == 0).all()
    assert difference[640 - 100] > 0  # it does reach out


def test_thumbnail_changes_the_map_and_not_the_weights(model: PMOS, versions: list[Tensor]) -> None:
    image, other = versions[0][None], versions[4][None]
    own, foreign = (model.network(image, thumbnail(x)) for x in (image, other))
    assert (own.mos - foreign.mos).abs().max() > 1e-5 and torch.equal(own.roi, foreign.roi)
    assert thumbnail(torch.rand(2, 3, 16, 700)).shape == (2, 3, 128, 128)
    flat = thumbnail(torch.full((1, 3, 1000, 40), 0.3))
    torch.testing.assert_close(flat, torch.full_like(flat, 0.3))


def test_parts_that_the_architecture_leaves_out_do_nothing(versions: list[Tensor]) -> None:
    images = torch.stack(versions)
    network = random_pmos(versions, replace(TINY, film=False, roi=False))
    with torch.no_grad():
        maps, other = network(images, thumbnail(images)), network(images, thumbnail(images.flip(0)))
    assert torch.equal(maps.mos, other.mos) and (maps.roi == 1).all()
    frozen = {name.split(".")[0] for name, p in network.thaw().named_parameters() if not p.requires_grad}
    assert frozen == {"scene", "head"} and network.head.score.weight.requires_grad
    assert not any(p.requires_grad for p in network.thaw(backbone=False).encoder.stages.parameters())
    assert network.encoder.stem.mix.weight.requires_grad


def test_the_doubt_is_that_of_the_whole_network_and_scales_with_its_factor(model: PMOS, versions: list[Tensor]) -> None:
    network, image = model.network, versions[1][None]
    with torch.inference_mode():
        scene = network.embed(thumbnail(image))
        places = network.places(network.encoder.see(image), scene)
        expected = float(network.doubt_of(places, scene))
        assert expected == pytest.approx(model.score(versions[1]).doubt, abs=1e-2)  # of cells, not of pixels
        network.doubt.factor.fill_(1.5)
        try:
            assert float(network.doubt_of(places, scene)) == pytest.approx(1.5 * expected, rel=1e-5)
        finally:
            network.doubt.factor.fill_(1.0)


def test_the_reach_of_the_cells_is_the_one_results_are_read_with() -> None:
    assert mos_score.CELL_PX == MOS_CELL_PX


def test_batch_of_images_equals_them_one_by_one(model: PMOS, versions: list[Tensor]) -> None:
    maps, scores = model.maps_batch(torch.stack(versions))
    assert len(set(scores.tolist())) == len(versions)
    for image, mos, single in zip(versions, maps.mos, scores, strict=True):
        result = model.score(image)
        np.testing.assert_allclose(result.pmos, mos[0], atol=1e-5)
        assert result.mos == pytest.approx(float(single), abs=1e-5)


def test_full_resolution_keeps_ranges_and_pools_as_a_plain_weighted_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = MosMaps(1 + 4 * torch.rand(2, 1, 5, 7, generator=generator), torch.rand(2, 1, 5, 7, generator=generator))
    both = full_resolution(torch.cat(maps, 1), 34, 51, MOS_CELL_PX)
    full = MosMaps(both[:, :1], both[:, 1:])
    assert full.mos.shape == full.roi.shape == (2, 1, 34, 51)
    assert full.mos.min() >= maps.mos.min() and full.mos.max() <= maps.mos.max() and full.roi.min() > 0
    expected = [np.average(m, weights=w) for m, w in zip(full.mos.numpy(), full.roi.numpy(), strict=True)]
    np.testing.assert_allclose(image_mos(full), expected, rtol=1e-5)


# -- input -------------------------------------------------------------------------------------------------------------


def test_files_arrays_and_tensors_are_the_same_image(model: PMOS, photo_paths: list[Path]) -> None:
    from distortion_engine.reading.image_io import load_image, to_uint8

    tensor = load_image(photo_paths[0])
    by_path = model.score(photo_paths[0])
    assert by_path.name == "photo_1.png" and by_path.meta["size"] == "160 x 128"
    assert model.score(tensor).mos == model.score(to_uint8(tensor)).mos == by_path.mos


def test_bad_images_and_unknown_devices_get_one_line(model: PMOS, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        model.score(np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(ImageError):
        model.score(torch.full((3, 32, 32), float("nan")))
    path = tmp_path / "w.safetensors"
    save_pmos_weights(path, model.network)
    with pytest.raises(UsageError, match="nowhere"):
        pmos.load(path, device="nowhere")


# -- weights -----------------------------------------------------------------------------------------------------------


def test_saved_weights_score_the_same_and_say_whose_opinions_they_hold(
    model: PMOS, versions: list[Tensor], tmp_path: Path
) -> None:
    path, again = tmp_path / "mine.safetensors", tmp_path / "again.safetensors"
    digest = save_pmos_weights(path, model.network, "12 rated images of here")
    loaded = pmos.load(path)
    result = loaded.score(versions[1])
    assert result.mos == model.score(versions[1]).mos
    assert (result.opinions, result.meta["weights"], result.meta["weights_sha256"]) == (
        "12 rated images of here", "mine", digest,
    )  # fmt: skip
    assert save_pmos_weights(again, loaded.network, "12 rated images of here") == digest
    assert load_pmos_weights(path)[0].architecture == TINY


def test_missing_damaged_and_foreign_weights_are_told_apart(model: PMOS, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    save_pmos_weights(damaged, model.network)
    damaged.write_bytes(damaged.read_bytes()[:200])
    for source, word in (("no-such-weights", "no weights"), (damaged, "not readable"), ("riqa-small", "format")):
        with pytest.raises(UsageError, match=word):
            pmos.load(source)


# -- the answer --------------------------------------------------------------------------------------------------------


def answer(mos: float, low: float = 2.0, name: str = "x.jpg") -> MosScore:
    """A map that is `low` in its upper left eighth and such that a flat weight gives `mos`."""
    values = np.full((40, 80), (mos - low / 8) * 8 / 7, np.float32)
    values[:20, :20] = low
    return MosScore(mos, values, np.ones_like(values), name)


def test_sentence_says_score_grade_and_where_it_is_worst() -> None:
    result = answer(4.0)
    assert result.summary() == "x.jpg: MOS 4.0 of 5 (good); worst at the upper left, 2.3 below the rest."
    assert repr(result) == result.summary()
    assert answer(3.0, 2.9).summary() == "x.jpg: MOS 3.0 of 5 (fair); no part stands out."
    assert result.worst.sum() > 360 and not result.worst[20:].any() and not result.worst[:, 20:].any()


@pytest.mark.parametrize(("mos", "grade"), [(1.0, 0), (1.49, 0), (1.51, 1), (3.2, 2), (4.49, 3), (4.6, 4), (5.0, 4)])
def test_grade_is_the_nearest_of_five(mos: float, grade: int) -> None:
    assert answer(mos, mos).grade == GRADES[grade]


def test_flat_map_has_no_worst_region() -> None:
    flat = np.full((20, 20), 3.0, np.float32)
    result = MosScore(3.0, flat, np.ones_like(flat))
    assert result.worst_region is None and not result.worst.any() and "no part stands out" in result.summary()
    assert result.to_json()["worst"] is None


def test_json_has_everything_but_the_arrays(model: PMOS, versions: list[Tensor]) -> None:
    content = json.loads(json.dumps(model.score(versions[2], name="n").to_json(), allow_nan=False))
    assert content["name"] == "n" and 1 <= content["mos"] <= 5 and content["grade"] in GRADES
    assert content["opinions"] == "none" and "1 (bad) to 5" in content["scale"]
    assert content["size"] == {"width": 96, "height": 80} and content["meta"]["weights"] == "random"
    assert 0.02 <= content["doubt"] <= 2 and content["defects"] == []  # untrained: nothing may be named
    assert content["pmos"]["p05"] <= content["pmos"]["median"] <= content["pmos"]["p95"]


def test_result_refuses_what_is_no_result() -> None:
    ones = np.ones((4, 4), np.float32)
    with pytest.raises(ValueError, match="finite|number from 1 to 5"):
        MosScore(float("nan"), ones, ones)
    with pytest.raises(ValueError, match="same"):
        MosScore(3.0, ones, ones[:2])
    with pytest.raises(ValueError, match="2 defects and 1 severities"):
        MosScore(3.0, ones, ones, defects=np.ones((2, 1, 1), np.float32), named_from=[0.1])


def with_defects(everywhere: dict[tuple[str, bool], float], corner: dict[tuple[str, bool], float]) -> MosScore:
    """An answer whose upper left quarter is two grades worse, with severities by axis and direction."""
    pmos, defects = np.full((64, 64), 4.0, np.float32), np.zeros((DEFECTS, 8, 8), np.float32)
    pmos[:32, :32] = 2.0
    for (axis, more), severity in everywhere.items():
        defects[index_of(axis, more)] = severity
    for (axis, more), severity in corner.items():
        defects[index_of(axis, more), :4, :4] = severity
    return MosScore(3.5, pmos, np.ones_like(pmos), "x.jpg", doubt=0.36, defects=defects, named_from=[0.1] * DEFECTS)


def test_sentence_names_the_doubt_the_defects_and_what_the_worst_region_suffers_from() -> None:
    result = with_defects({("noise", True): 0.3}, {("sharpness", False): 0.14})
    assert result.summary() == (
        "x.jpg: MOS 3.5 ± 0.4 of 5 (good), sharp but noisy (moderate); worst at the upper left, 2.0 below the rest: "
        "blurred (faint)."
    )
    content = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert content["doubt"] == pytest.approx(0.36) and content["worst"]["defect"]["word"] == "blurred"
    assert [(one["axis"], one["direction"], one["word"]) for one in content["defects"]] == [("noise", "more", "noisy")]
    assert content["defects"][0]["severity"] == pytest.approx(0.3) and content["defects"][0]["share"] == 1


def test_worst_region_is_not_blamed_for_what_the_rest_has_as_well() -> None:
    assert with_defects({("noise", True): 0.3}, {}).named_worst is None
    assert with_defects({}, {}).summary().endswith("(good); worst at the upper left, 2.0 below the rest.")


def test_cells_of_a_small_picture_are_those_of_the_network() -> None:
    """Three rows of 8 px of a picture of 17: the last one is one pixel high."""
    inside = np.zeros((17, 24), bool)
    inside[8:16] = True
    assert mos_score._in_cells(inside, (3, 3)).tolist() == [[False] * 3, [True] * 3, [False] * 3]
