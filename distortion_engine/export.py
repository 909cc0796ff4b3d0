"""`riqa generate`: ranked sets as files that people and other programs can read.

    OUT/sets/000000/reference.png, member_0.png ...   lossless, 8 bit; fields.npz with `dense`
    OUT/manifest.jsonl                                one line a set, in order of index; written last
    OUT/contact_sheet.png                             some of the sets, drawn to be checked by eye

Set i depends on (photographs, seed, i) alone, so the bytes are the same for any number of workers, and more sets only
add to fewer. A line of the manifest holds all that its pixels follow from: see `rerender`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from distortion_engine import ENGINE_VERSION
from distortion_engine.contact_sheet import SheetRow, draw_sheet, varied
from distortion_engine.dataset import GRID_MARGIN_PX, Crop, Judge, RankedSetDataset, render_set
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.image_io import MIN_SIDE_PX, load_image, save_image, to_uint8
from distortion_engine.photos import list_photos
from distortion_engine.progress import progress
from distortion_engine.recipe import RankedSet

MANIFEST_NAME = "manifest.jsonl"
SHEET_NAME = "contact_sheet.png"
SHEET_ROWS = 12


def generate(
    photos: str | os.PathLike[str],
    out: str | os.PathLike[str],
    sets: int,
    seed: int = 0,
    size_px: int = 256,
    split: str = "all",
    workers: int = 2,
    judge: Judge | None = None,
    dense: bool = False,
) -> dict[str, Any]:
    """Writes `sets` ranked sets of `size_px` squares cut from the photographs directly in `photos`.

    out: a new or empty folder. split: "train", "held_out" or "all". workers: processes that render, 0 for this one;
    the result does not depend on it. judge: drops sets whose order it clearly contradicts and is noted in the manifest.
    dense: writes `fields.npz` too, float16 `fields` (n + 1, K, S, S) and bool `validity` (n + 1, 1, S, S).

    Photographs that cannot be read, or that are too small to be cut without enlarging, are named on stderr and left
    out. Returns counts: sets, images, kinds, photos (usable), photos_skipped, dropped (sets drawn and not taken),
    seconds. Raises UsageError for options out of range, a folder without usable photographs or an `out` that is not
    empty or cannot be written; ImageError when a file cannot be written later on.
    """
    begun = time.monotonic()
    if sets < 1 or workers < 0 or size_px < MIN_SIDE_PX:
        raise UsageError(
            f"sets {sets}, workers {workers}, size {size_px} px; "
            f"expected sets >= 1, workers >= 0 and a size of {MIN_SIDE_PX} px or more"
        )
    candidates = list_photos(photos, split)
    folder = _new_folder(Path(out))
    usable = _usable_photos(candidates, size_px + GRID_MARGIN_PX, workers)
    if not usable:
        raise UsageError(
            f"{photos}: none of {len(candidates)} photographs can be used; "
            f"{size_px} px squares need sides of {size_px + GRID_MARGIN_PX} px or more"
        )
    dataset = RankedSetDataset(usable, size_px, seed, sets, judge=judge)
    lines: list[dict[str, Any]] = []
    for line in progress(_in_order(_SetWriter(dataset, folder, dense), workers), sets, "sets"):
        if "error" in line:
            raise ImageError(line["error"])
        lines.append(line)
    _save_sheet(folder / SHEET_NAME, lines, usable)
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
    _save_bytes(folder / MANIFEST_NAME, text.encode())
    return {
        "sets": len(lines),
        "images": sum(len(line["ranks"]) + 1 for line in lines),
        "kinds": dict(sorted(Counter(line["kind"] for line in lines).items())),
        "photos": len(usable),
        "photos_skipped": len(candidates) - len(usable),
        "dropped": sum(line["dropped"] for line in lines),
        "seconds": round(time.monotonic() - begun, 3),
    }


def rerender(photo: str | os.PathLike[str], line: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Images, fields and validity (see `render_set`) of one line of a manifest, from the photograph it names."""
    pixels = to_uint8(load_image(photo))
    return render_set(pixels, Crop(**line["crop"]), RankedSet.from_dict(line["recipe"]))


class _SetWriter(Dataset[dict[str, Any]]):
    """Item i: renders set i, writes its files and returns its line of the manifest, or {"error": one line}."""

    def __init__(self, dataset: RankedSetDataset, folder: Path, dense: bool) -> None:
        self.dataset, self.folder, self.dense = dataset, folder, dense

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        try:
            return self._write(index)
        except ImageError as error:  # across processes an exception would arrive with a traceback in its message
            return {"error": str(error)}
        except OSError as error:
            return {"error": f"{error.filename or self.folder}: {error.strerror or error}; check permissions and room"}

    def _write(self, index: int) -> dict[str, Any]:
        item = self.dataset[index]
        ranked: RankedSet = item["set"]
        name = f"sets/{index:06d}"
        target = self.folder / name
        target.mkdir(parents=True, exist_ok=True)
        files = ["reference.png", *(f"member_{number}.png" for number in range(len(ranked.members)))]
        for file, image in zip(files, item["images"], strict=True):
            save_image(image.float() / 255, target / file)
        if self.dense:
            files.append("fields.npz")
            _save_npz(
                target / "fields.npz",
                {"fields": item["fields"].numpy().astype(np.float16), "validity": item["validity"].numpy() > 0},
            )
        return {
            "index": index,
            "folder": name,
            "photo": item["photo"],
            "seed": self.dataset.seed,
            "kind": ranked.kind,
            "ranks": list(ranked.ranks),
            "certainty": ranked.certainty,
            "dropped": item["dropped"],
            "judge": [round(opinion, 4) for opinion in item["labels"].mean(1).tolist()] if self.dataset.judge else None,
            "crop": item["crop"].to_dict(),
            "recipe": ranked.to_dict(),
            "engine": ENGINE_VERSION,
            "sha256": {file: hashlib.sha256((target / file).read_bytes()).hexdigest() for file in files},
        }


class _PhotoCheck(Dataset[str]):
    """Item i: why photograph i cannot be used, in one line; empty where it can."""

    def __init__(self, photos: list[Path], side_px: int) -> None:
        self.photos, self.side_px = photos, side_px

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> str:
        try:
            height, width = load_image(self.photos[index]).shape[-2:]
        except ImageError as error:
            return str(error)
        if min(height, width) >= self.side_px:
            return ""
        return f"{self.photos[index]}: {width}x{height} px, needs {self.side_px} px on each side or a smaller --size"


def _usable_photos(candidates: list[Path], side_px: int, workers: int) -> list[Path]:
    usable = []
    reasons = progress(_in_order(_PhotoCheck(candidates, side_px), workers), len(candidates), "photographs")
    for photo, reason in zip(candidates, reasons, strict=True):
        if reason:
            print(f"skipped {reason}", file=sys.stderr, flush=True)
        else:
            usable.append(photo)
    return usable


def _in_order(dataset: Dataset[Any], workers: int) -> Iterator[Any]:
    """The items by index, whoever makes them. One thread each, here too: a judge's sums may depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from DataLoader(
            dataset, batch_size=None, num_workers=workers, collate_fn=_as_it_is, generator=torch.Generator()
        )
    finally:
        torch.set_num_threads(threads)


def _as_it_is(item: Any) -> Any:
    return item


def _save_sheet(path: Path, lines: list[dict[str, Any]], photos: list[Path]) -> None:
    """Draws from the manifest and the photographs alone, so that the sheet checks those too."""
    places = {photo.name: photo for photo in photos}
    rows = []
    for index in varied([line["kind"] for line in lines], SHEET_ROWS):
        line = lines[index]
        images, fields, validity = (pixels.numpy() for pixels in rerender(places[line["photo"]], line))
        title = f"set {line['index']:06d}  {line['photo']}"
        ranked = RankedSet.from_dict(line["recipe"])
        rows.append(SheetRow(title, ranked, line["judge"], images, fields, validity))
    save_image(torch.from_numpy(draw_sheet(rows)).permute(2, 0, 1).float() / 255, path)


def _new_folder(out: Path) -> Path:
    """Makes `out` unless it is there, and proves that it is empty and can be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise UsageError(f"{out}: is not empty; give a new folder, so that no old set is taken for a new one")
        probe = out / f".{os.getpid()}.partial"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"{out}: cannot be written ({error.strerror or error}); give a folder that you may write to"
        ) from error
    return out


def _save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    content = BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    _save_bytes(path, content.getvalue())


def _save_bytes(path: Path, content: bytes) -> None:
    """Atomic: the file appears complete or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        raise ImageError(
            f"{path}: cannot be written ({error.strerror or error}); check that the folder exists and has room"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
