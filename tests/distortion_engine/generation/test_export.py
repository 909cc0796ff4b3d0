"""riqa generate: shards whose bytes follow from the seed, a manifest that is the whole truth, a sheet to look at."""

import hashlib
import json
import shutil
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset
from PIL import Image
from torch import Tensor

from distortion_engine import ENGINE_VERSION
from distortion_engine.catalog import AXES
from distortion_engine.dataset import RankedSetDataset
from distortion_engine.errors import UsageError
from distortion_engine.generation.contact_sheet import field_colours, varied
from distortion_engine.generation.generate import generate, rerender
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.provenance import libraries
from distortion_engine.generation.workers import Workforce
from distortion_engine.recipe import RankedSet

IMAGES = Path(__file__).parents[2] / "images"
PHOTOS = sorted(IMAGES.glob("photo_*.png"))
NAMES = ["reference.png", *(f"member_{number}.png" for number in range(4))]


def distance_judge(test: Tensor, reference: Tensor) -> Tensor:
    return (test - reference).abs().mean((1, 2, 3))[:, None]


def run(out: Path, sets: int = 5, photos: Path = IMAGES, workers: int = 0, judge=None, **options) -> dict:
    chosen = GenerateOptions(sets, **{"seed": 3, "size_px": 64, "sets_per_shard": 2, **options})
    return generate(photos, out, chosen, judge, Workforce(workers=workers))


def manifest(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


def sets_in(out: Path) -> list[dict[str, bytes]]:
    """Files of each set by name, read with nothing but tarfile."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted((out / "shards").iterdir()):
        with tarfile.open(path) as tar:
            for entry in tar:
                key, _, name = entry.name.partition(".")
                found.setdefault(key, {})[name] = tar.extractfile(entry).read()
    assert list(found) == [f"{index:08d}" for index in range(len(found))]
    return list(found.values())


def records(out: Path) -> list[dict]:
    return [json.loads(files["json"]) for files in sets_in(out)]


def pixels(content: bytes) -> np.ndarray:
    picture = Image.open(BytesIO(content))
    assert picture.mode == "RGB"
    return np.array(picture)


def everything(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("generated") / "deep" / "out"
    return out, run(out, judge=distance_judge, dense=True)


def test_the_bytes_do_not_depend_on_the_number_of_workers(written: tuple[Path, dict], tmp_path: Path):
    summary = run(tmp_path / "two", judge=distance_judge, dense=True, workers=2)
    assert everything(tmp_path / "two") == everything(written[0])
    assert {**summary, "seconds": 0} == {**written[1], "seconds": 0}


def test_more_sets_only_add_to_fewer_and_another_seed_changes_them(written: tuple[Path, dict], tmp_path: Path):
    run(tmp_path / "fewer", sets=3, judge=distance_judge, dense=True)
    assert sets_in(tmp_path / "fewer") == sets_in(written[0])[:3]
    run(tmp_path / "other", sets=1, seed=4)
    assert records(tmp_path / "other")[0]["recipe"] != records(written[0])[0]["recipe"]


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_the_images_are_those_of_the_dataset_to_the_bit(written: tuple[Path, dict], tmp_path: Path, image_format: str):
    out = written[0]
    if image_format == "webp":
        out = tmp_path / "webp"
        run(out, judge=distance_judge, image_format="webp")
    dataset = RankedSetDataset(PHOTOS, 64, seed=3, length=5, judge=distance_judge)
    for index, files in enumerate(sets_in(out)):
        stored = np.stack([pixels(files[name.replace("png", image_format)]) for name in NAMES])
        assert torch.equal(torch.from_numpy(stored).permute(0, 3, 1, 2), dataset[index]["images"])


def test_webdataset_reads_the_shards_without_this_package(written: tuple[Path, dict]):
    shards = [str(path) for path in sorted((written[0] / "shards").iterdir())]
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [f"{index:08d}" for index in range(5)]
    for sample, files in zip(samples, sets_in(written[0]), strict=True):
        assert np.array_equal(sample["member_2.png"], pixels(files["member_2.png"]))
        assert sample["json"] == json.loads(files["json"])
        assert sample["fields.npz"]["fields"].shape == (5, len(AXES), 64, 64)


def test_a_tar_says_nothing_of_when_and_by_whom_it_was_made(written: tuple[Path, dict]):
    with tarfile.open(written[0] / "shards/ranked-000000.tar") as tar:
        assert {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in tar} == {(0, 0, 0, "", "", 0o644)}


def test_the_manifest_tells_what_was_made_and_every_shard_has_its_hash(written: tuple[Path, dict]):
    out, _ = written
    head, *lines = manifest(out)
    assert head["engine"] == ENGINE_VERSION and head["shards"] == 3 and head["libraries"] == libraries()
    assert head["options"]["seed"] == 3 and head["options"]["dense"] and head["judge"].endswith("distance_judge")
    hashes = {photo.name: hashlib.sha256(photo.read_bytes()).hexdigest() for photo in PHOTOS}
    assert {photo["name"]: photo["sha256"] for photo in head["photos"]} == hashes
    assert [line["name"] for line in lines] == [f"shards/ranked-00000{number}.tar" for number in range(3)]
    assert [(line["first"], line["sets"]) for line in lines] == [(0, 2), (2, 2), (4, 1)]
    for line in lines:
        content = (out / line["name"]).read_bytes()
        assert line["bytes"] == len(content) and line["sha256"] == hashlib.sha256(content).hexdigest()
    # and no temporary file is left
    assert set(everything(out)) == {"manifest.jsonl", "contact_sheet.png", *(line["name"] for line in lines)}


def test_each_set_tells_its_recipe_and_the_hashes_of_its_files(written: tuple[Path, dict]):
    for index, files in enumerate(sets_in(written[0])):
        record = json.loads(files["json"])
        ranked = RankedSet.from_dict(record["recipe"])
        assert (record["kind"], record["ranks"]) == (ranked.kind, list(ranked.ranks))
        assert record["certainty"] == ranked.certainty
        assert (record["index"], record["seed"], record["engine"]) == (index, 3, ENGINE_VERSION)
        assert record["photo"] in {photo.name for photo in PHOTOS}
        assert len(record["judge"]) == 5 and record["judge"][0] == 0 and min(record["judge"][1:]) > 0
        assert list(files) == [*NAMES, "fields.npz", "json"]
        assert record["sha256"] == {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n != "json"}


def test_the_record_of_a_set_and_its_photograph_give_the_pixels_and_the_fields_again(written: tuple[Path, dict]):
    for files in sets_in(written[0]):
        record = json.loads(files["json"])
        images, fields, validity = rerender(IMAGES / record["photo"], record)
        stored = np.load(BytesIO(files["fields.npz"]), allow_pickle=False)
        assert stored["fields"].dtype == np.float16 and stored["fields"].shape == (5, len(AXES), 64, 64)
        assert np.array_equal(stored["fields"], fields.numpy().astype(np.float16))
        assert stored["validity"].dtype == bool and np.array_equal(stored["validity"], validity.numpy() > 0)
        assert np.array_equal(pixels(files["member_3.png"]), images[4].permute(1, 2, 0).numpy())


def test_fields_are_only_written_when_asked_for(tmp_path: Path):
    run(tmp_path / "out", sets=1)
    files = sets_in(tmp_path / "out")[0]
    assert "fields.npz" not in files and json.loads(files["json"])["judge"] is None


def test_only_the_distortions_that_were_named_are_drawn(tmp_path: Path):
    run(tmp_path / "out", sets=6, distortions=("jpeg", "white_noise"))
    steps = [s for r in records(tmp_path / "out") for m in r["recipe"]["members"] for s in m["steps"]]
    assert {step["distortion"] for step in steps} == {"jpeg", "white_noise"}


def test_the_summary_counts_what_lies_on_disk(written: tuple[Path, dict]):
    out, summary = written
    kinds = [record["kind"] for record in records(out)]
    assert summary["sets"] == 5 and summary["shards"] == 3 and summary["shards_found"] == 0
    assert summary["images"] == sum(name.endswith(".png") for files in sets_in(out) for name in files) == 25
    assert summary["kinds"] == {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert (summary["photos"], summary["photos_skipped"]) == (len(PHOTOS), 0)
    assert summary["dropped"] == sum(record["dropped"] for record in records(out))
    assert summary["bytes"] == sum(path.stat().st_size for path in (out / "shards").iterdir())


def test_the_contact_sheet_shows_the_images_of_the_sets(written: tuple[Path, dict]):
    out, _ = written
    sheet = np.array(Image.open(out / "contact_sheet.png"))
    reference = Image.fromarray(pixels(sets_in(out)[0]["reference.png"]))
    wanted, left = np.array(reference.resize((224, 224), Image.Resampling.NEAREST)), 150
    found = [
        top for top in range(len(sheet) - 224) if np.array_equal(sheet[top : top + 224, left : left + 224], wanted)
    ]
    assert len(found) == 1


def test_the_sheet_takes_every_kind_before_it_takes_one_twice():
    kinds = ["ladder"] * 20 + ["tie", "extent"] + ["ladder"] * 5
    assert varied(kinds, 4) == [0, 1, 20, 21]
    assert varied(["ladder", "tie"], 12) == [0, 1]


def test_the_colours_of_a_field_are_fixed_signed_and_hatched_where_nothing_is_known():
    field = np.array([[-1.0, -0.3, 0.0, 0.3, 1.0]])
    red, _, blue = np.moveaxis(field_colours(field, np.ones((1, 5), bool)).astype(int), -1, 0)
    assert (np.sign(red - blue) == [[-1, -1, 0, 1, 1]]).all()
    assert np.array_equal(field_colours(field / 2, np.ones((1, 5), bool))[0, 2], field_colours(field, field < 9)[0, 2])
    hatched = field_colours(np.zeros((16, 16)), np.zeros((16, 16), bool))
    assert 0.3 < float((hatched == 150).all(-1).mean()) < 0.7


def test_photographs_that_cannot_be_used_are_named_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in PHOTOS:
        shutil.copy(photo, photos)
    (photos / "cut.png").write_bytes(PHOTOS[0].read_bytes()[:3000])
    (photos / "text.jpg").write_text("not a picture")
    (photos / "empty.webp").touch()
    Image.new("RGB", (200, 79)).save(photos / "small.png")
    summary = run(tmp_path / "out", sets=2, photos=photos)
    assert (summary["photos"], summary["photos_skipped"], summary["sets"]) == (len(PHOTOS), 4, 2)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped ")]
    assert len(said) == 4
    for name in ("cut.png", "text.jpg", "empty.webp", "small.png: 200x79 px, needs 80 px"):
        assert sum(name in line for line in said) == 1
    run(tmp_path / "clean", sets=2)
    assert everything(tmp_path / "out") == everything(tmp_path / "clean")


def test_folders_without_usable_photographs_are_refused_before_anything_is_written(tmp_path: Path):
    empty, small = tmp_path / "empty", tmp_path / "small"
    empty.mkdir(), small.mkdir()
    Image.new("RGB", (40, 40)).save(small / "a.png")
    with pytest.raises(UsageError, match="no photographs"):
        run(tmp_path / "out", photos=empty)
    with pytest.raises(UsageError, match="no such folder"):
        run(tmp_path / "out", photos=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="none of 1 photographs can be used.*80 px or more"):
        run(tmp_path / "out", photos=small)
    assert not any((tmp_path / "out").iterdir())
