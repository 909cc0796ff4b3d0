"""The table of data sets: name on the command line -> reader, and what to give as its root."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial as bound

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers import (
    agiqa3k,
    bapps,
    csiq,
    kadid10k,
    koniq10k,
    live,
    live_wild,
    pieapp,
    pipal,
    rated,
    spaq,
    tid,
)
from relational_iqa.benchmarks.readers.items import Benchmark


@dataclass(frozen=True)
class Reader:
    """read(root, partial) -> Benchmark; root: what the path has to be; about: size and kind, for people."""

    read: Callable[[str | os.PathLike[str], bool], Benchmark]
    root: str
    about: str


READERS: dict[str, Reader] = {
    "kadid10k": Reader(kadid10k.read, "folder with dmos.csv and images/", "10,125 images of 81 references"),
    "tid2013": Reader(tid.read_tid2013, "folder with mos_with_names.txt", "3,000 images of 25 references"),
    "tid2008": Reader(tid.read_tid2008, "folder with mos_with_names.txt", "1,700 images of 25 references"),
    "csiq": Reader(csiq.read, "folder with csiq.DMOS.xlsx, src_imgs/, dst_imgs/", "866 images of 30 references"),
    "live": Reader(live.read, "folder databaserelease2", "779 images of 29 references"),
    "live-wild": Reader(live_wild.read, "folder ChallengeDB_release", "1,162 photographs, no references"),
    "koniq10k": Reader(koniq10k.read, "folder with its CSV and 1024x768/", "10,073 photographs, no references"),
    "spaq": Reader(spaq.read, "folder with Annotations/ and TestImage/", "11,125 photographs, no references"),
    "pipal": Reader(pipal.read, "folder with Train_Label/ and Train_Ref/", "23,200 images of 200 references"),
    "agiqa3k": Reader(agiqa3k.read, "folder with data.csv", "2,982 generated images, no references"),
    "pieapp": Reader(pieapp.read_scores, "folder PieAPP_dataset_CVPR_2018", "600 test images of 40 references"),
    "pieapp-2afc": Reader(pieapp.read_pairs, "folder PieAPP_dataset_CVPR_2018", "judged test pairs"),
    "bapps": Reader(bapps.read, "folder 2afc/val, or one of its folders", "36k judged pairs of 64 px"),
    "csv": Reader(
        rated.read_csv, "a CSV, or a folder with scores.csv", "image,reference,score[,scene,distortion,level,deviation]"
    ),
}


def read_benchmark(
    name: str, root: str | os.PathLike[str], partial: bool = False, lower_is_better: bool = False
) -> Benchmark:
    """Reads a data set from disk.

    Args:
        name: of the data set, one of `READERS`.
        root: its folder or file.
        partial: whether an incomplete set is read as far as it is there, with a note of what is missing.
        lower_is_better: whether lower scores mean better images; for "csv" alone, the other sets know it.

    Raises:
        UsageError: for an unknown name, a wrong root, and a set that is damaged or incomplete.
    """
    if name not in READERS:
        raise UsageError(f"data set {name!r}: expected one of {', '.join(READERS)}")
    read = READERS[name].read
    if lower_is_better:
        if name != "csv":
            raise UsageError(f"{name} knows the direction of its scores; --lower-is-better is for csv")
        read = bound(rated.read_csv, lower_is_better=True)
    return read(root, partial)
