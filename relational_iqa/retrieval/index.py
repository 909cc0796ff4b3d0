"""FAISS: nearest known recipes to a pair of images. Exact up to EXACT_LIMIT vectors, compressed beyond.

An index is a folder: `index.faiss`, `recipes.jsonl` (a line a vector) and `index.json` with sizes and checksums.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distortion_engine import ENGINE_VERSION
from distortion_engine.dataset import RankedSetDataset
from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, make_folder
from distortion_engine.recipe import RESTORATION_OUTPUTS, Recipe
from distortion_engine.sampling import SamplingConfig
from relational_iqa.retrieval import faiss_child
from relational_iqa.retrieval.english import in_english
from relational_iqa.retrieval.recipe_words import describe
from relational_iqa.retrieval.relation_embedding import Compares, relation_embedding, swapped_embedding

EXACT_LIMIT = 100_000
"""Vectors up to which search is exact; beyond, IVF-PQ."""

FORMAT = "riqa index 1"
_BYTES_PER_CODE = 80  # of a compressed vector, an eighth; with 32, recall@10 is .81 instead of .92
_BITS = 8
_TRAINING_PER_LIST = 40  # vectors; FAISS warns below 39
_ITERATIONS = 10  # of k-means; more change nothing that can be measured
_PROBED_SHARE = 1 / 64  # of the lists; recall is limited by the codes, not by this
_FILES = ("index.faiss", "recipes.jsonl")
_FLAT, _COMPRESSED = b"IxF2", b"IwPQ"  # first bytes of a file of FAISS
_FLAT_HEAD = 45  # bytes before the vectors
_MAX_DIMENSION = 100_000
_RESTORATION_SHARE = 0.2  # of the sets
_PATIENCE_S = 300.0
_UNREADABLE = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError, MemoryError)
"""What reading damaged or foreign files raises."""


@dataclass(frozen=True)
class Neighbour:
    """A stored pair that resembles the pair that was asked about.

    Args:
        recipe: what leads from one image of the pair to the other.
        photo: name of the photograph that it was rendered from.
        distance: Euclidean distance of the embeddings, >= 0.
        swapped: True where the recipe leads from b to a, False where it leads from a to b.
    """

    recipe: Recipe
    photo: str
    distance: float
    swapped: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "words": describe(self.recipe),
            "english": in_english(self.recipe),
            "from": "b" if self.swapped else "a",
            "distance": self.distance,
            "photo": self.photo,
            "recipe": self.recipe.to_dict(),
        }


def build_index(vectors: np.ndarray, exact_limit: int = EXACT_LIMIT, seed: int = 0) -> Any:
    """A FAISS index over `vectors` (N, D) float32, Euclidean; exact up to `exact_limit` vectors, IVF-PQ beyond.

    IVF-PQ: 4 sqrt(N) lists, at most 80 bytes a vector plus its number, trained on a sample drawn by `seed`. Raises
    UsageError for vectors that are none, not two-dimensional or not finite.
    """
    import faiss

    vectors = _checked(vectors)
    number, dimension = vectors.shape
    if number <= exact_limit:
        flat: Any = faiss.IndexFlatL2(dimension)
        flat.add(vectors)
        return flat
    lists = max(1, round(4 * math.sqrt(number)))
    codes = max(m for m in range(1, min(_BYTES_PER_CODE, dimension) + 1) if dimension % m == 0)
    index: Any = faiss.IndexIVFPQ(faiss.IndexFlatL2(dimension), dimension, lists, codes, _BITS)
    index.cp.seed = seed
    index.cp.niter = index.pq.cp.niter = _ITERATIONS
    rng = np.random.default_rng(seed)
    sample = rng.choice(number, min(number, max(_TRAINING_PER_LIST * lists, 2**_BITS * 40)), replace=False)
    index.use_precomputed_table = -1  # tables that would take more memory than the vectors, and save no time
    index.train(vectors[np.sort(sample)])
    index.add(vectors)
    index.nprobe = max(1, round(_PROBED_SHARE * lists))
    return index


def search(index: Any, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Euclidean distances (Q, k) and numbers (Q, k) of the nearest, nearest first; as many as there are if k is more.

    UsageError for k below 1 or queries of another length than the index has.
    """
    queries = _checked(queries)
    if k < 1 or queries.shape[1] != index.d:
        raise UsageError(f"k {k} and queries of {queries.shape[1]} numbers: expected k >= 1 and {index.d} numbers")
    squares, numbers = index.search(queries, min(k, index.ntotal))
    return np.sqrt(np.maximum(squares, 0)), numbers


def _checked(vectors: np.ndarray) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise UsageError(f"vectors of shape {vectors.shape}: expected (N, D), N and D 1 or more, finite numbers")
    return vectors


class RecipeIndex:
    """Known pairs (pristine, distorted) and their recipes.

    Args:
        index: FAISS index of the relation embeddings of the pairs.
        recipes: recipe and photograph of each pair, in the order of the index.
        facts: weights, engine, photographs, and how the index was made.
    """

    def __init__(self, index: Any, recipes: Sequence[tuple[Recipe, str]], facts: dict[str, Any]) -> None:
        self.index, self.recipes, self.facts = index, list(recipes), facts

    def __len__(self) -> int:
        return len(self.recipes)

    def nearest(self, embedding: np.ndarray, k: int = 5) -> list[Neighbour]:
        """The k nearest recipes to the pair with this relation embedding (D,), taken either way round: what was done to
        a to get b, or to b to get a. Raises UsageError for an index that names pairs which are not there."""
        found = []
        for swapped in (False, True):
            query = swapped_embedding(embedding) if swapped else embedding
            distances, numbers = search(self.index, query[None], k)
            if numbers.max() >= len(self.recipes):
                raise UsageError(
                    f"the index names pair {int(numbers.max())} of {len(self.recipes)}: it is damaged; make it anew "
                    "with riqa index"
                )
            found += [
                Neighbour(*self.recipes[int(number)], float(distance), swapped)
                for distance, number in zip(distances[0], numbers[0], strict=True)
                if number >= 0
            ]
        return sorted(found, key=lambda neighbour: neighbour.distance)[:k]

    def save(self, folder: str | Path) -> None:
        """Writes the folder; `index.json` comes last, so that one without it is known to be cut short. Raises
        UsageError where it cannot be written."""
        import faiss

        folder = Path(folder)
        make_folder(folder)
        lines = [json.dumps({"photo": photo, "recipe": recipe.to_dict()}) + "\n" for recipe, photo in self.recipes]
        contents = dict(
            zip(_FILES, (faiss.serialize_index(self.index).tobytes(), "".join(lines).encode()), strict=True)
        )
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        about = {"format": FORMAT, "count": len(self), "dimension": int(self.index.d), "sha256": sums, **self.facts}
        contents["index.json"] = (json.dumps(about, indent=1) + "\n").encode()
        (folder / "index.json").unlink(missing_ok=True)
        for name, content in contents.items():
            with atomic_file(folder / name) as stream:
                stream.write(content)

    @staticmethod
    def load(folder: str | Path) -> RecipeIndex:
        """What `save` wrote. UsageError names a folder that is missing, cut short, damaged or foreign."""
        folder = Path(folder)
        remedy = "write it again with riqa index PHOTOS OUT"
        try:
            about = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            contents = {name: (folder / name).read_bytes() for name in _FILES}
            if about.get("format") != FORMAT:
                raise UsageError(f"{folder}: is of format {about.get('format')!r}, expected {FORMAT!r}; {remedy}")
            for name, content in contents.items():
                # before FAISS reads it: a flipped bit there is a wrong answer or a crash
                if hashlib.sha256(content).hexdigest() != about["sha256"][name]:
                    raise UsageError(f"{folder / name}: differs from the checksum in index.json; {remedy}")
            index = _read_index(folder / "index.faiss", contents["index.faiss"])
            lines = contents["recipes.jsonl"].decode("utf-8").splitlines()
            rows = [json.loads(line, parse_constant=_no_number) for line in lines]
            recipes = [(Recipe.from_dict(row["recipe"]), str(row["photo"])) for row in rows]
            for recipe, _ in recipes:
                describe(recipe)  # whatever cannot be told is found here, not when somebody asks
            facts = {key: about[key] for key in about if key not in ("format", "count", "dimension", "sha256")}
            fits = index.ntotal == len(recipes) == about["count"] and index.d == about["dimension"]
        except FileNotFoundError as error:
            raise UsageError(f"{error.filename}: no such file; {remedy}") from error
        except _UNREADABLE as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{folder}: is no readable index ({type(error).__name__}); {remedy}") from error
        if not fits:
            raise UsageError(f"{folder}: {index.ntotal} vectors for {len(recipes)} recipes; {remedy}")
        return RecipeIndex(index, recipes, facts)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _read_index(path: Path, content: bytes) -> Any:
    """The FAISS index of a file with this content. One that is exact is built from its vectors; one that is compressed
    is read by FAISS, after another process has read and searched it. Raises ValueError for others."""
    import faiss

    if content[:4] == _FLAT:
        dimension, number = struct.unpack_from("<iq", content, 4)
        if not (0 < dimension <= _MAX_DIMENSION and len(content) == _FLAT_HEAD + 4 * dimension * number):
            raise ValueError(f"{number} vectors of {dimension} numbers in {len(content)} bytes")
        vectors = np.frombuffer(content, dtype="<f4", offset=_FLAT_HEAD).reshape(number, dimension)
        flat: Any = faiss.IndexFlatL2(dimension)
        flat.add(_checked(vectors))
        return flat
    if content[:4] != _COMPRESSED:
        raise ValueError(f"an index of the kind {content[:4]!r}")
    command = [sys.executable, str(faiss_child.__file__), str(path.absolute())]
    try:
        tried = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"reading it takes more than {_PATIENCE_S:.0f} s") from error
    if tried.returncode:
        raise ValueError(f"reading it ends with code {tried.returncode}")
    index: Any = faiss.deserialize_index(np.frombuffer(content, np.uint8), faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
    return index


def known_pairs(
    photos: Sequence[Path], sets: int, size_px: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray, Recipe, str]]:
    """Yields (reference, distorted, recipe, photo) of all members of ranked sets.

    One step in five has a mask; one set in five holds outputs of denoisers, deblurring and upscalers.

    Args:
        photos: files to draw from.
        sets: number of ranked sets.
        size_px: side of the images, which are (S, S, 3) uint8.
        seed: decides what is drawn.
    """
    dataset = RankedSetDataset(photos, size_px, seed, sets, SamplingConfig(kinds=_kinds(), mask_share=0.2))
    for index in range(sets):
        item = dataset[index]
        images = item.images.permute(0, 2, 3, 1).numpy()
        for image, recipe in zip(images[1:], item.set.members, strict=True):
            yield images[0], image, recipe, item.photo


def _kinds() -> dict[str, float]:
    """The engine's own mixture, and restoration outputs."""
    kinds = SamplingConfig().kinds
    return {**kinds, RESTORATION_OUTPUTS: _RESTORATION_SHARE / (1 - _RESTORATION_SHARE) * sum(kinds.values())}


def index_recipes(
    model: Compares, photos: Sequence[Path], sets: int, size_px: int = 256, seed: int = 0, weights: str | None = None
) -> RecipeIndex:
    """Renders ranked sets, embeds every pair (reference, member), and indexes them.

    Args:
        model: gives the embeddings.
        photos: files to draw from.
        sets: number of ranked sets.
        size_px: side of the images.
        seed: decides what is drawn.
        weights: sha256 of the model's weights; it is stored, so that use with another model is noticed.
    """
    from distortion_engine.jobs.progress import progress

    vectors, recipes = [], []
    with progress(sets * SamplingConfig().members, "pairs") as tick:
        for reference, image, recipe, photo in known_pairs(photos, sets, size_px, seed):
            vectors.append(relation_embedding(model, reference, image))
            recipes.append((recipe, photo))
            tick()
    facts = {"weights_sha256": weights, "engine": ENGINE_VERSION, "photos": len(photos), "sets": sets, "seed": seed}
    return RecipeIndex(build_index(np.stack(vectors)), recipes, {**facts, "size_px": size_px})
