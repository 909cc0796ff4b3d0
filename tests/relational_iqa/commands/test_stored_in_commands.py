"""Folders, the web page and masks keep images as they were decoded: the numbers of whole float images, in a quarter of
the memory."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageFilter

import relational_iqa
from distortion_engine.reading.image_io import load_image
from relational_iqa import cli
from relational_iqa.folders.comparison import FolderComparison
from relational_iqa.folders.pairing import Pair
from relational_iqa.results.comparison import Comparison
from relational_iqa.viewing.alignment import match_sizes
from relational_iqa.web.uploads import Upload, decode


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, photo_paths: list[Path]) -> dict[str, Path]:
    """A shipped photograph, 160 x 128 px: the original, JPEG, blurred WebP, 16 bit, grey, with alpha, smaller."""
    root = tmp_path_factory.mktemp("versions")
    photo = Image.open(photo_paths[0]).convert("RGB")
    made = {name: root / name for name in ("ref.png", "a.jpg", "b.webp", "grey.png", "alpha.png", "small.png")}
    photo.save(made["ref.png"])
    photo.save(made["a.jpg"], quality=30)
    photo.filter(ImageFilter.GaussianBlur(1)).save(made["b.webp"], lossless=True)
    photo.convert("L").save(made["grey.png"])
    photo.convert("RGBA").save(made["alpha.png"])
    photo.resize((120, 100)).save(made["small.png"])
    made["deep.png"] = root / "deep.png"
    made["deep.png"].write_bytes(imagecodecs.png_encode(np.asarray(photo).astype(np.uint16) * 257))
    return made


def assert_same(one: Comparison, other: Comparison) -> None:
    other = replace(other, noticed=one.noticed)  # tensors have no notes of reading and aligning
    assert one.margin == other.margin != 0 and one.summary() == other.summary()
    assert (one.quality_a, one.quality_b) == (other.quality_a, other.quality_b)
    assert np.array_equal(one.local_margin, other.local_margin)
    assert all(np.array_equal(one.maps[name], other.maps[name]) for name in one.maps)


@pytest.mark.parametrize(
    ("a", "b", "reference", "align"),
    [("a.jpg", "b.webp", "ref.png", None), ("a.jpg", "b.webp", None, None), ("deep.png", "grey.png", None, None),
     ("alpha.png", "a.jpg", None, None), ("a.jpg", "small.png", "ref.png", "resize"),
     ("a.jpg", "small.png", "ref.png", "crop")],
)  # fmt: skip
def test_a_pair_of_folders_has_the_numbers_of_loaded_images(
    files: dict[str, Path], random_model: Any, a: str, b: str, reference: str | None, align: str | None
) -> None:
    pair = Pair("scene", files[a], files[b], files[reference] if reference else None)
    comparison = FolderComparison(random_model, ("new", "old"), 10**6, align)
    compared = comparison.compare(pair)
    found, images = compared.result, compared.images
    paths = [files[name] for name in (a, b, reference) if name is not None]
    loaded = match_sizes([(str(path), load_image(path)) for path in paths], align)
    expected = random_model.compare(loaded[0], loaded[1], reference=loaded[2] if reference else None)
    assert_same(found, replace(expected, names=("new", "old")))
    row = comparison.row(pair)
    assert (row.margin, row.axes, row.size) == (expected.margin, expected.intensities, expected.shape[::-1])
    if align is None and "deep.png" not in (a, b):
        assert all(image.memory_bytes <= whole.nbytes / 3 for image, whole in zip(images, loaded, strict=True))


def test_what_was_uploaded_has_the_numbers_of_loaded_images(files: dict[str, Path], random_model: Any) -> None:
    parts = [(name, files[name].read_bytes()) for name in ("a.jpg", "small.png", "ref.png")]
    images = decode(Upload(parts[:2], parts[2], "crop"), 10**6)
    loaded = match_sizes([(name, load_image(files[name])) for name, _ in parts], "crop")
    assert [image.shape for image in images] == [tuple(image.shape) for image in loaded]
    assert all(4 * image.memory_bytes <= whole.nbytes for image, whole in zip(images, loaded, strict=True))
    assert_same(
        random_model.compare(images[0], images[1], reference=images[2]),
        random_model.compare(loaded[0], loaded[1], reference=loaded[2]),
    )


@pytest.mark.parametrize("reference", [None, "ref.png"])
def test_a_mask_given_on_the_command_line_has_the_numbers_of_a_loaded_one(
    files: dict[str, Path], random_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str | None
) -> None:
    monkeypatch.setattr(relational_iqa, "load", lambda weights=None: random_model)
    mask = Image.linear_gradient("L").resize((160, 128))
    mask.save(tmp_path / "mask.png")
    argv = ["compare", str(files["a.jpg"]), str(files["b.webp"]), "--mask", str(tmp_path / "mask.png")]
    argv += [] if reference is None else ["--reference", str(files[reference])]
    assert cli.main([*argv, "--json", str(tmp_path / "x.json")]) == 0
    pristine = None if reference is None else load_image(files[reference])
    a, b = load_image(files["a.jpg"]), load_image(files["b.webp"])
    expected = random_model.compare(a, b, reference=pristine, mask=load_image(tmp_path / "mask.png"))
    found = json.loads((tmp_path / "x.json").read_text())
    whole = random_model.compare(a, b, reference=pristine)
    assert [part["margin"] for part in found["rois"]] == [expected.margin] != [whole.margin]
    assert found["margin"] == whole.margin
