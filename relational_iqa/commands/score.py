"""riqa score: how far images are below their reference."""

from dataclasses import replace

from jsonargparse import ArgumentParser

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import (
    add_model_options,
    add_reference_option,
    check_outputs,
    display_names,
    finish,
    load_images,
    load_model,
)


def score(
    images: list[str],
    reference: str | None = None,
    json: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
) -> None:
    """How far images are below their reference: 0 is no difference, -1 is one level of a five-level ladder."""
    if reference is None:
        raise UsageError("score needs --reference R; without one, riqa rank orders images among themselves")
    check_outputs((json,), [*images, reference])
    model = load_model(weights)
    scores = []
    for path, name in zip(images, display_names(images), strict=True):
        image, pristine = load_images([path, reference], max_pixels, align)
        scores.append(replace(model.score(image, reference=pristine), name=name))
    content = {
        "scores": [s.to_json() | {"file": p} for s, p in zip(scores, images, strict=True)],
        "reference": reference,
    }
    finish([s.summary() for s in scores], {**content, "align": align}, json)


def add_options(parser: ArgumentParser) -> None:
    """The options of `score`."""
    parser.add_argument("images", nargs="+", type=str, metavar="IMAGES", help="images of one scene")
    add_reference_option(parser)
    add_model_options(parser)
