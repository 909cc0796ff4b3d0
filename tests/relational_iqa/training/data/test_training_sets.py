"""The sets to train on: which folder they lie in, that it grows, who generates it, and which prepared one is taken."""

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.dataset import Judge, RankedSetDataset
from distortion_engine.distortions.threads import one_thread
from distortion_engine.errors import UsageError
from distortion_engine.generation.generate import generate
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.generation.workers import Workforce
from distortion_engine.reading.photos import list_photos
from distortion_engine.recipe import SET_KINDS
from distortion_engine.restoration.sampling import FAMILY_NAMES
from distortion_engine.sampling import SamplingConfig
from relational_iqa.networks.local_analysis import pool
from relational_iqa.training.data import training_sets as module
from relational_iqa.training.data.judge import metric_judge
from relational_iqa.training.data.one_at_a_time import one_at_a_time
from relational_iqa.training.data.training_sets import DataConfig, cache_folder, training_sets

IMAGES = Path(__file__).parents[3] / "images"
ARRAYS = ("images", "fields", "validity", "ranks", "labels", "certainty", "kinds")


def no_judge(test: Tensor, reference: Tensor) -> Tensor:
    return torch.zeros(len(test), 1)


def small(folder: Path, **options: object) -> DataConfig:
    values = {"photos": str(IMAGES), "sets": 4, "size_px": 32, "min_scale": 0.9, "workers": 0, "cache_dir": str(folder)}
    return DataConfig(**{**values, **options})


def same(one: StoredSets, other: StoredSets) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(getattr(one, name)[index], getattr(other, name)[index])
        for name in ARRAYS
        for index in range(len(one))
    )


def test_arrays_are_those_of_the_dataset_with_fields_pooled_as_the_networks_pool(tmp_path: Path) -> None:
    kinds = {"extent": 0.5, "ladder": 0.2, "dominance": 0.3}
    sets = training_sets(small(tmp_path, sets=6, seed=5, mask_share=0.8, kinds=kinds))
    sampling = SamplingConfig(kinds={kind: kinds[kind] for kind in SET_KINDS if kind in kinds}, mask_share=0.8)
    dataset = RankedSetDataset(list_photos(IMAGES, "train"), 32, 5, 6, sampling, metric_judge, min_scale=0.9)
    assert sets.source == "6 ranked sets of 3 photographs (split 'train', images)"
    for index in range(6):
        with one_thread():  # as the workers do: sums over pixels depend on the number of threads
            item = dataset[index]
        assert np.array_equal(sets.images[index], item.images.numpy())
        assert np.array_equal(sets.fields[index], (pool(item.fields, 4) * 127).round().to(torch.int8).numpy())
        assert np.array_equal(sets.validity[index], (pool(item.validity, 4) * 255).round().to(torch.uint8).numpy())
        assert np.array_equal(sets.ranks[index], item.ranks.numpy())
        assert np.array_equal(sets.labels[index], item.labels.numpy())
        assert sets.certainty[index] == np.float32(item.certainty) and SET_KINDS[sets.kinds[index]] == item.set.kind


def test_another_mixture_is_another_folder_and_numbers_of_workers_and_sets_are_not(tmp_path: Path) -> None:
    photos = list_photos(IMAGES, "train")

    def folder(photos: list[Path] = photos, judge: Judge = metric_judge, **options: object) -> Path:
        return cache_folder(small(tmp_path, **options).options(), photos, str(tmp_path), judge)

    base = folder()
    for options in ({"workers": 1}, {"sets": 9}):
        assert folder(**options) == base
    for options in ({"kinds": {"tie": 1.0}}, {"seed": 5}, {"size_px": 48}, {"mask_share": 0.4}, {"min_scale": 0.8}):
        assert folder(**options) != base
    assert len({base, folder(photos[:1]), folder(judge=no_judge)}) == 3


def test_restoration_outputs_are_in_another_folder_for_other_families_and_other_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, folders = list_photos(IMAGES, "train"), []
    for hashed, left_out in (("a", []), ("a", ["bm3d"]), ("b", [])):
        monkeypatch.setattr(module, "shipped_hash", lambda hashed=hashed: hashed)
        config = small(tmp_path, kinds={"restoration_outputs": 1.0}, without_families=left_out)
        folders.append(cache_folder(config.options(), photos, str(tmp_path), metric_judge))
    assert len(set(folders)) == 3


def test_photographs_of_equal_names_and_other_content_give_other_sets(tmp_path: Path) -> None:
    sets = {}
    for folder, order in (("one", (1, 2)), ("other", (2, 1))):
        (tmp_path / folder).mkdir()
        for number, source in enumerate(order):
            shutil.copy(IMAGES / f"photo_{source}.png", tmp_path / folder / f"photo_{number + 1}.png")
        sets[folder] = training_sets(small(tmp_path / "cache", photos=str(tmp_path / folder)), no_judge)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert sets["one"].identity != sets["other"].identity
    assert not same(sets["one"], sets["other"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kinds": {"ladders": 1.0}}, "kinds: ladders: 1.0 is not valid"),
        ({"kinds": {"ladder": float("nan")}}, "kinds: ladder: nan"),
        ({"size_px": 40}, "data.size_px is 40: expected a multiple of 16"),
        ({"min_scale": 0.0}, "min_scale 0.0"),
        ({"photos": ""}, "data: needs photos, .* or sets_folder"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        DataConfig(**{"photos": "photos", **options})


# -- the folder of a configuration -------------------------------------------------------------------------------------


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the sets that were rendered, in this order."""
    seen: list[int] = []
    render = RankedSetDataset.__getitem__

    def watched(self: RankedSetDataset, index: int) -> object:
        seen.append(index)
        return render(self, index)

    monkeypatch.setattr(RankedSetDataset, "__getitem__", watched)
    monkeypatch.setattr(module, "SETS_PER_SHARD", 2)
    return seen


def test_a_folder_is_generated_once_grows_by_whole_shards_and_gives_the_first_sets_of_a_larger_one(
    tmp_path: Path, rendered: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    first = training_sets(small(tmp_path, sets=2), no_judge)
    assert "generating 2 ranked sets in " + str(tmp_path) in capsys.readouterr().err
    assert rendered == [0, 1]
    grown = training_sets(small(tmp_path, sets=5), no_judge)
    assert rendered == [0, 1, 2, 3, 4] and len(grown) == 5
    again = training_sets(small(tmp_path, sets=2), no_judge)
    assert rendered == [0, 1, 2, 3, 4] and same(first, again) and same(again, grown.first(2))
    assert again.source == first.source == "2 ranked sets of 3 photographs (split 'train', images)"
    assert len(list(tmp_path.iterdir())) == 1
    at_once = training_sets(small(tmp_path / "at_once", sets=5), no_judge)
    assert same(at_once, grown)


@pytest.mark.parametrize("damage", ["cut", "bit"])
def test_a_damaged_folder_is_repaired(tmp_path: Path, rendered: list[int], damage: str) -> None:
    whole = training_sets(small(tmp_path), no_judge)
    images = whole.images[3].copy()
    shard = next(tmp_path.rglob("ranked-000001.tar"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content if damage == "bit" else content[:-1024])
    rendered.clear()
    assert np.array_equal(training_sets(small(tmp_path), no_judge).images[3], images) and rendered == [2, 3]


def test_generating_leaves_global_generators_and_threads_alone(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    np.random.seed(3)
    training_sets(small(tmp_path, sets=1), no_judge)
    drawn = torch.rand(1), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    assert drawn == (torch.rand(1), np.random.rand()) and torch.get_num_threads() == threads


# -- a prepared folder -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    options = GenerateOptions(
        5, seed=2, size_px=32, split="train", sets_per_shard=3, image_format="npy", min_scale=0.9, kinds={"tie": 1.0}
    )
    generate(IMAGES, out, options, metric_judge, Workforce(workers=0))
    return out


def test_a_prepared_folder_is_used_whole_or_its_first_sets_without_photographs(prepared: Path, tmp_path: Path) -> None:
    sets = training_sets(DataConfig(sets_folder=str(prepared), cache_dir=str(tmp_path)))
    assert len(sets) == 5 and {SET_KINDS[kind] for kind in sets.kinds} == {"tie"} and not any(tmp_path.iterdir())
    assert sets.source == f"5 ranked sets of 3 photographs (split 'train', {prepared.name})"
    fewer = training_sets(DataConfig(sets_folder=str(prepared), sets=3, size_px=32, seed=2, kinds={"tie": 1.0}))
    assert same(fewer, sets.first(3)) and fewer.source.startswith("3 ranked sets of 3")
    options = {"sets": 5, "seed": 2, "kinds": {"tie": 1.0}}
    assert same(sets, training_sets(small(tmp_path, **options)))


def test_of_a_prepared_folder_only_sets_without_the_families_that_are_left_out_are_used(tmp_path: Path) -> None:
    options = GenerateOptions(
        8, seed=1, size_px=32, split="train", image_format="npy", min_scale=0.9, kinds={"restoration_outputs": 1.0}
    )
    generate(IMAGES, tmp_path / "outputs", options, no_judge, Workforce(workers=0))
    folder = str(tmp_path / "outputs")
    every = training_sets(DataConfig(sets_folder=folder), no_judge)
    some = training_sets(DataConfig(sets_folder=folder, without_families=["unsharp_mask"]), no_judge)
    assert every.families is not None and some.families is not None and some.chosen_from is not None
    numbers = np.flatnonzero(~every.families[:, FAMILY_NAMES.index("unsharp_mask")])
    assert 0 < len(numbers) < 8 and np.array_equal(some.chosen_from[1], numbers)
    assert same(some.chosen_from[0], every) and some.chosen_from[0].source == every.source
    assert np.array_equal(some.labels, every.labels[numbers])
    assert some.source == f"{len(numbers)} ranked sets of 3 photographs (split 'train', outputs) without unsharp_mask"
    with pytest.raises(UsageError, match="family of algorithms 'bm4d' is unknown"):
        DataConfig(sets_folder=folder, without_families=["bm4d"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 3}, "was made with seed 2, data.seed is 3; leave it out"),
        ({"size_px": 48}, "was made with size_px 32, data.size_px is 48"),
        ({"kinds": {"ladder": 1.0}}, "was made with kinds {'tie': 1.0}, data.kinds is {'ladder': 1.0}"),
        (
            {"kinds": {"restoration_outputs": 1.0}, "without_families": ["bm3d"]},
            "was made with kinds {'tie': 1.0}, data.kinds is {'restoration_outputs': 1.0}",
        ),
        ({"sets": 7}, "holds 5 sets, data.sets is 7; the same riqa generate command with --sets 7 adds the others"),
    ],
)
def test_options_that_disagree_with_a_prepared_folder_are_refused(
    prepared: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        training_sets(DataConfig(sets_folder=str(prepared), **options))


@pytest.mark.parametrize(
    ("was", "other", "said"),
    [
        ('"split": "train"', '"split": "all"', "split 'all'; make it with --split train"),
        ('"judge": "relational_iqa', '"judge": "somewhere', "made with judge somewhere"),
        ('"engine": "', '"engine": "0.', "was made with engine 0."),
        ('"severity": "', '"severity": "0', "was made with severity 0"),
        ('"size_px": 32', '"size_px": 36', "36 px; training needs a multiple of 16"),
    ],
)
def test_a_folder_that_was_not_made_for_training_is_refused(
    prepared: Path, tmp_path: Path, was: str, other: str, said: str
) -> None:
    shutil.copytree(prepared, tmp_path / "copy")
    manifest = tmp_path / "copy/manifest.jsonl"
    text = manifest.read_text()
    assert was in text
    manifest.write_text(text.replace(was, other, 1))
    with pytest.raises(UsageError, match=said):
        training_sets(DataConfig(sets_folder=str(tmp_path / "copy")))


# -- one process renders -----------------------------------------------------------------------------------------------


def test_ranks_that_start_at_once_generate_a_folder_once(
    tmp_path: Path, rendered: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    def start(_: int) -> bytes:
        return np.asarray(training_sets(small(tmp_path), no_judge).images[3]).tobytes()

    with ThreadPoolExecutor(3) as ranks:  # a lock belongs to an open folder, so threads wait as processes do
        images = list(ranks.map(start, range(3)))
    assert rendered == [0, 1, 2, 3] and images[0] == images[1] == images[2]
    assert capfd.readouterr().err.count("waiting for another process that renders") == 2


HOLDS = """
import sys, time
from pathlib import Path
from relational_iqa.training.data.one_at_a_time import one_at_a_time
with one_at_a_time(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def test_a_process_that_dies_holds_nobody_up(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"in\n"  # made the folder and is in

        def enter() -> float:
            with one_at_a_time(folder):
                return time.monotonic()

        with ThreadPoolExecutor(1) as waiting:
            entered = waiting.submit(enter)
            ends, said = time.monotonic() + 20, ""
            while f"waiting for another process that renders {folder}" not in said:
                assert time.monotonic() < ends
                time.sleep(0.05)
                said += capfd.readouterr().err
            assert not entered.done()
            killed = time.monotonic()
            other.kill()
            assert entered.result(timeout=20) > killed
