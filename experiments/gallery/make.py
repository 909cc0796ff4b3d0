"""The gallery page of all distortions: `python -m experiments.gallery.make --out docs/gallery.md`.

One section an axis, one picture strip a distortion: five severities, then the distortion in a mask beside its truth
map. Pictures lie in a folder named after the page. Same engine, same photograph, same libraries: same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from distortion_engine import ENGINE_VERSION
from distortion_engine.catalog import AXES, Axis, Distortion
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.catalog_sheet import (
    MASKED_SEVERITY,
    SAMPLE_PHOTO,
    CatalogRow,
    by_axis,
    catalog_row,
    reference_tile,
)
from distortion_engine.generation.contact_sheet import field_colours
from distortion_engine.generation.lettering import EMPTY, FAINT, PAPER, font, write_text
from distortion_engine.jobs.safe_files import atomic_file
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.severity import LEVELS, provenance_hash

TILE_PX = 128  # seven of them fit the width of a page on GitHub, so that none is scaled
# Faint noise and banding are kept and all strips stay under 4 MB; subsampled, colour would bleed in every picture.
JPEG: dict[str, Any] = {"format": "JPEG", "quality": 82, "subsampling": 0, "optimize": True}
_GAP_PX, _LINE_PX = 4, 15


def make(page: Path, photo: Path = SAMPLE_PHOTO, names: Sequence[str] = (), tile_px: int = TILE_PX) -> list[Path]:
    """Write the page and the pictures of `names` (all when empty) on `photo`; returns the pictures, the first of which
    is the reference. Raises UsageError and ImageError before anything is written."""
    ordered = by_axis(names)
    reference = reference_tile(load_image(photo), tile_px)
    folder = page.with_suffix("")
    if page.suffix != ".md":
        raise UsageError(f"{page}: the page is Markdown; end its name in .md")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    pictures = [_write_picture(folder / "reference.jpg", _legend(reference))]
    for name in ordered:
        row = catalog_row(reference, name)
        pictures.append(_write_picture(folder / f"{name}.jpg", strip(row)))
        rows.append(row)
    with atomic_file(page) as stream:
        stream.write(_page(rows, folder.name, photo.name).encode())
    return pictures


def strip(row: CatalogRow) -> Image.Image:
    """Five tiles with severity and amount above them, the masked rendering and its map."""
    side = row.masked.shape[-1]
    picture = Image.new("RGB", (7 * side + 7 * _GAP_PX, side + 2 * _LINE_PX), PAPER)
    pen = ImageDraw.Draw(picture)
    for column, (level, cell) in enumerate(zip(LEVELS, row.cells, strict=True)):
        x = column * (side + _GAP_PX)
        if cell.image is None:
            pen.rectangle([x, 2 * _LINE_PX, x + side - 1, 2 * _LINE_PX + side - 1], fill=EMPTY)
            for line, text in enumerate(cell.note.split(": ")):
                write_text(pen, x + 2 * _GAP_PX, 2 * _LINE_PX + side // 2 + (line - 1) * _LINE_PX, text, FAINT)
            continue
        write_text(pen, x, 0, f"{level:g}" + (f", {cell.note}" if cell.note else ""), FAINT)
        write_text(pen, x, _LINE_PX, f"{cell.amount:.3g}")
        picture.paste(Image.fromarray(to_uint8(cell.image)), (x, 2 * _LINE_PX))
    last = ((row.masked, f"{row.masked_severity:.2g}, masked"), (None, "truth map"))
    for column, (image, title) in enumerate(last, len(LEVELS)):
        x = column * (side + _GAP_PX) + _GAP_PX  # a little apart: another kind of picture
        pixels = field_colours(row.field, row.valid) if image is None else to_uint8(image)
        write_text(pen, x, 0, title, FAINT)
        picture.paste(Image.fromarray(pixels), (x, 2 * _LINE_PX))
    return picture


def _legend(reference: Tensor) -> Image.Image:
    """The reference, and the colours of the maps from -1 to +1."""
    side = reference.shape[-1]
    picture = Image.new("RGB", (4 * side, side), PAPER)
    pen = ImageDraw.Draw(picture)
    picture.paste(Image.fromarray(to_uint8(reference)), (0, 0))
    left, width = side + 2 * _GAP_PX, 2 * side
    scale = np.tile(np.linspace(-1, 1, width), (_LINE_PX, 1))
    picture.paste(Image.fromarray(field_colours(scale, np.ones(scale.shape, bool))), (left, _LINE_PX))
    for place, text in ((0.0, "-1, less"), (0.5, "0"), (1.0, "+1, more")):
        shift = place * pen.textlength(text, font())
        write_text(pen, left + round(place * width - shift), 0, text)
    bare = np.zeros((_LINE_PX, _LINE_PX))
    picture.paste(Image.fromarray(field_colours(bare, bare > 0)), (left, 3 * _LINE_PX))
    write_text(pen, left + 2 * _LINE_PX, 3 * _LINE_PX, "no measurable trace")
    return picture


def _page(rows: Sequence[CatalogRow], folder: str, photo: str) -> str:
    unit = f"severity {', '.join(f'{level:g}' for level in LEVELS[:-1])} and {LEVELS[-1]:g}"
    lines = [
        "# Gallery of distortions",
        "",
        f"{len(rows)} distortions on {len({row.spec.axis for row in rows})} axes, as listed in",
        "`distortion_engine/catalog.py`. This page is generated by `python -m experiments.gallery.make` (engine",
        f"version {ENGINE_VERSION}, severity curves `{provenance_hash()}`, photograph `{photo}`).",
        "",
        f"Each strip begins with five tiles at {unit}. Above each tile stand the",
        "severity and the amount in the unit of the distortion. Tiles in the same column should look about equally",
        "bad. A grey tile stands for a severity that the distortion does not reach.",
        "",
        f"The next tile shows the distortion inside a mask, at severity {MASKED_SEVERITY:g} or at the largest severity",
        "that it reaches. The last tile is the **truth map** that the engine returns with that image: where the axis",
        "was changed, in which direction, and how far.",
        "",
        "Images are not scaled. They are stored as JPEG of high quality without chroma subsampling.",
        "",
        f"![The reference photograph and the colours of the maps]({folder}/reference.jpg)",
        "",
    ]
    for axis in AXES:
        members = [row for row in rows if row.spec.axis == axis.name]
        if members:
            lines += [f"## {axis.name}", "", f"{axis.about[0].upper()}{axis.about[1:]}. {_signs(axis, members)}", ""]
        for row in members:
            lines += _entry(row, axis, folder)
    return "\n".join(lines).rstrip() + "\n"


def _signs(axis: Axis, members: Sequence[CatalogRow]) -> str:
    words = {1: f"+ is {axis.more}", -1: f"− is {axis.less}"}
    signs = sorted({row.spec.sign for row in members}, reverse=True)
    return "; ".join(words[sign] for sign in signs) + "."


def _entry(row: CatalogRow, axis: Axis, folder: str) -> list[str]:
    spec = row.spec
    amounts = ", ".join("not reached" if cell.image is None else f"{cell.amount:.3g}" for cell in row.cells)
    return [
        f"### {spec.name}",
        "",
        f"{_direction(spec, axis)} · amount: {spec.unit} · source: {spec.source}"
        + ("" if spec.trained else " · not drawn in training"),
        "",
        f"![{spec.name} at five severities, amounts {amounts}; in a mask; its map]({folder}/{spec.name}.jpg)",
        "",
    ]


def _direction(spec: Distortion, axis: Axis) -> str:
    return f"**+ {axis.more}**" if spec.sign > 0 else f"**− {axis.less}**"


def _write_picture(path: Path, picture: Image.Image) -> Path:
    content = BytesIO()
    picture.save(content, **JPEG)
    with atomic_file(path) as stream:
        stream.write(content.getvalue())
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and write the page."""
    parser = argparse.ArgumentParser(prog="python -m experiments.gallery.make", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("docs/gallery.md"), help="the page; pictures in a folder beside"
    )
    parser.add_argument("--photo", type=Path, default=SAMPLE_PHOTO, help="pristine photograph (default: a shipped one)")
    parser.add_argument("--distortions", default="", metavar="A,B,...", help="these alone")
    options = parser.parse_args(argv)
    names = tuple(name.strip() for name in options.distortions.split(",") if name.strip())
    try:
        pictures = make(options.out, options.photo, names)
    except (ImageError, UsageError) as error:
        print(f"gallery: {error}", file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in pictures)
    print(f"{len(pictures) - 1} distortions, {size / 1e6:.2f} MB of pictures: {options.out.resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
