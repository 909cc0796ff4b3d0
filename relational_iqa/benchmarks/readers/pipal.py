"""PIPAL, the 23,200 training images whose labels are public: 200 references, 116 versions each (Gu et al., ECCV 2020).

The NTIRE validation and test images are another population; they are not read here.
"""

from __future__ import annotations

import os
from pathlib import Path

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import Collector, Files, words
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion

OPINION = Opinion("Elo score", None, None, higher_is_better=True)
COUNT = 200 * 116


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`Train_Label/A0001.txt` (name,Elo a line), `Train_Ref/A0001.bmp`, and images A0001_00_00.bmp (reference_type_
    version) in any folder below the root: the set comes in four archives, unpacked as Distortion_1 to 4 or into one."""
    files = Files(root, "PIPAL folder, with Train_Label/, Train_Ref/ and the distorted images")
    labels = files.need("Train_Label", remedy="it is in Train_Label.zip; unpack it here")
    references = files.need("Train_Ref", remedy="it is in Train_Ref.zip; unpack it here")
    if not any(labels.glob("*.txt")) and (labels / "Train_Label").is_dir():
        labels = labels / "Train_Label"  # the archive holds a folder of its own name
    if not any(references.glob("*.bmp")) and (references / "Train_Ref").is_dir():
        references = references / "Train_Ref"
    tables = sorted(labels.glob("*.txt"))
    if not tables:
        raise UsageError(f"{labels}: no label files such as A0001.txt; unpack Train_Label.zip again")
    places = {path.name: path for path in sorted(files.root.rglob("*_*_*.bmp"))}
    collector = Collector("PIPAL", files, OPINION, partial)
    for path in tables:
        for where, (name, value) in words(path, 2, "a file name and an Elo score, a label file of PIPAL"):
            parts = Path(name).stem.split("_")
            if len(parts) != 3:
                raise UsageError(f"{where}: {name!r} is no name of PIPAL; expected for example A0001_00_00.bmp")
            image = places.get(name, name)
            collector.add(image, references / f"{parts[0]}.bmp", value, where, parts[0], f"type {parts[1]}", parts[2])
    return collector.done((COUNT,), aligned=True, notes=("the public training part, not the NTIRE validation part",))
