"""VersionsDataset: a region and other distortions of it, each once, drawn as Re-IQA's chunks always were."""

from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine.augment import random_crop
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.generation.generate import generate
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.stored_sets import open_sets
from distortion_engine.generation.workers import Workforce
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.recipe import UNORDERED
from distortion_engine.render import apply_step
from distortion_engine.sampling import SamplingConfig, sample_step
from distortion_engine.severity import LEVELS, max_severity
from distortion_engine.versions import VersionsDataset, sample_versions, shuffled_index

IMAGES = Path(__file__).parents[1] / "images"
PHOTOS = sorted(IMAGES.glob("photo_*.png"))


def made(seed: int = 0, length: int = 9) -> VersionsDataset:
    return VersionsDataset(PHOTOS, 64, seed, length, versions=5, weakest=0.4, min_scale=0.9)


def literal(seed: int, index: int) -> list[torch.Tensor]:
    """The images of an item, step by step."""
    epoch, place = divmod(index, len(PHOTOS))
    photo = PHOTOS[np.random.default_rng([seed, epoch, 12]).permutation(len(PHOTOS))[place]]
    rng = np.random.default_rng([seed, index, 11])
    pixels = random_crop(to_uint8(load_image(photo)), 64, int(rng.integers(2**31)), min_scale=0.9)
    region = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    images, names = [region], list(DISTORTIONS)
    trained = [number for number, name in enumerate(names) if DISTORTIONS[name].trained]
    for number in rng.permutation(trained)[:5]:
        severity = float(rng.choice([level for level in LEVELS if level >= 0.4])) * max_severity(names[number])
        step = sample_step(rng, SamplingConfig(mask_share=0.0), names[number], severity)
        images.append(apply_step(region, step, region)[0])
    return [(image * 255).round().to(torch.uint8) for image in images]


@pytest.mark.parametrize("index", [0, 4])
def test_images_are_the_region_and_one_step_on_each_version(index: int):
    item = made(seed=2)[index]
    assert all(torch.equal(one, other) for one, other in zip(item.images, literal(2, index), strict=True))


def test_an_item_is_in_no_order_and_has_every_type_once():
    item = made()[3]
    assert item.images.shape == (6, 3, 64, 64) and item.set.kind == UNORDERED and item.certainty == 0
    assert item.ranks.tolist() == [-1, 0, 0, 0, 0, 0] and item.labels.shape == (6, 0)
    names = [step.distortion for member in item.set.members for step in member.steps]
    assert len(set(names)) == 5 and all(DISTORTIONS[name].trained for name in names)


def test_levels_below_the_weakest_are_not_drawn():
    steps = [r.steps[0] for seed in range(6) for r in sample_versions(np.random.default_rng(seed), 8, weakest=0.6)]
    assert min(step.severity / max_severity(step.distortion) for step in steps) > 0.55
    assert len({step.distortion for step in steps}) > 15


def test_every_photograph_comes_once_an_epoch():
    order = [shuffled_index(i, 7, 0) for i in range(21)]
    assert all(sorted(order[i : i + 7]) == list(range(7)) for i in (0, 7, 14))
    assert order[:7] != order[7:14]


def test_an_index_outside_is_refused():
    with pytest.raises(IndexError, match="9 is outside a dataset of 9 regions"):
        made()[9]


def test_versions_lie_in_the_folders_of_generate_as_ranked_sets_do(tmp_path: Path):
    options = GenerateOptions(
        3, seed=2, size_px=64, sets_per_shard=2, image_format="npy", min_scale=0.9, versions=5, weakest=0.4
    )
    made_of = generate(IMAGES, tmp_path, options, None, Workforce(workers=0))
    sets = open_sets(tmp_path)
    assert made_of["kinds"] == {"versions": 3} and made_of["images"] == 18 and sets.kinds.tolist() == [-1] * 3
    assert all(np.array_equal(sets.images[index], made(seed=2)[index].images.numpy()) for index in range(3))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"versions": 500}, "versions 500: expected .* or fewer"),
        ({"versions": 3, "weakest": 0.3}, "weakest 0.3: expected one of 0.2"),
        ({"versions": 3, "kinds": {"tie": 1.0}}, "kinds and distortions are for ranked sets"),
        ({"versions": -1}, "versions -1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, said: str):
    with pytest.raises(UsageError, match=said):
        GenerateOptions(1, **options)
