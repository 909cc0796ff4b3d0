"""riqa generate: ranked image sets from pristine photographs, or a sheet that shows every distortion."""

import sys
from pathlib import Path

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.commands.common import check_outputs

SPLITS = ("all", "train", "held_out")


def generate(
    photos: str | None = None,
    out: str | None = None,
    sets: int | None = None,
    seed: int = 0,
    size: int = 256,
    split: str = "all",
    distortions: str | None = None,
    sets_per_shard: int = 64,
    format: str = "png",
    dense: bool = False,
    workers: int = 2,
    engine: str = "local",
    address: str | None = None,
    resume: str = "auto",
    catalog: str | None = None,
    photo: str | None = None,
    judge: bool = False,
    min_scale: float = 0.5,
    mask_share: float = 0.5,
    kinds: str | None = None,
) -> None:
    """Write ranked image sets from a folder of pristine photographs: tar shards, a manifest and a contact sheet.

    With --catalog SHEET.png, draw every distortion at its five severities instead: PHOTOS, OUT, --sets are not needed.
    """
    names = () if distortions is None else tuple(name.strip() for name in distortions.split(","))
    if catalog is not None:
        if out is not None or sets is not None:
            raise UsageError("--catalog draws a sheet and no sets: leave out OUT and --sets, or --catalog")
        _draw_catalog(catalog, photo, photos, split, names, judge)
        return
    if photo is not None or judge:
        raise UsageError(f"{'--judge' if photo is None else '--photo'} is for --catalog SHEET.png")
    if photos is None or out is None or sets is None:
        asked = {"PHOTOS": photos, "OUT": out, "--sets N": sets}
        missing = ", ".join(name for name, value in asked.items() if value is None)
        raise UsageError(f"generate needs PHOTOS OUT --sets N, or --catalog SHEET.png alone; missing: {missing}")

    from distortion_engine.generation.generate import generate as export
    from distortion_engine.generation.options import GenerateOptions
    from distortion_engine.generation.workers import Workforce
    from relational_iqa.training.data.judge import metric_judge

    options = GenerateOptions(
        sets, seed, size, split, sets_per_shard, dense, format, names, min_scale, mask_share, _weights(kinds)
    )
    workforce = Workforce(engine, workers, address)
    made = export(photos, out, options, judge=metric_judge, workforce=workforce, resume=resume)
    counts = ", ".join(f"{count} {kind}" for kind, count in made["kinds"].items())
    print(f"{made['sets']} ranked sets ({counts}), {made['images']} images: {Path(out).resolve()}")
    there = f", {made['shards_found']} of them there before" if made["shards_found"] else ""
    print(f"{made['shards']} shards{there}, {made['bytes'] / 1e6:.1f} MB; {made['dropped']} sets drawn again")
    print(f"{made['photos']} photographs usable, {made['photos_skipped']} skipped")


def _weights(kinds: str | None) -> dict[str, float]:
    """ "ladder=0.3,extent=0.7" as a mapping; UsageError for text of another form."""
    weights = {}
    for part in kinds.split(",") if kinds else ():
        kind, _, weight = part.partition("=")
        try:
            weights[kind.strip()] = float(weight)
        except ValueError as error:
            raise UsageError(f"--kinds {kinds}: expected KIND=WEIGHT,KIND=WEIGHT,... as in ladder=0.3,tie=1") from error
    return weights


def _draw_catalog(
    sheet: str, photo: str | None, folder: str | None, split: str, names: tuple[str, ...], judged: bool
) -> None:
    if photo is not None and folder is not None:
        raise UsageError(f"--photo {photo} and the folder {folder}: one photograph is drawn on; give one of the two")

    from distortion_engine.generation import catalog_sheet
    from relational_iqa.training.data.judge import metric_judge

    if folder is not None:
        chosen = _first_usable(folder, split, catalog_sheet.TILE_PX)
    else:
        chosen = catalog_sheet.SAMPLE_PHOTO if photo is None else Path(photo)
    check_outputs((sheet,), [str(chosen)])
    rows = catalog_sheet.draw(chosen, sheet, names=names, judge=metric_judge if judged else None)
    print(f"{len(rows)} distortions at five severities on {chosen.name}: {Path(sheet).resolve()}")


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
        print(f"skipped {reason}", file=sys.stderr, flush=True)
    raise UsageError(f"{folder}: none of {len(photos)} photographs can be used; give one with --photo FILE")


def add_options(parser: ArgumentParser) -> None:
    """The options of `generate`."""
    add = parser.add_argument
    add("photos", nargs="?", type=str, metavar="PHOTOS", help="folder of pristine photographs")
    add("out", nargs="?", type=str, metavar="OUT", help="folder to write, or to complete after a kill")
    add("--sets", type=PositiveInt, metavar="N", help="how many ranked sets")
    add("--seed", type=NonNegativeInt, default=0, metavar="S", help="same seed, same bytes")
    add("--size", type=PositiveInt, default=256, metavar="PX", help="side of the square crops")
    add("--split", choices=SPLITS, default="all", help="which share of the photographs")
    add("--distortions", type=str, metavar="A,B,...", help="draw from these alone")
    add("--sets-per-shard", type=PositiveInt, default=64, metavar="M", help="sets in a tar")
    add("--format", choices=("png", "webp", "npy"), default="png", help="lossless images, or arrays for training")
    add("--dense", action="store_true", help="write fields and validity as arrays too")
    add("--min-scale", type=PositiveFloat, default=0.5, metavar="F", help="photographs shrink by a factor from F to 1")
    add("--mask-share", type=float, default=0.5, metavar="F", help="share of steps that act on a part of the image")
    add("--kinds", type=str, metavar="K=W,...", help="weights of the kinds of sets, else the engine's own")
    add("--workers", type=NonNegativeInt, default=2, metavar="W", help="processes; same bytes for any")
    add("--engine", choices=("local", "ray"), default="local", help="this machine, or a Ray cluster (extra [ray])")
    add("--address", type=str, metavar="A", help="of the Ray cluster; else RAY_ADDRESS; else one is started here")
    add("--resume", choices=("auto", "never"), default="auto", help="complete what lies in OUT, or refuse it")
    add("--catalog", type=str, metavar="SHEET.png", help="instead, draw every distortion at its five severities")
    add("--photo", type=str, metavar="FILE", help="of --catalog; else the first of PHOTOS; else a shipped one")
    add("--judge", action="store_true", help="in --catalog, write the severity that metrics see above each image")
