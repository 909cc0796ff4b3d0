"""riqa generate: files whose bytes follow from the seed, a manifest that is the whole truth, a sheet to look at."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine import ENGINE_VERSION, export
from distortion_engine.catalog import AXES
from distortion_engine.contact_sheet import field_colours, varied
from distortion_engine.dataset import RankedSetDataset
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.export import generate, rerender
from distortion_engine.recipe import RankedSet

IMAGES = Path(__file__).parents[1] / "images"
PHOTOS = sorted(IMAGES.glob("photo_*.png"))


def distance_judge(test: Tensor, reference: Tensor) -> Tensor:
    return (test - reference).abs().mean((1, 2, 3))[:, None]


def run(out: Path, sets: int = 4, photos: Path = IMAGES, workers: int = 0, **options) -> dict:
    return generate(photos, out, sets, seed=3, size_px=64, workers=workers, **options)


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


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
    run(tmp_path / "fewer", sets=2, judge=distance_judge, dense=True)
    assert lines(tmp_path / "fewer") == lines(written[0])[:2]
    generate(IMAGES, tmp_path / "other", 1, seed=4, size_px=64, workers=0)
    assert lines(tmp_path / "other")[0]["recipe"] != lines(written[0])[0]["recipe"]


def test_the_images_are_those_of_the_dataset_to_the_bit(written: tuple[Path, dict]):
    dataset = RankedSetDataset(PHOTOS, 64, seed=3, length=4, judge=distance_judge)
    for index, line in enumerate(lines(written[0])):
        names = ["reference.png", "member_0.png", "member_1.png", "member_2.png", "member_3.png"]
        pictures = [Image.open(written[0] / line["folder"] / name) for name in names]
        assert all(picture.mode == "RGB" for picture in pictures)
        pixels = torch.from_numpy(np.stack([np.array(picture) for picture in pictures])).permute(0, 3, 1, 2)
        assert torch.equal(pixels, dataset[index]["images"])


def test_the_manifest_tells_what_was_made_and_every_file_has_its_hash(written: tuple[Path, dict]):
    out, _ = written
    assert [line["index"] for line in lines(out)] == [0, 1, 2, 3]
    listed = {"manifest.jsonl", "contact_sheet.png"}
    for line in lines(out):
        ranked = RankedSet.from_dict(line["recipe"])
        assert (line["kind"], tuple(line["ranks"]), line["certainty"]) == (ranked.kind, ranked.ranks, ranked.certainty)
        assert line["seed"] == 3 and line["engine"] == ENGINE_VERSION and line["photo"] in {p.name for p in PHOTOS}
        assert len(line["judge"]) == 5 and line["judge"][0] == 0 and min(line["judge"][1:]) > 0
        assert set(line["sha256"]) == {"reference.png", *(f"member_{i}.png" for i in range(4)), "fields.npz"}
        for name, digest in line["sha256"].items():
            assert hashlib.sha256((out / line["folder"] / name).read_bytes()).hexdigest() == digest
            listed.add(f"{line['folder']}/{name}")
    assert set(everything(out)) == listed  # and no temporary file is left


def test_a_line_of_the_manifest_and_its_photograph_give_the_pixels_and_the_fields_again(written: tuple[Path, dict]):
    out, _ = written
    for line in lines(out):
        images, fields, validity = rerender(IMAGES / line["photo"], line)
        stored = np.load(out / line["folder"] / "fields.npz", allow_pickle=False)
        assert stored["fields"].dtype == np.float16 and stored["fields"].shape == (5, len(AXES), 64, 64)
        assert np.array_equal(stored["fields"], fields.numpy().astype(np.float16))
        assert stored["validity"].dtype == bool and np.array_equal(stored["validity"], validity.numpy() > 0)
        member = np.array(Image.open(out / line["folder"] / "member_3.png"))
        assert np.array_equal(member, images[4].permute(1, 2, 0).numpy())


def test_fields_are_only_written_when_asked_for(tmp_path: Path):
    run(tmp_path / "out", sets=1)
    assert not list((tmp_path / "out").rglob("*.npz")) and lines(tmp_path / "out")[0]["judge"] is None


def test_the_summary_counts_what_lies_on_disk(written: tuple[Path, dict]):
    out, summary = written
    kinds = [line["kind"] for line in lines(out)]
    assert summary["sets"] == 4 and summary["images"] == len(list(out.rglob("sets/*/*.png"))) == 20
    assert summary["kinds"] == {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert (summary["photos"], summary["photos_skipped"]) == (len(PHOTOS), 0)
    assert summary["dropped"] == sum(line["dropped"] for line in lines(out))


def test_the_contact_sheet_shows_the_images_of_the_sets(written: tuple[Path, dict]):
    out, _ = written
    sheet = np.array(Image.open(out / "contact_sheet.png"))
    reference = Image.open(out / "sets/000000/reference.png").resize((224, 224), Image.Resampling.NEAREST)
    wanted, left = np.array(reference), 150
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


@pytest.mark.parametrize("options", [{"sets": 0}, {"workers": -1}, {"size_px": 15}])
def test_options_out_of_range_are_refused_with_their_value(tmp_path: Path, options: dict):
    with pytest.raises(UsageError, match="-1" if "workers" in options else str(next(iter(options.values())))):
        generate(IMAGES, tmp_path / "out", **{"sets": 1, "size_px": 64, "workers": 0, **options})
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(written: tuple[Path, dict]):
    before = everything(written[0])
    with pytest.raises(UsageError, match="is not empty"):
        run(written[0])
    assert everything(written[0]) == before


def test_an_output_that_cannot_be_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot be written"):
            run(out)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_disk_that_fills_up_ends_in_one_line_and_without_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
):
    def full(image: Tensor, path: Path) -> None:
        raise ImageError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(export, "save_image", full)
    with pytest.raises(ImageError, match="No space left") as caught:
        run(tmp_path / "out", workers=workers)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_a_file_appears_complete_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(ImageError, match="manifest.jsonl: cannot be written .No space left"):
        export._save_bytes(tmp_path / "manifest.jsonl", b"{}")
    assert not list(tmp_path.iterdir())
