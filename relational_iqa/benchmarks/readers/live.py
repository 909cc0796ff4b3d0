"""LIVE image quality assessment database, release 2: 29 references, 5 distortions (Sheikh, Sabir, Bovik, TIP 2006)."""

from __future__ import annotations

import os

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import Collector, Files
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion
from relational_iqa.benchmarks.readers.matlab import variable

OPINION = Opinion("DMOS", 0, 100, higher_is_better=False)
FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
"""In the order of the arrays; img1.bmp is the first of each."""
LISTED, DISTORTED = 982, 779


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`dmos_realigned.mat` (dmos_new, orgs) or else `dmos.mat` (dmos, orgs), `refnames_all.mat`, `refimgs/`, and the
    folders jp2k, jpeg, wn, gblur and fastfading of img1.bmp, ...

    203 of the 982 listed images are copies of the references with a DMOS of 0 by definition; they are left out, as
    they say nothing about a metric that is 0 for equal images, and lift the SRCC by about .035.
    """
    files = Files(root, "LIVE release 2 folder (databaserelease2), with dmos.mat and refnames_all.mat")
    scores = files.need(
        "dmos_realigned.mat", "dmos.mat", remedy="both are in databaserelease2.zip; the realigned one is preferred"
    )
    names = files.need("refnames_all.mat", remedy="it is in databaserelease2.zip and names the reference of each image")
    values = variable(scores, "dmos_new", "dmos")
    copies, references = variable(scores, "orgs"), variable(names, "refnames_all")
    if not len(values) == len(copies) == len(references) == LISTED:
        raise UsageError(
            f"{scores.name} lists {len(values)} scores and {len(copies)} flags, {names.name} {len(references)} names; "
            f"release 2 has {LISTED} of each: unpack databaserelease2.zip again"
        )
    collector = Collector("LIVE", files, OPINION, partial)
    index = 0
    for folder, count in FOLDERS.items():
        for image in range(1, count + 1):
            reference = str(references[index])
            if not copies[index]:
                scene = reference.rsplit(".", 1)[0]
                where = f"{scores}, entry {index + 1}"
                collector.add(f"{folder}/img{image}.bmp", f"refimgs/{reference}", values[index], where, scene, folder)
            index += 1
    return collector.done(
        (DISTORTED,),
        aligned=True,
        notes=(
            f"scores of {scores.name}",
            f"{LISTED - DISTORTED} unprocessed copies of the references left out: their DMOS is 0 by definition",
        ),
    )
