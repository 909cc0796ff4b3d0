"""Indexes made to harm, with checksums that agree: one line, whatever FAISS would do with them."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from distortion_engine.errors import UsageError
from distortion_engine.recipe import Recipe
from relational_iqa.retrieval.index import RecipeIndex, build_index

VECTORS = np.random.default_rng(0).normal(size=(700, 8)).astype(np.float32)


def saved(folder: Path, content: bytes) -> Path:
    """An index whose file of FAISS is `content`, with a checksum that agrees."""
    index = build_index(VECTORS)
    RecipeIndex(index, [(Recipe(()), "x.png")] * len(VECTORS), {}).save(folder)
    (folder / "index.faiss").write_bytes(content)
    about = json.loads((folder / "index.json").read_text())
    about["sha256"]["index.faiss"] = hashlib.sha256(content).hexdigest()
    (folder / "index.json").write_text(json.dumps(about))
    return folder


def file_of(exact_limit: int) -> bytes:
    import faiss

    return bytes(faiss.serialize_index(build_index(VECTORS, exact_limit)).tobytes())


@pytest.mark.parametrize("exact_limit", [10_000, 10])
def test_whole_files_of_both_kinds_are_read(tmp_path: Path, exact_limit: int) -> None:
    index = RecipeIndex.load(saved(tmp_path, file_of(exact_limit)))
    near = index.nearest(VECTORS[3], 1)[0]
    assert near.distance == 0 if exact_limit > 700 else near.distance < 3


def test_an_exact_index_has_the_vectors_that_were_written(tmp_path: Path) -> None:
    index = RecipeIndex.load(saved(tmp_path, file_of(10_000))).index
    assert np.array_equal(index.reconstruct_n(0, 700), VECTORS)


@pytest.mark.parametrize(
    ("exact_limit", "place", "value"),
    [
        (10_000, 4, struct.pack("<i", 2**31 - 1)),  # dimension
        (10_000, 4, struct.pack("<i", -8)),
        (10_000, 8, struct.pack("<q", 2**62)),  # vectors
        (10_000, 0, b"IHNf"),
        (10, 4, struct.pack("<i", 2**31 - 1)),
        (10, 8, struct.pack("<q", -1)),
        (10, 37, struct.pack("<Q", 2**61)),  # lists
        (10, 37, struct.pack("<Q", 3)),
    ],
)
def test_wrong_sizes_in_the_file_are_one_line(tmp_path: Path, exact_limit: int, place: int, value: bytes) -> None:
    content = bytearray(file_of(exact_limit))
    content[place : place + len(value)] = value
    with pytest.raises(UsageError, match="riqa index") as caught:
        RecipeIndex.load(saved(tmp_path, bytes(content)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["index.json", "recipes.jsonl"])
def test_text_nested_without_end_is_one_line(tmp_path: Path, name: str) -> None:
    saved(tmp_path, file_of(10_000))
    (tmp_path / name).write_text("[" * 100_000)
    if name == "recipes.jsonl":
        about = json.loads((tmp_path / "index.json").read_text())
        about["sha256"][name] = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        (tmp_path / "index.json").write_text(json.dumps(about))
    with pytest.raises(UsageError, match="riqa index"):
        RecipeIndex.load(tmp_path)


STEP = {"distortion": "desaturate", "severity": 0.5, "amount": 0.5, "params": {}, "mask": {}, "seed": 0}


@pytest.mark.parametrize(
    "other",
    [{"distortion": 1.5}, {"distortion": "none"}, {"params": 3}, {"params": "x"}, {"amount": "1"}, {"amount": np.nan}],
)
def test_a_recipe_that_cannot_be_told_is_found_when_the_index_is_read(tmp_path: Path, other: dict[str, object]) -> None:
    saved(tmp_path, file_of(10_000))

    def load(step: dict[str, object]) -> None:
        text = json.dumps({"photo": "x.png", "recipe": {"steps": [step]}}) + "\n"
        (tmp_path / "recipes.jsonl").write_text(text * len(VECTORS))
        about = json.loads((tmp_path / "index.json").read_text())
        about["sha256"]["recipes.jsonl"] = hashlib.sha256((tmp_path / "recipes.jsonl").read_bytes()).hexdigest()
        (tmp_path / "index.json").write_text(json.dumps(about))
        RecipeIndex.load(tmp_path)

    load(STEP)
    with pytest.raises(UsageError, match="is no readable index"):
        load(STEP | other)


def test_numbers_of_pairs_that_are_not_there_are_one_line() -> None:
    class Strays:
        """An index whose lists hold the number of a pair beyond the last one."""

        d, ntotal = 8, 3

        def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros((1, k), np.float32), np.array([[0, 2, 3][:k]])

    index = RecipeIndex(Strays(), [(Recipe(()), "x.png")] * 3, {})
    with pytest.raises(UsageError, match="names pair 3 of 3: it is damaged; make it anew"):
        index.nearest(np.zeros(8, np.float32), 3)
    assert len(index.nearest(np.zeros(8, np.float32), 2)) == 2
