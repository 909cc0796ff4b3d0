"""riqa explain: what known distortions does the difference between two images look like?"""

from pathlib import Path

from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import add_model_options, check_outputs, finish, load_images, load_model


def explain(
    a: str,
    b: str,
    index: str,
    k: int = 5,
    json: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
) -> None:
    """Say which known distortions the difference between two images is close to."""
    from relational_iqa.retrieval.index import RecipeIndex
    from relational_iqa.retrieval.relation_embedding import embedding_of

    check_outputs((json,), [a, b])
    known = RecipeIndex.load(index)
    images = load_images([a, b], max_pixels, align)
    model = load_model(weights)
    made_with, have = known.facts.get("weights_sha256"), model.meta.get("sha256")
    if made_with != have:
        raise UsageError(
            f"{index}: made with weights {str(made_with)[:12]}, these are {str(have)[:12]}; "
            "give --weights that it was made with, or write it again with riqa index"
        )
    comparison = model.compare(images[0], images[1], names=(Path(a).name, Path(b).name))
    content = {"files": {"a": a, "b": b}, "index": index, "align": align, "comparison": comparison.to_json()}
    if comparison.identical:
        finish([f"{a} and {b} are identical"], {**content, "nearest": []}, json)
        return
    nearest = known.nearest(embedding_of(comparison), k)
    name_a, name_b = comparison.labels
    lines = []
    for neighbour in nearest:
        source, result = (name_b, name_a) if neighbour.swapped else (name_a, name_b)
        words = neighbour.to_json()["words"]
        lines.append(f"{result} is close to {source} with {words} (distance {neighbour.distance:.2f})")
    finish(lines, {**content, "nearest": [neighbour.to_json() for neighbour in nearest]}, json)


def add_options(parser: ArgumentParser) -> None:
    """The options of `explain`."""
    add = parser.add_argument
    add("a", type=str, metavar="A", help="one image")
    add("b", type=str, metavar="B", help="the other image of the same scene")
    add("--index", type=str, required=True, metavar="OUT", help="folder that riqa index wrote")
    add("-k", "--k", type=PositiveInt, default=5, metavar="K", help="how many recipes to name")
    add_model_options(parser)
