"""riqa score: how far images are below their reference, or without one their MOS."""

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
from relational_iqa.commands.score_alone import score_alone


def score(
    images: list[str],
    reference: str | None = None,
    json: str | None = None,
    align: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
    maps: str | None = None,
) -> None:
    """How good images are: levels below their reference, or without --reference their MOS from 1 (bad) to 5."""
    if reference is None:
        if align is not None:
            raise UsageError(f"--align {align} needs --reference; without one nothing has to be of one size")
        score_alone(images, json, weights, max_pixels, maps)
        return
    if maps is not None:
        raise UsageError("--maps is for scores without --reference; with one, riqa compare --out draws the maps")
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
    parser.add_argument("--maps", type=str, metavar="FOLDER", help="without reference: a picture of each MOS map")
    add_reference_option(parser)
    add_model_options(parser)
