"""riqa generate: ranked image sets from pristine photographs, or a sheet that shows every distortion."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.choices import MASK_SHARE, MIN_SCALE, SETS_PER_SHARD, WORKERS, ImageFormat, WorkerKind
from distortion_engine.jobs.printable import printable
from distortion_engine.jobs.resume import Resume
from distortion_engine.reading.photos import Split
from relational_iqa.commands.common import full_path
from relational_iqa.commands.options import Metavar, NonNegativeInt, Positional, PositiveFloat, PositiveInt, Writes
from relational_iqa.commands.paths import check_outputs
from relational_iqa.commands.shared_options import CropSizeOption


@dataclass(frozen=True, kw_only=True)
class GenerateCommandOptions(CropSizeOption):
    """Options of `riqa generate`. Raises UsageError for options that do not go together."""

    photos: Annotated[str | None, Positional("PHOTOS")] = None
    """Folder of pristine photographs."""
    out: Annotated[str | None, Positional("OUT"), Writes("folder")] = None
    """Folder to write, or to complete after a run that was killed."""
    sets: Annotated[PositiveInt | None, Metavar("N")] = None
    """How many ranked sets to make: a reference and four damaged versions each."""
    seed: Annotated[NonNegativeInt, Metavar("S")] = 0
    """The same seed, photographs, options and library versions give the same bytes."""
    split: Split = "all"
    """Which share of the photographs to use."""
    distortions: Annotated[str | None, Metavar("A,B,...")] = None
    """Draws from these distortions alone."""
    sets_per_shard: Annotated[PositiveInt, Metavar("M")] = SETS_PER_SHARD
    """How many sets one tar file holds."""
    format: ImageFormat = "png"
    """Format of the images: png and webp are lossless files, npy are arrays that training reads in place."""
    dense: bool = False
    """Writes the fields and the validity at full resolution too."""
    min_scale: Annotated[PositiveFloat, Metavar("F")] = MIN_SCALE
    """Shrinks each photograph by a factor that is drawn from F to 1."""
    mask_share: Annotated[float, Metavar("F")] = MASK_SHARE
    """Share of the steps that act on a part of the image."""
    kinds: Annotated[str | None, Metavar("K=W,...")] = None
    """Weights of the kinds of sets, as in ladder=0.3,tie=1; the engine's own if not given. restoration_outputs, what
    denoisers and upscalers make of damaged photographs (extra [restoration]), is drawn only where it is named."""
    without_families: Annotated[str | None, Metavar("A,B,...")] = None
    """Leaves these families of algorithms out of restoration_outputs."""
    workers: Annotated[NonNegativeInt, Metavar("W")] = WORKERS
    """Number of processes, 0 for this one; the bytes are the same for any number."""
    engine: WorkerKind = "local"
    """Who renders: processes of this machine, or a Ray cluster (extra [ray])."""
    address: Annotated[str | None, Metavar("A")] = None
    """Address of the Ray cluster; RAY_ADDRESS if not given. Without either a cluster is started here."""
    resume: Resume = "auto"
    """Completes what lies in OUT (auto), or refuses to write there (never)."""
    catalog: Annotated[str | None, Metavar("SHEET.png"), Writes(suffixes=(".png", ".webp"))] = None
    """Makes no sets; draws every distortion at its five severities on one sheet."""
    photo: Annotated[str | None, Metavar("FILE")] = None
    """Photograph to draw on; the first usable one of PHOTOS, or a shipped one, if not given. For --catalog."""
    judge: bool = False
    """Writes the severity that metrics see above each image. For --catalog."""

    def __post_init__(self) -> None:
        if self.catalog is not None:
            if self.out is not None or self.sets is not None:
                raise UsageError("--catalog draws a sheet and no sets: leave out OUT and --sets, or --catalog")
            if self.photo is not None and self.photos is not None:
                raise UsageError(
                    f"--photo {self.photo} and the folder {self.photos}: one photograph is drawn on; "
                    "give one of the two"
                )
            return
        if self.photo is not None or self.judge:
            raise UsageError(f"{'--judge' if self.photo is None else '--photo'} is for --catalog SHEET.png")
        asked = {"PHOTOS": self.photos, "OUT": self.out, "--sets N": self.sets}
        missing = ", ".join(name for name, value in asked.items() if value is None)
        if missing:
            raise UsageError(f"generate needs PHOTOS OUT --sets N, or --catalog SHEET.png alone; missing: {missing}")

    @property
    def distortion_names(self) -> tuple[str, ...]:
        """The distortions to draw from; nothing for all that are trained on."""
        return _names(self.distortions)

    @property
    def families_left_out(self) -> tuple[str, ...]:
        """The families of restoration algorithms that are not drawn from."""
        return _names(self.without_families)

    @property
    def kind_weights(self) -> dict[str, float]:
        """Kind of set -> weight; nothing for the engine's own. Raises UsageError for text of another form."""
        weights = {}
        for part in self.kinds.split(",") if self.kinds else ():
            kind, _, weight = part.partition("=")
            try:
                weights[kind.strip()] = float(weight)
            except ValueError as error:
                raise UsageError(
                    f"--kinds {self.kinds}: expected KIND=WEIGHT,KIND=WEIGHT,... as in ladder=0.3,tie=1"
                ) from error
        return weights


def _names(listed: str | None) -> tuple[str, ...]:
    """The names in a text of names with commas between them."""
    return () if listed is None else tuple(name.strip() for name in listed.split(","))


def generate(options: GenerateCommandOptions) -> None:
    """Write ranked image sets from a folder of pristine photographs: tar shards, a manifest and a contact sheet.

    With --catalog SHEET.png, draw every distortion at its five severities instead: PHOTOS, OUT, --sets are not needed.
    """
    if options.catalog is not None:
        _draw_catalog(options, options.catalog)
    elif options.photos is not None and options.out is not None and options.sets is not None:
        _write_sets(options, options.photos, options.out, options.sets)


def _write_sets(options: GenerateCommandOptions, photos: str, out: str, sets: int) -> None:
    from distortion_engine.generation.generate import generate as write_sets
    from distortion_engine.generation.options import GenerateOptions
    from distortion_engine.generation.workers import Workforce
    from relational_iqa.training.data.judge import metric_judge

    asked = GenerateOptions(
        sets=sets,
        seed=options.seed,
        size_px=options.size,
        split=options.split,
        sets_per_shard=options.sets_per_shard,
        dense=options.dense,
        image_format=options.format,
        distortions=options.distortion_names,
        min_scale=options.min_scale,
        mask_share=options.mask_share,
        kinds=options.kind_weights,
        without_families=options.families_left_out,
    )
    workforce = Workforce(options.engine, options.workers, options.address)
    made = write_sets(photos, out, asked, judge=metric_judge, workforce=workforce, resume=options.resume)
    counts = ", ".join(f"{count} {kind}" for kind, count in made["kinds"].items())
    print(f"{made['sets']} ranked sets ({counts}), {made['images']} images: {full_path(out)}")
    there = f", {made['shards_found']} of them there before" if made["shards_found"] else ""
    print(f"{made['shards']} shards{there}, {made['bytes'] / 1e6:.1f} MB; {made['dropped']} sets drawn again")
    print(f"{made['photos']} photographs usable, {made['photos_skipped']} skipped")


def _draw_catalog(options: GenerateCommandOptions, sheet: str) -> None:
    from distortion_engine.generation import catalog_sheet
    from relational_iqa.training.data.judge import metric_judge

    if options.photos is not None:
        chosen = _first_usable(options.photos, options.split, catalog_sheet.TILE_PX)
    else:
        chosen = catalog_sheet.SAMPLE_PHOTO if options.photo is None else Path(options.photo)
    check_outputs([(sheet, "file")], [str(chosen)])
    judge = metric_judge if options.judge else None
    rows = catalog_sheet.draw(chosen, sheet, names=options.distortion_names, judge=judge)
    print(f"{len(rows)} distortions at five severities on {chosen.name}: {full_path(sheet)}")


def _first_usable(folder: str, split: str, side_px: int) -> Path:
    """The first photograph of a folder that can be read and has `side_px` on each side; a line for each before it."""
    from distortion_engine.reading.image_io import load_image
    from distortion_engine.reading.photos import list_photos

    photos = list_photos(folder, split)
    for path in photos:
        try:
            height, width = load_image(path).shape[-2:]
        except ImageError as error:
            reason = str(error)
        else:
            if min(height, width) >= side_px:
                return path
            reason = f"{path}: {width}x{height} px, needs {side_px} px on each side"
        print(f"skipped {printable(reason)}", file=sys.stderr, flush=True)
    raise UsageError(f"{folder}: none of {len(photos)} photographs can be used; give one with --photo FILE")
