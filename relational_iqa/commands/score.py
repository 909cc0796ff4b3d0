"""riqa score: how far images are below their reference, or without one their MOS."""

from dataclasses import replace

from jsonargparse import ArgumentParser

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import (
    add_device_options,
    add_images_option,
    add_model_options,
    add_reference_option,
    all_paths,
    check_outputs,
    display_names,
    finish,
    load_model,
    open_images,
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
    device: str | None = None,
    precision: str | None = None,
) -> None:
    """How good images are: levels below their reference, or without --reference their MOS from 1 (bad) to 5."""
    if reference is None:
        if align is not None:
            raise UsageError(f"--align {align} needs --reference; without one nothing has to be of one size")
        for option, value in (("--device", device), ("--precision", precision)):
            if value is not None:
                raise UsageError(f"{option} {value} needs --reference: the MOS of one image is computed on the CPU")
        score_alone(images, json, weights, max_pixels, maps)
        return
    if maps is not None:
        raise UsageError("--maps is for scores without --reference; with one, riqa compare --out draws the maps")
    check_outputs((json,), all_paths(images, reference))
    model = load_model(weights, device, precision)
    scores = []
    for path, name in zip(images, display_names(images), strict=True):
        image, pristine = open_images([path, reference], max_pixels, align)
        scores.append(replace(model.score(image, reference=pristine), name=name))
    content = {
        "scores": [s.to_json() | {"file": p} for s, p in zip(scores, images, strict=True)],
        "reference": reference,
    }
    finish([s.summary() for s in scores], {**content, "align": align}, json)


def add_options(parser: ArgumentParser) -> None:
    """The options of `score`."""
    add_images_option(parser)
    parser.add_argument("--maps", type=str, metavar="FOLDER", help="without reference: a picture of each MOS map")
    add_reference_option(parser)
    add_model_options(parser)
    add_device_options(parser)
