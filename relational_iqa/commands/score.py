"""riqa score: how far images are below their reference, or without one their MOS."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import (
    bound_threads,
    display_names,
    finish,
    full_path,
    load_system,
    reading_lines,
    viewing_lines,
)
from relational_iqa.commands.options import CSV, Metavar, Positional, Writes
from relational_iqa.commands.shared_options import RegionOptions, SeveralImagesOptions
from relational_iqa.viewing.condition import PIXEL_PEEP, find_viewing


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(RegionOptions, SeveralImagesOptions):
    """Options of `riqa score`. Raises UsageError for options that need a reference without one, or the other way."""

    images: Annotated[Sequence[str], Positional("IMAGES")]
    """Images, or folders of them."""
    reference: Annotated[str | None, Metavar("R")] = None
    """The pristine image, if there is one; of folders, also the folder of pristine images."""
    maps: Annotated[str | None, Metavar("FOLDER"), Writes("folder")] = None
    """Writes a picture of the MOS map of each image. Without a reference only."""
    csv: Annotated[str | None, Metavar("F.csv"), CSV] = None
    """Writes a row for each image, as they come, in place of printing a line for each."""

    @property
    def seen(self) -> dict[str, str]:
        """The argument `viewing` of the model, where there is a condition."""
        return {} if self.viewing is None else {"viewing": self.viewing}

    @property
    def one_by_one(self) -> bool:
        """Whether images are scored as a list of files, of which some may fail: with --csv, and where one is a
        folder."""
        return self.csv is not None or any(Path(path).is_dir() for path in self.images)

    def __post_init__(self) -> None:
        find_viewing(self.viewing, 1)
        if self.csv == "-":
            raise UsageError("'-' is for --json; give --csv a file")
        if self.maps is not None and self.one_by_one:
            raise UsageError("--maps is for single images without --csv; leave one of them out")
        for option, given in (("--roi", self.roi), ("--mask", self.mask)):
            if given and (self.reference is None or self.one_by_one):
                raise UsageError(f"{option} {given[0]} is for single images with --reference and without --csv")
        if self.reference is not None:
            if self.maps is not None:
                raise UsageError(
                    "--maps is for scores without --reference; with one, riqa compare --out draws the maps"
                )
            return
        if self.viewing is not None:
            raise UsageError(f"--viewing {self.viewing} needs --reference: the MOS of one image is that of its pixels")
        if self.gain_map:
            raise UsageError("--gain-map needs --reference: the MOS of one image is that of its SDR picture")
        if self.align is not None:
            raise UsageError(f"--align {self.align} needs --reference; without one nothing has to be of one size")
        for option, value in (("--device", self.device), ("--precision", self.precision)):
            if value is not None:
                raise UsageError(f"{option} {value} needs --reference: the MOS of one image is computed on the CPU")


def score(options: ScoreOptions) -> None:
    """How good images are: levels below their reference, or without --reference their MOS from 1 (bad) to 5."""
    bound_threads(options.threads)
    if options.one_by_one:
        _score_one_by_one(options)
    elif options.reference is None:
        _score_alone(options)
    else:
        _score_against(options.reference, options)


def _score_one_by_one(options: ScoreOptions) -> None:
    """Scores folders, or files into a table: an image that fails is named, and the others go on."""
    from distortion_engine.reading.image_io import MAX_PIXELS
    from relational_iqa.commands.score_files import ImageFile, image_files, score_files
    from relational_iqa.tiling.aligned_images import open_images

    files = image_files(options.images, options.reference)
    limit = options.max_pixels or MAX_PIXELS
    if options.reference is None:
        model = _load_pmos(options.weights)

        def score(file: ImageFile) -> Any:
            return model.score(file.path, name=file.name, max_pixels=limit)
    else:
        model = load_system("pixel_perfect", options.weights, options.device, options.precision)

        def score(file: ImageFile) -> Any:
            image, pristine = open_images(
                [file.path, str(file.reference)], options.max_pixels, options.align, True, options.gain_map
            )
            return replace(model.score(image, reference=pristine, **options.seen), name=file.name)

    score_files(
        files, score, "mos" if options.reference is None else "quality", model.meta,
        csv=options.csv, json=options.json, reference=options.reference, quiet=options.quiet,
    )  # fmt: skip


def _score_against(reference: str, options: ScoreOptions) -> None:
    from distortion_engine.jobs.progress import progress
    from relational_iqa.tiling.aligned_images import open_images

    images = options.images
    model = load_system("pixel_perfect", options.weights, options.device, options.precision)
    lines, scores = [], []
    read_as: dict[str, None] = {}
    with progress(len(images), "images", options.quiet) as tick:
        for path, name in zip(images, display_names(images), strict=True):
            image, pristine = open_images([path, reference], options.max_pixels, options.align, True, options.gain_map)
            found = replace(model.score(image, reference=pristine, **options.seen), name=name)
            lines.append(found.summary())
            read_as |= dict.fromkeys(reading_lines([name, "the reference"], [image, pristine]))
            parts = []
            for region in options.found_regions(image):
                part = replace(model.score(image, reference=pristine, mask=region, **options.seen), name=name)
                lines.append(f"{region.said}: {part.summary()}")
                parts.append(region.to_json() | part.to_json())
            scores.append(found.to_json() | {"file": path, "rois": parts})
            tick()
    lines += [*viewing_lines(found.meta), *read_as]
    content = {
        "read_as": list(read_as),
        "viewing": options.viewing or PIXEL_PEEP,
        "scores": scores,
        "reference": reference,
        "align": options.align,
    }
    finish(lines, content, options.json)


def _score_alone(options: ScoreOptions) -> None:
    """Prints the MOS of each image by itself, and writes the pictures and the JSON asked for."""
    images = options.images
    names = display_names(images)
    pictures = {} if options.maps is None else _picture_files(Path(options.maps), images)
    from distortion_engine.jobs.progress import progress
    from distortion_engine.reading.image_io import MAX_PIXELS, load_image, save_image, to_uint8

    model = _load_pmos(options.weights)
    lines, scores = [], []
    with progress(len(images), "images", options.quiet) as tick:
        for path, name in zip(images, names, strict=True):
            image = load_image(path, max_pixels=options.max_pixels or MAX_PIXELS)
            result = model.score(image, name=name)
            entry = result.to_json() | {"file": path}
            if path in pictures:
                import torch

                picture = torch.from_numpy(result.picture(to_uint8(image))).permute(2, 0, 1).float() / 255
                pictures[path].parent.mkdir(parents=True, exist_ok=True)
                save_image(picture, pictures[path])
                entry["map"] = str(pictures[path])
            lines.append(result.summary())
            scores.append(entry)
            tick()
    if pictures:
        lines.append(f"maps (orange: where MOS is lost): {full_path(str(options.maps))}")
    finish(lines, {"scores": scores, "reference": None}, options.json)


def _load_pmos(weights: str | None) -> Any:
    """The model; where shipped weights are missing, UsageError says how to train some."""
    try:
        return load_system("pmos", weights)
    except UsageError as error:
        if weights is not None:
            raise
        raise UsageError(
            f"score without --reference needs pMOS weights ({error}); give --reference R, or train them: "
            "riqa pretrain --config experiments/pmos/cpu.yaml"
        ) from error


def _picture_files(folder: Path, images: Sequence[str]) -> dict[str, Path]:
    """Image -> the file of its picture. Raises UsageError where two would be one, or one is an image."""
    files = {path: folder / f"{Path(path).stem}-pmos.png" for path in images}
    if len(set(files.values())) < len(files):
        raise UsageError(f"--maps {folder}: two images have the same name; score them one by one")
    taken = {Path(path).resolve() for path in images} & {file.resolve() for file in files.values()}
    if taken:
        raise UsageError(f"--maps {folder}: would write over {taken.pop()}; give another folder")
    return files
