"""riqa explain: what known distortions does the difference between two images look like?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from relational_iqa.commands.common import finish, load_system
from relational_iqa.commands.options import Metavar, Positional, PositiveInt, ShortFlag
from relational_iqa.commands.shared_options import ModelOptions


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(ModelOptions):
    """Options of `riqa explain`."""

    a: Annotated[str, Positional("A")]
    """One image."""
    b: Annotated[str, Positional("B")]
    """The other image of the same scene."""
    index: Annotated[str, Metavar("OUT")]
    """Folder that riqa index wrote."""
    k: Annotated[PositiveInt, ShortFlag("-k"), Metavar("K")] = 5
    """How many recipes to name."""


def explain(options: ExplainOptions) -> None:
    """Say which known distortions the difference between two images is close to."""
    import numpy as np

    from relational_iqa.retrieval.english import in_english, nearness
    from relational_iqa.retrieval.index import RecipeIndex
    from relational_iqa.retrieval.relation_embedding import embedding_of
    from relational_iqa.tiling.aligned_images import open_images

    a, b = options.a, options.b
    known = RecipeIndex.load(options.index)
    images = open_images([a, b], options.max_pixels, options.align)
    model = load_system("pixel_perfect", options.weights)
    made_with, have = known.facts.get("weights_sha256"), model.meta.get("sha256")
    if made_with != have:
        raise UsageError(
            f"{options.index}: made with weights {str(made_with)[:12]}, these are {str(have)[:12]}; "
            "give --weights that it was made with, or write it again with riqa index"
        )
    comparison = model.compare(images[0], images[1], names=(printable(Path(a).name), printable(Path(b).name)))
    content = {
        "files": {"a": a, "b": b},
        "index": options.index,
        "align": options.align,
        "comparison": comparison.to_json(),
    }
    if comparison.identical:
        finish([f"{a} and {b} are identical"], {**content, "nearest": []}, options.json)
        return
    embedding = embedding_of(comparison)
    length = float(np.linalg.norm(embedding))
    nearest = known.nearest(embedding, options.k)
    name_a, name_b = comparison.labels
    lines, found = [], []
    for neighbour in nearest:
        source, result = (name_b, name_a) if neighbour.swapped else (name_a, name_b)
        how_near = nearness(neighbour.distance, length)
        english = in_english(neighbour.recipe)
        lines.append(f"{result} is like {source} with {english}: {how_near} (distance {neighbour.distance:.2f})")
        found.append({**neighbour.to_json(), "nearness": how_near})
    finish(lines, {**content, "length": length, "nearest": found}, options.json)
