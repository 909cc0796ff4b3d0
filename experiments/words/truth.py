"""Whether what is said is true: `python -m experiments.words.truth [--weights W] [--photos PHOTOS] [--out DIR]`.

Held-out photographs are edited by Pillow, OpenCV, SciPy, NumPy and real codecs, never by the engine, and the model is
asked about original and edited image, with the original as the reference and without. Writes table.md and result.json,
sentences.csv with every sentence, sentences.md with those of every manipulation, and with `--pictures` a picture of
every failure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from distortion_engine.errors import UsageError
from distortion_engine.reading.photos import list_photos
from experiments.evaluation import Log, Outcome, evaluation_parser, outcome_of_rows, positive, run_evaluation, write
from experiments.words.catalog import MANIPULATIONS
from experiments.words.listing import page_of_sentences, table_of_pairs, write_pictures
from experiments.words.manipulation import Manipulation
from experiments.words.measurement import measure
from experiments.words.rows import truth_rows

SEED = 20264
_SMALL_PHOTOS = Path(__file__).parents[2] / "tests/images"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes everything; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    import relational_iqa

    manipulations = _chosen(options.only)
    photos = _photos(options.photos, log)
    model = relational_iqa.load(options.weights)
    log(f"{len(photos)} photographs, {len(manipulations)} manipulations, weights {model.meta.get('name')}")
    cases, left_out = measure(model, photos, manipulations, options.each, options.crop, SEED, log)
    write(options.out / "sentences.csv", table_of_pairs(cases))
    write(options.out / "sentences.md", page_of_sentences(cases))
    if options.pictures:
        written = write_pictures(cases, options.out / "pictures")
        log(f"{len(written)} pictures of failures in {options.out / 'pictures'}")
    about = {
        "weights": {key: model.meta.get(key) for key in ("name", "sha256")},
        "photos": [photo.name for photo in photos],
        "manipulations": [one.name for one in manipulations],
        "each": options.each,
        "crop_px": options.crop,
        "seed": SEED,
        "left_out": left_out,
    }
    failures = [
        {"manipulation": case.manipulation.name, "photo": case.photo, "failures": case.failures}
        for case in cases
        if case.failures
    ]
    return outcome_of_rows(truth_rows(cases, left_out), about=about, failures=failures)


def _chosen(names: str | None) -> list[Manipulation]:
    """Those whose names contain one of the given words, all without words."""
    if names is None:
        return list(MANIPULATIONS.values())
    words = [word.strip().lower() for word in names.split(",")]
    for word in words:
        if not any(word in name.lower() for name in MANIPULATIONS):
            raise UsageError(f"no manipulation has {word!r} in its name; expected a part of {', '.join(MANIPULATIONS)}")
    return [one for name, one in MANIPULATIONS.items() if any(word in name.lower() for word in words)]


def _photos(folder: Path | None, log: Log) -> list[Path]:
    """Held-out photographs of a folder; by default the shared ones, or where they are absent those of the tests."""
    shared = Path("../shared/photos")
    if folder is None and not shared.is_dir():
        log(f"{shared} is absent: using {_SMALL_PHOTOS}, which are training photographs")
        return list_photos(_SMALL_PHOTOS, "all")
    return list_photos(shared if folder is None else folder, "held_out")


def _parser() -> argparse.ArgumentParser:
    parser = evaluation_parser("words", __doc__)
    parser.prog = "python -m experiments.words.truth"
    parser.set_defaults(out=Path("out/words"), photos=None)
    parser.add_argument("--each", type=positive, default=8, metavar="N", help="photographs for each manipulation")
    parser.add_argument("--crop", type=positive, default=256, metavar="PX", help="side of the crops")
    parser.add_argument("--only", metavar="WORD,...", help="manipulations with one of these in their names")
    parser.add_argument("--pictures", action="store_true", help="a picture of every case that fails")
    return parser


if __name__ == "__main__":
    sys.exit(main())
