"""AGIQA-3K: 2,982 generated images, rated for quality and for alignment with the prompt (Li et al., TCSVT 2023)."""

from __future__ import annotations

import os

from relational_iqa.benchmarks.readers.files import Collector, Files, table
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion

OPINION = Opinion("MOS (mos_quality)", 0, 5, higher_is_better=True)
COUNT = 2982
FOLDERS = ("", "images", "AGIQA-3K")


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`data.csv` (name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align) beside the images; no
    references. A scene is a prompt (so that splits keep prompts apart; its images do not match pixel by pixel), a
    distortion is the generator, the first word of the file name."""
    files = Files(root, "AGIQA-3K folder, with data.csv and the images")
    path = files.need("data.csv", remedy="it is distributed beside the archive of the images; put it here")
    collector = Collector("AGIQA-3K", files, OPINION, partial)
    rows = table(path, ("name", "prompt", "mos_quality"), "the data.csv of AGIQA-3K")
    folder = next((f for f in FOLDERS if rows and files.find(f, rows[0][1]["name"]) is not None), "")
    for where, row in rows:
        scene = " ".join(f"{row['prompt']} {row.get('adj1', '')} {row.get('adj2', '')} {row.get('style', '')}".split())
        image = f"{folder}/{row['name']}" if folder else row["name"]
        generator = row["name"].split("_")[0]
        collector.add(image, None, row["mos_quality"], where, scene, generator, deviation=row.get("std_quality"))
    return collector.done((COUNT,))
