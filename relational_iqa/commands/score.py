"""riqa score: how far images are below their reference, or without one their MOS."""

from dataclasses import dataclass, replace
from typing import Annotated

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import check_outputs, display_names, finish, load_system
from relational_iqa.commands.options import Metavar
from relational_iqa.commands.shared_options import SeveralImagesOptions


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(SeveralImagesOptions):
    """Options of `riqa score`. Raises UsageError for options that need a reference without one, or the other way."""

    maps: Annotated[str | None, Metavar("FOLDER")] = None
    """Writes a picture of the MOS map of each image. Without a reference only."""

    def __post_init__(self) -> None:
        if self.reference is not None:
            if self.maps is not None:
                raise UsageError(
                    "--maps is for scores without --reference; with one, riqa compare --out draws the maps"
                )
            return
        if self.align is not None:
            raise UsageError(f"--align {self.align} needs --reference; without one nothing has to be of one size")
        for option, value in (("--device", self.device), ("--precision", self.precision)):
            if value is not None:
                raise UsageError(f"{option} {value} needs --reference: the MOS of one image is computed on the CPU")


def score(options: ScoreOptions) -> None:
    """How good images are: levels below their reference, or without --reference their MOS from 1 (bad) to 5."""
    if options.reference is None:
        from relational_iqa.commands.score_alone import score_alone

        score_alone(options)
        return
    from relational_iqa.tiling.stored_image import open_images

    images, reference = options.images, options.reference
    check_outputs((options.json,), options.inputs)
    model = load_system("pixel_perfect", options.weights, options.device, options.precision)
    scores = []
    for path, name in zip(images, display_names(images), strict=True):
        image, pristine = open_images([path, reference], options.max_pixels, options.align)
        scores.append(replace(model.score(image, reference=pristine), name=name))
    content = {
        "scores": [each.to_json() | {"file": path} for each, path in zip(scores, images, strict=True)],
        "reference": reference,
        "align": options.align,
    }
    finish([each.summary() for each in scores], content, options.json)
