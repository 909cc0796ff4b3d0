"""RankedSetDataset: item i is a function of (photographs, seed, i), whoever asks for it and in whatever order."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from distortion_engine import dataset as module
from distortion_engine.catalog import AXES
from distortion_engine.dataset import GRID_MARGIN_PX, RankedItem, RankedSetDataset, render_set
from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import load_image, save_image, to_uint8
from distortion_engine.sampling import SamplingConfig

IMAGES = Path(__file__).parents[1] / "images"
PHOTOS = sorted(IMAGES.glob("photo_*.png"))
LADDERS = SamplingConfig(kinds={"ladder": 1.0}, mask_share=0.0)


def made(seed: int = 0, **options) -> RankedSetDataset:
    return RankedSetDataset(PHOTOS, size_px=64, seed=seed, length=12, **options)


def same(one: RankedItem, other: RankedItem) -> bool:
    tensors = ("images", "fields", "validity", "ranks", "labels")
    plain = ("certainty", "set", "photo", "crop", "dropped")
    return all(torch.equal(one[k], other[k]) for k in tensors) and all(one[k] == other[k] for k in plain)


def distance_judge(test: Tensor, reference: Tensor) -> Tensor:
    return (test - reference).abs().mean((1, 2, 3))[:, None]


def contrary_judge(test: Tensor, reference: Tensor) -> Tensor:
    """The better an image, the worse it finds it."""
    return torch.linspace(1.0, 0.0, len(test))[:, None]


def first_item(items: list[RankedItem]) -> RankedItem:
    return items[0]


def test_items_do_not_depend_on_the_order_of_access_nor_on_what_was_asked_before():
    forward, backward = made(), made()
    items = [forward[index] for index in range(6)]
    torch.manual_seed(5)
    np.random.seed(5)
    for index in reversed(range(6)):
        assert same(backward[index], items[index])
    assert same(RankedSetDataset(PHOTOS, 64, 0, length=1000)[3], items[3])  # the length is only what is reported


def test_worker_processes_give_the_items_this_process_gives():
    alone = [made(judge=distance_judge)[index] for index in range(4)]
    loader = DataLoader(torch.utils.data.Subset(made(judge=distance_judge), range(4)), 1, num_workers=2,
                        collate_fn=first_item)  # fmt: skip
    assert all(same(one, other) for one, other in zip(alone, loader, strict=True))


def test_another_index_or_another_seed_is_another_set():
    references = [made(seed)[index].images[0] for seed in (0, 1) for index in (0, 1)]
    assert len({image.numpy().tobytes() for image in references}) == 4


def test_an_item_has_the_shapes_types_and_ranges_it_promises():
    for index in range(6):
        item = made(judge=distance_judge)[index]
        assert item.images.shape == (5, 3, 64, 64) and item.images.dtype == torch.uint8
        assert item.fields.shape == (5, len(AXES), 64, 64) and item.fields.dtype == torch.float32
        assert item.validity.shape == (5, 1, 64, 64) and item.validity.dtype == torch.float32
        assert item.ranks.tolist() == [-1, *item.set.ranks] and item.ranks.dtype == torch.int64
        assert item.labels.shape == (5, 1) and item.labels[0] == 0 and bool((item.labels[1:] > 0).all())
        assert float(item.fields.abs().max()) <= 1 and not bool(item.fields[0].any())
        assert item.photo in {photo.name for photo in PHOTOS}


def test_without_a_judge_there_are_no_labels():
    assert made()[0].labels.shape == (5, 0)


def test_the_recipes_and_the_crop_are_enough_to_make_the_pixels_again():
    for index in range(4):
        item = made()[index]
        photo = to_uint8(load_image(IMAGES / item.photo))
        for mine, theirs in zip(render_set(photo, item.crop, item.set), ("images", "fields", "validity"),
                                strict=True):  # fmt: skip
            assert torch.equal(mine, getattr(item, theirs))


def test_block_grids_start_at_every_kind_of_offset():
    crops = [made()[index].crop for index in range(12)]
    assert len({crop.top for crop in crops}) > 4 and len({crop.left for crop in crops}) > 4
    assert all(0 <= min(crop.top, crop.left) and max(crop.top, crop.left) <= GRID_MARGIN_PX for crop in crops)


def test_a_judge_that_agrees_drops_nothing_and_does_not_change_the_sets():
    plain, judged = made(sampling=LADDERS), made(sampling=LADDERS, judge=lambda a, b: 1 - contrary_judge(a, b))
    for index in range(4):
        one, other = plain[index], judged[index]
        assert other.dropped == one.dropped == 0 and torch.equal(one.images, other.images)


def test_sets_that_the_judge_contradicts_are_drawn_again_and_counted():
    kept = made(sampling=LADDERS)[0]
    calls = 0

    def once(test: Tensor, reference: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return contrary_judge(test, reference) if calls <= 2 else 1 - contrary_judge(test, reference)

    item = made(sampling=LADDERS, judge=once)[0]
    assert item.dropped == 2 and calls == 3
    assert not torch.equal(item.images, kept.images)


def test_a_judge_that_never_agrees_does_not_hang_the_dataset():
    assert made(sampling=LADDERS, judge=contrary_judge)[0].dropped == 7


def test_a_judge_cannot_drop_an_order_that_is_not_certain():
    uncertain = SamplingConfig(kinds={"cross_type": 1.0})
    judged, unjudged = (made(sampling=uncertain, judge=judge) for judge in (contrary_judge, None))
    indices = [index for index in range(12) if unjudged[index].certainty < 0.8]
    assert len(indices) >= 3 and all(judged[index].set == unjudged[index].set for index in indices)


def test_a_contradiction_below_half_a_level_is_let_pass():
    assert made(sampling=LADDERS, judge=lambda a, b: 0.09 * contrary_judge(a, b))[0].dropped == 0


def test_sets_in_which_nothing_can_be_seen_are_dropped_with_or_without_a_judge(tmp_path: Path):
    save_image(torch.full((3, 96, 96), 0.5), tmp_path / "grey.png")
    sampling = SamplingConfig(kinds={"ladder": 1.0}, distortions=("gaussian_blur", "white_noise"))
    flat = RankedSetDataset([tmp_path / "grey.png"], 64, 0, 12, sampling)
    items = [flat[index] for index in range(6)]
    assert sum(item.dropped for item in items) > 0
    for item in items:
        assert item.set.members[0].steps[0].distortion == "white_noise"  # blur leaves a grey square as it is
        assert len({image.numpy().tobytes() for image in item.images}) == 5


def test_images_of_different_rank_are_different_images():
    for index in range(12):
        item = made()[index]
        for a in range(5):
            for b in range(a):
                assert item.ranks[a] == item.ranks[b] or not torch.equal(item.images[a], item.images[b])


def test_an_index_outside_is_refused_and_iteration_ends():
    with pytest.raises(IndexError, match="12 is outside a dataset of 12 sets"):
        made()[12]
    with pytest.raises(IndexError):
        made()[-1]


def test_an_unreadable_photograph_is_an_image_error_that_names_it(tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(PHOTOS[0].read_bytes()[:2000])
    with pytest.raises(ImageError, match="broken.png"):
        RankedSetDataset([tmp_path / "broken.png"], 64)[0]


def test_decoded_photographs_are_kept_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_photo_cache", type(module._photo_cache)())
    size = module.read_photo(PHOTOS[0]).nbytes
    monkeypatch.setattr(module, "_PHOTO_CACHE_BYTES", 2 * size)
    for photo in (*PHOTOS, PHOTOS[1]):
        module.read_photo(photo)
    assert list(module._photo_cache) == [PHOTOS[2], PHOTOS[1]]


def test_a_part_of_an_item_is_found_by_attribute_and_by_name_and_cannot_be_replaced():
    item = made()[0]
    assert item["images"] is item.images and item["set"] is item.set
    with pytest.raises(FrozenInstanceError):
        item.images = item.fields  # type: ignore[misc]
