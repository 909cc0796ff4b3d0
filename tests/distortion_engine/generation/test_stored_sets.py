"""A folder of the format npy holds what the dataset gives, is read in place, and is refused where it is not whole."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.catalog import AXES
from distortion_engine.dataset import RankedItem, RankedSetDataset
from distortion_engine.errors import UsageError
from distortion_engine.generation.generate import generate
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.shards import read_records
from distortion_engine.generation.stored_sets import open_sets
from distortion_engine.generation.workers import Workforce
from distortion_engine.jobs.safe_files import file_sha256
from distortion_engine.recipe import SET_KINDS
from distortion_engine.sampling import SamplingConfig

IMAGES = Path(__file__).parents[2] / "images"
PHOTOS = sorted(IMAGES.glob("photo_*.png"))
KINDS = {"extent": 0.4, "ladder": 0.3, "dominance": 0.3}
OPTIONS = GenerateOptions(
    sets=5, seed=3, size_px=48, sets_per_shard=2, image_format="npy", min_scale=0.8, mask_share=0.9, kinds=KINDS
)


def two_metrics(test: Tensor, reference: Tensor) -> Tensor:
    distance = (test - reference).abs().flatten(1)
    return torch.stack([distance.mean(1), distance.square().mean(1).sqrt()], 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("stored")
    generate(IMAGES, out, OPTIONS, two_metrics, Workforce(workers=0))
    return out


@pytest.fixture(scope="module")
def items() -> list[RankedItem]:
    kinds = {kind: KINDS[kind] for kind in SET_KINDS if kind in KINDS}
    sampling = SamplingConfig(kinds=kinds, mask_share=0.9)
    dataset = RankedSetDataset(PHOTOS, 48, 3, 5, sampling, two_metrics, min_scale=0.8)
    return [dataset[index] for index in range(5)]


def cell_means(maps: np.ndarray) -> np.ndarray:
    """Means over 4 x 4 pixels, in double precision."""
    *lead, height, width = maps.shape
    return maps.astype(float).reshape(*lead, height // 4, 4, width // 4, 4).mean((-3, -1))


def test_images_labels_ranks_and_certainty_are_those_of_the_dataset(folder: Path, items: list[RankedItem]):
    sets = open_sets(folder)
    assert len(sets) == 5 and sets.images.shape == (5, 5, 3, 48, 48) and sets.labels.dtype == np.float32
    for index, item in enumerate(items):
        assert np.array_equal(sets.images[index], item.images.numpy())
        assert np.array_equal(sets.labels[index], item.labels.numpy())  # to the bit, through JSON
        assert np.array_equal(sets.ranks[index], item.ranks.numpy())
        assert sets.certainty[index] == np.float32(item.certainty)
        assert SET_KINDS[sets.kinds[index]] == item.set.kind
    assert {SET_KINDS[kind] for kind in sets.kinds} <= set(KINDS)


def test_fields_and_validity_are_means_over_cells_of_four_pixels(folder: Path, items: list[RankedItem]):
    sets = open_sets(folder)
    assert sets.fields.shape == (5, 5, len(AXES), 12, 12) and sets.validity.shape == (5, 5, 1, 12, 12)
    for index, item in enumerate(items):
        assert np.abs(sets.fields[index] - 127 * cell_means(item.fields.numpy())).max() <= 0.5 + 1e-3
        assert np.abs(sets.validity[index] - 255 * cell_means(item.validity.numpy())).max() <= 0.5 + 1e-3
    assert any(np.abs(sets.fields[index]).max() > 60 for index in range(5))


def test_single_sets_are_views_of_the_file_and_lists_of_sets_and_members_are_gathered(folder: Path):
    sets = open_sets(folder)
    whole = np.stack([sets.images[index] for index in range(5)])
    assert not sets.images[3].flags.owndata and not sets.images[3].flags.writeable
    assert np.array_equal(sets.images[np.array([4, 0, 4])], whole[[4, 0, 4]])
    assert np.array_equal(sets.images[np.array([4, 0, 3]), np.array([1, 2, 0])], whole[[4, 0, 3], [1, 2, 0]])
    with pytest.raises(IndexError):
        sets.images[5]


def test_sets_are_handed_to_another_process_by_the_names_of_their_files(folder: Path):
    sets = open_sets(folder)
    sets.images[0]
    packed = pickle.dumps(sets)
    assert len(packed) < 10_000 < sets.images[0].nbytes * 5
    assert np.array_equal(pickle.loads(packed).images[4], sets.images[4])


def test_a_folder_without_a_judge_has_no_labels(tmp_path: Path):
    generate(IMAGES, tmp_path, GenerateOptions(sets=1, size_px=32, image_format="npy"), None, Workforce(workers=0))
    assert open_sets(tmp_path).labels.shape == (1, 5, 0)


def test_full_fields_can_be_stored_beside_them(tmp_path: Path, items: list[RankedItem]):
    options = GenerateOptions(**{**vars(OPTIONS), "sets": 1, "dense": True})
    generate(IMAGES, tmp_path, options, two_metrics, Workforce(workers=0))
    assert np.array_equal(open_sets(tmp_path).images[0], items[0].images.numpy())
    with open(tmp_path / "shards/ranked-000000.tar", "rb") as stream:
        names = list(next(read_records(stream))["sha256"])
    assert names == ["images.npy", "fields.npy", "validity.npy", "fields.npz"]


def damaged(folder: Path, copy: Path, damage: str) -> Path:
    shutil.copytree(folder, copy)
    manifest, shard = copy / "manifest.jsonl", copy / "shards/ranked-000001.tar"
    lines = manifest.read_text().splitlines(keepends=True)
    if damage == "head":
        manifest.write_text(lines[0])
    if damage == "shard":
        shard.unlink()
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-512])
    if damage == "manifest":
        manifest.unlink()
    if damage == "pixel":
        content = bytearray(shard.read_bytes())
        content[content.index(b"NUMPY") + 1000] ^= 1
        shard.write_bytes(content)
    if damage == "label":
        shard.write_bytes(shard.read_bytes().replace(b'"certainty": 1', b'"certainty": 0', 1))
    if damage == "shape":  # the hash of the manifest, but not its arrays
        before = file_sha256(shard)
        shard.write_bytes(shard.read_bytes().replace(b"(5, 3, 48, 48)", b"(5, 3, 96, 24)", 1))
        manifest.write_text("".join(lines).replace(before, file_sha256(shard)))
    return copy


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("head", "is not complete; give the same riqa generate command again"),
        ("shard", "ranked-000001.tar: is missing or damaged"),
        ("cut", "ranked-000001.tar: is missing or damaged"),
        ("pixel", "ranked-000001.tar: is missing or damaged"),
        ("label", "ranked-000001.tar: is missing or damaged"),
        ("manifest", "is no output of riqa generate.*--format npy"),
        ("shape", "ranked-000001.tar: cannot be read .images of set 2 has another shape"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_in_one_line(folder: Path, tmp_path: Path, damage: str, said: str):
    with pytest.raises(UsageError, match=said) as caught:
        open_sets(damaged(folder, tmp_path / "copy", damage))
    assert "\n" not in str(caught.value)


def test_a_folder_of_pictures_is_refused_with_the_remedy(tmp_path: Path):
    generate(IMAGES, tmp_path, GenerateOptions(sets=1, size_px=32), None, Workforce(workers=0))
    with pytest.raises(UsageError, match="holds png files; training needs a folder made with --format npy"):
        open_sets(tmp_path)


def test_what_does_not_fit_is_refused_before_the_shards_are_read(folder: Path, tmp_path: Path):
    copy = damaged(folder, tmp_path / "copy", "shard")

    def check(head: object) -> None:
        raise UsageError(f"seed is {json.loads(json.dumps(head))['options']['seed']}")

    with pytest.raises(UsageError, match="^seed is 3$"):
        open_sets(copy, check)


def test_the_order_of_the_kinds_in_a_config_draws_nothing_else(items: list[RankedItem]):
    turned = GenerateOptions(**{**vars(OPTIONS), "kinds": dict(reversed(KINDS.items()))})
    assert turned.dataset(PHOTOS, two_metrics)[0].set == items[0].set
