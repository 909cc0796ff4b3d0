"""Rows on stored outputs of published algorithms, which this project did not make: does the mode without a reference
say what the mode with it says?"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image
from experiments.pixel_perfect.measures import Model, share
from experiments.pixel_perfect.table import Row

INDEX = "index.csv"
LEAST_LEVELS = 0.1  # a smaller margin with the reference is no verdict
MUST_CAMERA = 13 / 15
CAMERA = "denoise_ccnoise_mcwnnm"
TITLES = {
    CAMERA: "camera noise and MCWNNM",
    "denoise_kair": "noise and learned denoisers (KAIR)",
    "sr_set5": "learned and bicubic super-resolution (Set5)",
}
_NAME = "outputs of published algorithms, without reference: the verdict of the mode with it"


@dataclass(frozen=True)
class StoredPair:
    """Margins of one pair, in levels.

    Args:
        set_name: as in the index.
        image: the photograph that both images show.
        with_reference: of the mode with a reference.
        alone: of the mode without one.
    """

    set_name: str
    image: str
    with_reference: float
    alone: float

    @property
    def agreed(self) -> bool:
        """Whether both modes say that the same image is better."""
        return self.with_reference * self.alone > 0

    @property
    def told(self) -> bool:
        """Whether the mode with a reference sees a difference that counts."""
        return abs(self.with_reference) > LEAST_LEVELS


def measure_processed(
    model: Model, folder: Path, log: Callable[[str], None] = lambda text: None
) -> list[StoredPair] | None:
    """All pairs of two versions of one image that has a reference; None where the folder has no index.

    Args:
        model: answers.
        folder: with `index.csv`, of whose columns `set`, `image`, `role` ("ref", "input" or "output") and `file` are
            read.
        log: is told what was counted.

    Raises:
        UsageError: where the index has other columns.
        ImageError: where a file of it cannot be read.
    """
    if not (folder / INDEX).is_file():
        log(f"outputs of published algorithms: left out, there is no {folder / INDEX}")
        return None
    pairs: list[StoredPair] = []
    for (set_name, image), files in _images(folder).items():
        tests = [path for role, path in files if role != "ref"]
        for reference in [path for role, path in files if role == "ref"][:1]:
            # Two images at a time are in memory.
            quality = [model.quality(load_image(test), load_image(reference)) for test in tests]
            for i, j in combinations(range(len(tests)), 2):
                alone = float(model.compare(tests[i], tests[j]).margin)
                pairs.append(StoredPair(set_name, image, quality[i] - quality[j], alone))
    log(f"outputs of published algorithms: {len(pairs)} pairs of {folder}")
    return pairs


def processed_rows(pairs: list[StoredPair] | None, folder: Path) -> list[Row]:
    """A row over all sets and one for each; without pairs one that says why."""
    if not pairs:
        return [Row(_NAME, None, note=f"left out: there is no {folder / INDEX} with pairs")]
    by_set: dict[str, list[StoredPair]] = defaultdict(list)
    for pair in pairs:
        by_set[pair.set_name].append(pair)
    rows = [_row(_NAME, pairs)]
    for name, listed in sorted(by_set.items()):
        rows.append(_row(TITLES.get(name, name), listed, MUST_CAMERA if name == CAMERA else None, part=True))
    return rows


def _row(name: str, pairs: list[StoredPair], must: float | None = None, part: bool = False) -> Row:
    by_image: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for pair in pairs:
        if pair.told:
            by_image[pair.set_name, pair.image].append(pair.agreed)
    found = share(by_image.values())
    right = sum(map(sum, by_image.values()))
    apart = f"that the mode with reference sees more than {LEAST_LEVELS:g} levels apart"
    nearer = [pair.agreed for pair in pairs if not pair.told]
    note = f"nearer ones, not counted: {sum(nearer)} of {len(nearer)}" if nearer else ""
    told = found.answers > 0
    value, spread = (found.value, found.spread) if told else (None, None)
    return Row(name, value, f"{right} of {found.answers} pairs {apart}", must, "share", spread, note, part)


def _images(folder: Path) -> dict[tuple[str, str], list[tuple[str, Path]]]:
    """By set and image: role and file of every version, in the order of the index."""
    found: dict[tuple[str, str], list[tuple[str, Path]]] = defaultdict(list)
    with open(folder / INDEX, encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = {"set", "image", "role", "file"} - set(reader.fieldnames or ())
        if missing:
            raise UsageError(f"{folder / INDEX}: has no column {', '.join(sorted(missing))}")
        for line in reader:
            found[line["set"], line["image"]].append((line["role"], folder / line["file"]))
    return found
