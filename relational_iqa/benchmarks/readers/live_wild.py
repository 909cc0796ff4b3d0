"""LIVE In the Wild Image Quality Challenge: 1,162 authentic photographs (Ghadiyaram, Bovik, TIP 25(1), 2016)."""

from __future__ import annotations

import os

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import Collector, Files
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion
from relational_iqa.benchmarks.readers.matlab import variable

OPINION = Opinion("MOS", 0, 100, higher_is_better=True)
PRACTICE = 7
"""The first entries, on which people were trained; their files lie in Images/trainingImages."""
COUNT = 1162


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`Data/AllImages_release.mat`, `Data/AllMOS_release.mat` and `Images/`; no references. The seven practice images
    are left out, as their authors and everybody since do."""
    files = Files(root, "ChallengeDB_release folder, with Data/ and Images/")
    remedy = "give the folder ChallengeDB_release itself"
    names = variable(files.need("Data/AllImages_release.mat", remedy=remedy), "AllImages_release")
    scores = files.need("Data/AllMOS_release.mat", remedy=remedy)
    values = variable(scores, "AllMOS_release")
    if len(names) != len(values):
        raise UsageError(f"{scores} holds {len(values)} scores for {len(names)} names; unpack the set again")
    collector = Collector("LIVE In the Wild", files, OPINION, partial)
    for index in range(PRACTICE, len(names)):
        name = str(names[index])
        collector.add(f"Images/{name}", None, values[index], f"{scores}, entry {index + 1}", distortion="authentic")
    return collector.done((COUNT,), notes=(f"{PRACTICE} practice images left out",))
