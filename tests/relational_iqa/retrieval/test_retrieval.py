"""Retrieval: exact search is brute-force search, compressed search nearly so, answers are words, files are checked."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import relational_iqa
from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.masks import MaskSpec
from distortion_engine.reading.image_io import save_image
from distortion_engine.recipe import Operation, Recipe, Step
from experiments.reiqa.retrieval_benchmark import measure
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.retrieval.english import in_english, nearness
from relational_iqa.retrieval.index import RecipeIndex, build_index, index_recipes, known_pairs, search
from relational_iqa.retrieval.near_duplicates import near_duplicates, thumbnail_embedding
from relational_iqa.retrieval.recipe_words import describe, describe_step
from relational_iqa.retrieval.relation_embedding import DIMENSION, embedding_of, relation_embedding, swapped_embedding
from relational_iqa.tiling.stored_image import StoredImage


def brute_force(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = np.sqrt(((queries[:, None].astype(np.float64) - vectors[None]) ** 2).sum(-1))
    order = np.argsort(distances, axis=1)[:, :k]
    return np.take_along_axis(distances, order, 1), order


def clustered(number: int, dimension: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(20, dimension))
    return (centres[rng.integers(20, size=number)] + 0.3 * rng.normal(size=(number, dimension))).astype(np.float32)


def test_exact_search_is_a_brute_force_search() -> None:
    vectors, queries = clustered(500, 24, 0), clustered(20, 24, 1)
    index = build_index(vectors)
    distances, numbers = search(index, queries, 7)
    expected_distances, expected = brute_force(vectors, queries, 7)
    assert np.array_equal(numbers, expected) and np.allclose(distances, expected_distances, atol=1e-3)
    assert search(index, queries, 1000)[1].shape == (20, 500)


def test_beyond_the_limit_the_index_is_small_and_still_finds_most() -> None:
    vectors, queries = clustered(1200, 8, 0), clustered(40, 8, 1)
    exact, compressed = measure(vectors, queries)
    assert exact.recall == 1.0 and compressed.recall > 0.6
    index = build_index(vectors, exact_limit=1199)
    assert type(index).__name__ == "IndexIVFPQ" and type(build_index(vectors)).__name__ == "IndexFlatL2"
    found = search(index, queries, 10)[1]
    truth = brute_force(vectors, queries, 10)[1]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, truth, strict=True)])
    assert recall == compressed.recall  # built twice: the same seed, the same index


@pytest.mark.parametrize("vectors", [np.zeros((0, 3)), np.zeros(3), np.full((2, 3), np.nan)])
def test_vectors_that_cannot_be_indexed_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(UsageError, match="vectors of shape"):
        build_index(vectors)
    with pytest.raises(UsageError, match="expected k >= 1 and 3"):
        search(build_index(np.zeros((2, 3))), np.zeros((1, 4)), 1)


# -- embedding ---------------------------------------------------------------------------------------------------------


def comparison_of(maps: dict[str, np.ndarray], height: int = 40, width: int = 50) -> Comparison:
    empty = np.zeros((height, width), dtype=np.float32)
    full = {axis.name: Map.from_array(maps.get(axis.name, empty)) for axis in AXES}
    return Comparison(0.0, full, Map.from_array(empty), Map.from_array(empty + 1))


def test_embedding_holds_signed_mean_and_root_mean_square_of_image_and_quadrants() -> None:
    noise = np.zeros((40, 50), dtype=np.float32)
    noise[:20, :25] = 0.8  # upper left quarter
    embedding = embedding_of(comparison_of({"noise": noise, "haze": np.full((40, 50), -0.5, dtype=np.float32)}))
    assert embedding.shape == (DIMENSION,) == (2 * len(AXES) * 5,) and embedding.dtype == np.float32
    means, roots = np.split(embedding, 2)
    k, h = AXIS_INDEX["noise"], AXIS_INDEX["haze"]
    assert means[k] == pytest.approx(0.2) and roots[k] == pytest.approx(0.4)
    assert means[h] == pytest.approx(-0.5) and roots[h] == pytest.approx(0.5)
    assert np.allclose(means[len(AXES) + 4 * k :][:4], [0.25 * 0.8, 0, 0, 0])  # weight 1/2, cell's share 1/2
    assert np.allclose(roots[len(AXES) + 4 * k :][:4], [0.25 * 0.8, 0, 0, 0])
    assert np.count_nonzero(embedding) == 2 * (1 + 1) + 2 * (1 + 4)


def test_swapping_images_is_swapping_the_embedding(random_model: object, versions: list[Tensor]) -> None:
    there = relation_embedding(random_model, versions[0], versions[2])
    back = relation_embedding(random_model, versions[2], versions[0])
    assert np.abs(there).max() > 0 and np.allclose(swapped_embedding(there), back, atol=1e-6)
    assert (relation_embedding(random_model, versions[1], versions[1]) == np.zeros(DIMENSION, np.float32)).all()


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "amount", "words"),
    [
        ("jpeg", 78.0, "JPEG quality 22"),
        ("gaussian_blur", 1.1, "Gaussian blur sigma 1.1 px"),
        ("resize_bicubic", 1.5, "resize bicubic factor 2.5"),
        ("contrast_down", 0.45, "contrast down gain 0.55"),
        ("gamma_up", 1.0, "gamma correction exponent 0.5"),
        ("jpeg2000", 29.5, "JPEG 2000 at 30 dB PSNR"),
        ("mean_shift_up", 0.1, "mean shift up 26 code values"),
        ("impulse_noise", 0.002, "impulse noise probability 0.002"),
        ("color_blocks", 4.0, "color blocks 4 % of area"),
        ("jitter", 1.1, "jitter std 1.1 px"),
        ("pixelate", 2.5, "pixelate blocks of 3.5 px"),
        ("comfort_noise", 0.72, "comfort noise 0.72 times the texture"),
        ("overexpose", 1.0, "overexpose 1 stops"),
    ],
)
def test_amounts_are_said_as_people_say_them(name: str, amount: float, words: str) -> None:
    assert describe_step(Step(name, 0.5, amount)) == words


def test_compositions_and_masks_are_said() -> None:
    blur, jpeg = Step("gaussian_blur", 0.3, 1.1), Step("jpeg", 0.5, 78.0, mask=MaskSpec("blobs", 0.4))
    assert describe(Recipe((blur, jpeg))) == "Gaussian blur sigma 1.1 px + JPEG quality 22 on 40 % of the image"
    assert describe(Recipe((Step("jpeg", 0.5, 78.0, mask=MaskSpec("blobs", 0.99)),))) == "JPEG quality 22"
    assert describe(Recipe()) == "no change"
    noise, denoiser = Operation("white_noise", {"deviation": 0.05}, 3), Operation("bm3d", {"deviation": 0.1})
    resize = Operation("enlarge", {"factor": 2, "interpolation": "bicubic"})
    assert describe(Recipe((jpeg,), (noise, denoiser))) == (
        "white noise (deviation 0.05) + BM3D (deviation 0.1) + JPEG quality 22 on 40 % of the image"
    )
    assert describe(Recipe(operations=(resize,))) == "enlarge (factor 2, interpolation bicubic)"
    blurred = Operation("blur", {"sigma_px": 1.25, "ratio": 1.0})
    assert describe(Recipe(operations=(blurred,))) == "blur (sigma 1.2 px, ratio 1)"


def test_every_distortion_of_the_catalogue_has_words_with_a_number() -> None:
    said = {describe_step(Step(name, 1.0, spec.ladder[2])) for name, spec in DISTORTIONS.items()}
    assert len(said) == len(DISTORTIONS)
    assert all(
        any(c.isdigit() for c in words) and " - " not in words and " / " not in words and "_" not in words
        for words in said
    )


def test_recipes_are_said_the_last_step_first_with_strength() -> None:
    blur, jpeg = Step("gaussian_blur", 0.3, 1.1), Step("jpeg", 0.5, 78.0, mask=MaskSpec("blobs", 0.4))
    assert in_english(Recipe((blur, jpeg))) == (
        "JPEG quality 22 on 40 % of the image after slight Gaussian blur (sigma 1.1 px)"
    )
    assert in_english(Recipe((Step("darken", 0.6, 1.0),))).startswith("moderate darkening (exponent")
    assert in_english(Recipe((Step("white_noise", 0.9, 0.1),))).startswith("strong white noise (")
    noise, denoiser = Operation("white_noise", {"deviation": 0.05}, 3), Operation("bm3d", {"deviation": 0.1})
    assert in_english(Recipe(operations=(noise, denoiser))) == "BM3D (deviation 0.1) after white noise (deviation 0.05)"
    assert in_english(Recipe()) == "no change"
    said = {in_english(Recipe((Step(name, 1.0, spec.ladder[2]),))) for name, spec in DISTORTIONS.items()}
    assert len(said) == len(DISTORTIONS) and not any("_" in words for words in said)


@pytest.mark.parametrize(
    ("distance", "words"), [(0.0, "very near"), (0.5, "very near"), (0.9, "near"), (1.4, "only roughly"), (3, "hardly")]
)
def test_nearness_is_the_distance_as_a_share_of_that_to_equal_images(distance: float, words: str) -> None:
    assert nearness(distance, 2.0).startswith(words) and nearness(10 * distance, 20.0) == nearness(distance, 2.0)
    assert nearness(0.0, 0.0) == "very near" and nearness(0.1, 0.0).startswith("hardly")


def test_what_is_known_includes_outputs_of_restoration(photo_paths: list[Path]) -> None:
    recipes = [recipe for _, _, recipe, _ in known_pairs(photo_paths, 12, 64, seed=1)]
    restored = sum(bool(recipe.operations) for recipe in recipes)
    assert len(recipes) == 48 and 4 <= restored <= 24


def test_photographs_that_are_left_out_are_counted_and_named(
    photos: list[Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from relational_iqa.commands.index import IndexOptions
    from relational_iqa.commands.index import index as index_command

    monkeypatch.setattr(relational_iqa, "load", Field)
    folder = tmp_path / "photos"
    folder.mkdir()
    save_image(photos[0], folder / "good.png")
    save_image(photos[1][:, :40, :40], folder / "small.png")
    (folder / "broken.png").write_bytes(b"no picture")
    index_command(IndexOptions(photos=str(folder), out=str(tmp_path / "out"), sets=1, size=48, split="all"))
    said = capfd.readouterr()
    assert "of 1 photographs (2 left out, see above)" in said.out
    assert "small.png: 40x40 px, needs 48 px" in said.err and "broken.png" in said.err
    (folder / "good.png").unlink()
    with pytest.raises(UsageError, match="none of 2 photographs can be used"):
        index_command(IndexOptions(photos=str(folder), out=str(tmp_path / "out"), sets=1, size=48, split="all"))


# -- index of recipes --------------------------------------------------------------------------------------------------


class Field:
    """A model that knows: the maps of a pair are its difference of brightness and of red."""

    meta = {"sha256": "f" * 64}

    def compare(self, a: np.ndarray, b: np.ndarray) -> Comparison:
        x, y = (np.asarray(image, dtype=np.float32) / 255 for image in (a, b))
        change = (y - x).mean(-1)
        return comparison_of({"brightness": change, "noise": np.abs(y - x).max(-1) - np.abs(change)}, *change.shape)


@pytest.fixture(scope="module")
def index(photo_paths: list[Path]) -> RecipeIndex:
    return index_recipes(Field(), photo_paths, sets=4, size_px=48, seed=3, weights="f" * 64)


def test_a_pair_is_nearest_to_its_own_recipe_either_way_round(index: RecipeIndex) -> None:
    assert len(index) == 16
    for number in (0, 5, 11):
        vector = index.index.reconstruct(number)
        own = index.nearest(vector, 3)
        assert own[0].recipe == index.recipes[number][0] and not own[0].swapped and own[0].distance < 1e-3
        back = index.nearest(swapped_embedding(vector), 3)
        assert back[0].recipe == own[0].recipe and back[0].swapped and back[0].distance < 1e-3
        assert [n.distance for n in own] == sorted(n.distance for n in own) and len(own) == 3


def test_an_index_comes_back_from_disk(index: RecipeIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    loaded = RecipeIndex.load(tmp_path)
    assert loaded.recipes == index.recipes and loaded.facts == index.facts
    vector = index.index.reconstruct(2)
    assert loaded.nearest(vector) == index.nearest(vector)
    json.dumps([neighbour.to_json() for neighbour in loaded.nearest(vector)])


@pytest.mark.parametrize("fault", ["bit", "cut", "gone", "format", "rows"])
def test_a_damaged_index_is_named(fault: str, index: RecipeIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    about = json.loads((tmp_path / "index.json").read_text())
    if fault == "bit":
        data = bytearray((tmp_path / "index.faiss").read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / "index.faiss").write_bytes(bytes(data))
    elif fault == "cut":
        (tmp_path / "index.json").unlink()
    elif fault == "gone":
        (tmp_path / "recipes.jsonl").unlink()
    elif fault == "format":
        (tmp_path / "index.json").write_text(json.dumps(about | {"format": "x"}))
    else:
        (tmp_path / "index.json").write_text(json.dumps(about | {"count": 3}))
    with pytest.raises(UsageError, match="riqa index"):
        RecipeIndex.load(tmp_path)


# -- near duplicates ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(photos: list[Tensor], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Versions of photograph 0 and 1 in one folder, the photographs 1 and 2 in the other."""
    ours, theirs = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    small = torch.nn.functional.interpolate(photos[1][None], (64, 80), mode="area")[0]
    versions = {"mirrored": photos[1].flip(-1), "small": small, "darker": photos[1] * 0.7, "other": photos[0]}
    versions["flat"] = torch.full((3, 64, 64), 0.5)
    for name, image in versions.items():
        save_image(image, ours / f"{name}.png")
    for number in (1, 2):
        save_image(photos[number], theirs / f"{number}.png")
    return sorted(ours.iterdir()), sorted(theirs.iterdir())


def test_scaled_mirrored_and_darkened_copies_are_found_and_nothing_else(
    folders: tuple[list[Path], list[Path]],
) -> None:
    found = near_duplicates(*folders)
    assert {duplicate.photo.stem for duplicate in found} == {"mirrored", "small", "darker"}
    assert {duplicate.match.stem for duplicate in found} == {"1"}
    assert [d.similarity for d in found] == sorted((d.similarity for d in found), reverse=True)
    assert near_duplicates([], folders[1]) == []


def test_similarity_is_the_cosine_that_a_double_loop_finds(folders: tuple[list[Path], list[Path]]) -> None:
    from distortion_engine.reading.image_io import load_image

    found = {d.photo: (d.match, d.similarity) for d in near_duplicates(*folders, threshold=-0.99)}
    for path in folders[0]:
        best = max(
            (float(thumbnail_embedding(view) @ thumbnail_embedding(load_image(other))), other)
            for view in (load_image(path), load_image(path).flip(-1))
            for other in folders[1]
        )
        if path.stem != "flat":
            assert found[path][0] == best[1] and found[path][1] == pytest.approx(best[0], abs=1e-3)
    assert not thumbnail_embedding(torch.full((3, 40, 40), 0.3)).any()


# -- commands ----------------------------------------------------------------------------------------------------------


def test_commands_answer_in_words(
    index: RecipeIndex, folders: tuple[list[Path], list[Path]], photo_paths: list[Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from relational_iqa.commands.explain import ExplainOptions, explain
    from relational_iqa.commands.index import IndexOptions
    from relational_iqa.commands.index import index as index_command

    class Model(Field):
        def compare(self, a: StoredImage, b: StoredImage, names: tuple[str, str] = ("A", "B")) -> Comparison:
            return super().compare(*(255 * x.pixels().permute(1, 2, 0).numpy() for x in (a, b)))

    model = Model()
    monkeypatch.setattr(relational_iqa, "load", lambda: model)
    index.save(tmp_path / "index")
    a, b = (str(path) for path in photo_paths[:2])
    known = str(tmp_path / "index")
    explain(ExplainOptions(a=a, b=b, index=known, k=2, json=str(tmp_path / "out.json")))
    lines = capsys.readouterr().out.splitlines()
    assert sum(" is like " in line and "distance" in line for line in lines) == 2
    content = json.loads((tmp_path / "out.json").read_text())
    assert len(content["nearest"]) == 2 and content["nearest"][0]["english"] in lines[0]
    for line, found in zip(lines, content["nearest"], strict=False):
        assert found["nearness"] == nearness(found["distance"], content["length"]) and found["nearness"] in line
    explain(ExplainOptions(a=a, b=a, index=known))
    assert "are identical" in capsys.readouterr().out
    monkeypatch.setattr(model, "meta", {"sha256": "0" * 64}, raising=False)
    with pytest.raises(UsageError, match="made with weights ffffffffffff"):
        explain(ExplainOptions(a=a, b=b, index=known))

    ours, theirs = (str(paths[0].parent) for paths in folders)
    same = str(tmp_path / "same.json")
    index_command(IndexOptions(photos=ours, near_duplicates=theirs, split="all", json=same))
    assert "3 of 5 photographs are in" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "same.json").read_text())["duplicates"]) == 3
    for out, other in ((None, None), ("x", theirs)):
        with pytest.raises(UsageError, match="not both"):
            IndexOptions(photos=ours, out=out, near_duplicates=other)
