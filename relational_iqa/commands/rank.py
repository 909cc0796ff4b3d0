"""riqa rank: several images of one scene, best first."""

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


def rank(
    images: list[str],
    reference: str | None = None,
    json: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
) -> None:
    """Order several images of one scene, best first."""
    if len(images) < 2:
        raise UsageError(f"rank got {len(images)} image: give two or more of one scene")
    paths = images if reference is None else [*images, reference]
    check_outputs((json,), paths)
    loaded = load_images(paths, max_pixels, align)
    ranking = load_model(weights).rank(
        loaded[: len(images)], reference=None if reference is None else loaded[len(images)]
    )
    ranking = replace(ranking, names=display_names(images))
    lines = [ranking.summary()]
    finish(lines, {**ranking.to_json(), "files": images, "reference": reference, "align": align}, json)


def add_options(parser: ArgumentParser) -> None:
    """The options of `rank`."""
    parser.add_argument("images", nargs="+", type=str, metavar="IMAGES", help="images of one scene")
    add_reference_option(parser)
    add_model_options(parser)
