"""The maps of a comparison as one NPZ file, and back: grids as they are kept, so that a file of any image is small.

A map of twelve megapixels takes 48 MB at full size and 3 MB on the grid; `Map.full` enlarges what `load_maps` gives.
Any program enlarges a grid by `cell_px` in both directions, bilinearly, with samples in the centres of their pixels and
the border repeated (`align_corners=False` of PyTorch, `INTER_LINEAR` of OpenCV), cuts it to `shape` from the upper left
corner, and clips it to its `limit`.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, make_folder_of
from relational_iqa.results.map import Map

LACKS = "lacks_"
"""Before the name of an axis: the map of what an image has too little of beside the reference."""


class Mapped(Protocol):
    """What the files need of a `relational_iqa.Comparison`."""

    @property
    def maps(self) -> Mapping[str, Map]:
        """Axis -> map."""
        ...

    @property
    def lacks(self) -> Mapping[str, Map]:
        """Axis -> map, with a reference."""
        ...

    @property
    def local_margin(self) -> Map:
        """The map of the local margin."""
        ...

    @property
    def weight(self) -> Map:
        """The map of the weight."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Everything but the maps."""
        ...


def named_maps(result: Mapped) -> dict[str, Map]:
    """All maps of a comparison by the names that they have in files: "local_margin", "weight", the axes, and with a
    reference "lacks_sharpness" and so on."""
    lacks = {f"{LACKS}{axis}": values for axis, values in result.lacks.items()}
    return {"local_margin": result.local_margin, "weight": result.weight, **result.maps, **lacks}


def save_maps(result: Mapped, path: str | os.PathLike[str]) -> Path:
    """Writes all maps of a comparison into one compressed NPZ file and returns its path; whole or not at all.

    Its arrays:

    - one float32 (h, w) for each map, by its name (`named_maps`), h = ceil(H / cell_px), w = ceil(W / cell_px)
      or a little more; units and signs are those of `Comparison`.
    - names: the names of these maps.
    - shape: int64 (2,), height H and width W of the images, px.
    - cell_px: int64, side of a cell of the grids in px; 1 where every pixel is kept.
    - limits: float32 (n,), for each of `names`: enlarged values are clipped to [-limit, limit]; inf for none.
    - result: the JSON of the comparison, as text.

    Args:
        result: the comparison.
        path: the file to write, for example "maps.npz"; missing folders are made.

    Raises:
        UsageError: where the file cannot be written.
    """
    maps, target = named_maps(result), Path(path)
    cells = {values.cell_px for values in maps.values()}
    about = {
        "names": np.array(list(maps)),
        "shape": np.array(result.local_margin.shape, np.int64),
        "cell_px": np.array(cells.pop() if len(cells) == 1 else 1, np.int64),
        "limits": np.array([values.limit for values in maps.values()], np.float32),
        "result": np.array(json.dumps(result.to_json())),
    }
    cell_px = int(about["cell_px"])
    make_folder_of(target)
    with atomic_file(target) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, values in maps.items():  # one at a time, so that a single one is at full size at most
            _add(archive, name, values.grid if values.cell_px == cell_px else values.full())
        for name, array in about.items():
            _add(archive, name, array)
    return target


def load_maps(path: str | os.PathLike[str]) -> dict[str, Map]:
    """The maps of a file that `save_maps` wrote, by name, equal to the bit. Raises UsageError for another file."""
    try:
        with np.load(path, allow_pickle=False) as held:
            (height, width), cell_px = np.asarray(held["shape"], np.int64).tolist(), int(held["cell_px"])
            return {
                str(name): Map(np.asarray(held[str(name)], np.float32), (height, width), float(limit), cell_px)
                for name, limit in zip(held["names"], held["limits"], strict=True)
            }
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: holds no maps ({error}); expected a file that riqa compare --maps wrote") from error


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, np.ascontiguousarray(array) if array.ndim else array, allow_pickle=False)
