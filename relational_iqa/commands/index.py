"""riqa index: an index of known recipes for `riqa explain`, or a search for photographs that two folders share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from distortion_engine.reading.photos import Split
from relational_iqa.commands.common import finish, full_path, load_system
from relational_iqa.commands.options import Metavar, NonNegativeInt, Positional, PositiveInt, Writes
from relational_iqa.commands.shared_options import CropSizeOption, JsonOption, WeightsOption


@dataclass(frozen=True, kw_only=True)
class IndexOptions(CropSizeOption, WeightsOption, JsonOption):
    """Options of `riqa index`. Raises UsageError for options that do not go together."""

    photos: Annotated[str, Positional("PHOTOS")]
    """Folder of pristine photographs."""
    out: Annotated[str | None, Positional("OUT"), Writes("folder")] = None
    """Folder that the index is written to."""
    sets: Annotated[PositiveInt, Metavar("N")] = 500
    """How many ranked sets to index, four pairs each."""
    seed: Annotated[NonNegativeInt, Metavar("S")] = 0
    """Seed of the ranked sets: the same seed gives the same pairs."""
    split: Split = "train"
    """Which share of the photographs to use."""
    near_duplicates: Annotated[str | None, Metavar("OTHER")] = None
    """Writes no index; lists the photographs of PHOTOS that are in this folder as well."""
    threshold: Annotated[float | None, Metavar("COSINE")] = None
    """Similarity from which two files count as one photograph; 0.92 if not given. For --near-duplicates."""

    def __post_init__(self) -> None:
        if (self.out is None) == (self.near_duplicates is None):
            raise UsageError(
                "index needs OUT, a folder to write, or --near-duplicates OTHER, a folder to search; not both"
            )
        if self.near_duplicates is None and (self.json is not None or self.threshold is not None):
            raise UsageError("--json and --threshold belong to --near-duplicates")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise UsageError(f"--threshold {self.threshold}: a cosine, expected a number above 0 and up to 1")


def index(options: IndexOptions) -> None:
    """Index known recipes for riqa explain, or find photographs that two folders share (--near-duplicates)."""
    if options.out is None:
        _list_duplicates(options)
    else:
        _write_index(options, Path(options.out))


def _write_index(options: IndexOptions, target: Path) -> None:
    from distortion_engine.generation.usable_photos import usable_photos
    from distortion_engine.reading.photos import list_photos
    from relational_iqa.retrieval.index import index_recipes

    listed = list_photos(options.photos, options.split)
    if target.is_file():
        raise UsageError(f"{target}: is a file; give a folder to write")
    photos = [photo for photo, _ in usable_photos(listed, options.size, {}, 0)]  # which ones are left out is said there
    if not photos:
        raise UsageError(f"{options.photos}: none of {len(listed)} photographs can be used; see above")
    model = load_system("pixel_perfect", options.weights)
    made = index_recipes(model, photos, options.sets, options.size, options.seed, model.meta.get("sha256"))
    made.save(target)
    left_out = f" ({len(listed) - len(photos)} left out, see above)" if len(listed) > len(photos) else ""
    print(f"{len(made)} known pairs of {len(photos)} photographs{left_out}: {full_path(target)}")


def _list_duplicates(options: IndexOptions) -> None:
    from distortion_engine.reading.photos import list_photos
    from relational_iqa.retrieval.near_duplicates import SAME_PHOTO, near_duplicates

    others = str(options.near_duplicates)
    limit = SAME_PHOTO if options.threshold is None else options.threshold
    photos, known = list_photos(options.photos, options.split), list_photos(others, "all")
    found = near_duplicates(photos, known, limit)
    lines = [
        f"{printable(str(pair.photo))}  is like  {printable(str(pair.match))}  ({pair.similarity:.3f})"
        for pair in found
    ]
    lines.append(f"{len(found)} of {len(photos)} photographs are in {others} (similarity {limit} or more)")
    pairs = [{"photo": str(pair.photo), "match": str(pair.match), "similarity": pair.similarity} for pair in found]
    content = {"threshold": limit, "compared": [len(photos), len(known)], "duplicates": pairs}
    finish(lines, content, options.json)
