"""riqa index: an index of known recipes for `riqa explain`, or a search for photographs that two folders share."""

from pathlib import Path

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt, PositiveInt

from distortion_engine.errors import UsageError

SPLITS = ("all", "train", "held_out")


def index(
    photos: str,
    out: str | None = None,
    sets: int = 500,
    seed: int = 0,
    size: int = 256,
    split: str = "train",
    weights: str | None = None,
    near_duplicates: str | None = None,
    threshold: float | None = None,
    json: str | None = None,
) -> None:
    """Index known recipes for riqa explain, or find photographs that two folders share (--near-duplicates)."""
    if (out is None) == (near_duplicates is None):
        raise UsageError("index needs OUT, a folder to write, or --near-duplicates OTHER, a folder to search; not both")
    if near_duplicates is not None:
        _duplicates(photos, near_duplicates, split, threshold, json)
        return
    if json is not None or threshold is not None:
        raise UsageError("--json and --threshold belong to --near-duplicates")
    from distortion_engine.reading.photos import list_photos
    from relational_iqa.commands.common import load_model
    from relational_iqa.retrieval.index import index_recipes

    files = list_photos(photos, split)
    target = Path(str(out))
    if target.is_file():
        raise UsageError(f"{target}: is a file; give a folder to write")
    model = load_model(weights)
    made = index_recipes(model, files, sets, size, seed, model.meta.get("sha256"))
    made.save(target)
    print(f"{len(made)} known pairs of {len(files)} photographs: {target.resolve()}")


def _duplicates(photos: str, others: str, split: str, threshold: float | None, json: str | None) -> None:
    from distortion_engine.reading.photos import list_photos
    from relational_iqa.commands.common import finish
    from relational_iqa.retrieval.near_duplicates import SAME_PHOTO, near_duplicates

    limit = SAME_PHOTO if threshold is None else threshold
    if not 0 < limit <= 1:
        raise UsageError(f"--threshold {limit}: a cosine, expected a number above 0 and up to 1")
    files, known = list_photos(photos, split), list_photos(others, "all")
    found = near_duplicates(files, known, limit)
    lines = [f"{pair.photo}  is like  {pair.match}  ({pair.similarity:.3f})" for pair in found]
    lines.append(f"{len(found)} of {len(files)} photographs are in {others} (similarity {limit} or more)")
    pairs = [{"photo": str(d.photo), "match": str(d.match), "similarity": d.similarity} for d in found]
    finish(lines, {"threshold": limit, "compared": [len(files), len(known)], "duplicates": pairs}, json)


def add_options(parser: ArgumentParser) -> None:
    """The options of `index`."""
    add = parser.add_argument
    add("photos", type=str, metavar="PHOTOS", help="folder of pristine photographs")
    add("out", nargs="?", type=str, metavar="OUT", help="folder to write the index to")
    add("--sets", type=PositiveInt, default=500, metavar="N", help="ranked sets to index, four pairs each")
    add("--seed", type=NonNegativeInt, default=0, metavar="S", help="same seed, same pairs")
    add("--size", type=PositiveInt, default=256, metavar="PX", help="side of the square crops")
    add("--split", choices=SPLITS, default="train", help="which share of the photographs")
    add("--weights", type=str, metavar="W", help="other weights than the shipped ones")
    add("--near-duplicates", type=str, metavar="OTHER", help="instead: which PHOTOS are in this folder as well")
    add("--threshold", type=float, metavar="COSINE", help="similarity from which two files are one photograph")
    add("--json", type=str, metavar="PATH|-", help="write the duplicates as JSON, - for stdout")
