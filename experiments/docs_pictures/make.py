"""The pictures of docs/concepts.md: `python -m experiments.docs_pictures.make --out docs/concepts`.

Drawn by the engine from recipes written here, without any weights: a picture changes only when a distortion does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from distortion_engine.catalog import AXIS_INDEX
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.catalog_sheet import SAMPLE_PHOTO, reference_tile
from distortion_engine.generation.contact_sheet import field_colours
from distortion_engine.generation.lettering import FAINT, PAPER, font, write_text
from distortion_engine.jobs.safe_files import atomic_file
from distortion_engine.masks import MaskSpec
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.recipe import RESTORATION_OUTPUTS, Operation, RankedSet, Recipe, Step
from distortion_engine.render import render
from distortion_engine.severity import amount_for

TILE_PX = 128
_GAP_PX, _LINE_PX, _MARGIN_PX = 4, 16, 96
_JPEG: dict[str, Any] = {"format": "JPEG", "quality": 85, "subsampling": 0, "optimize": True}
_LEFT = MaskSpec("polygon", extent=0.45, seed=3)

# What the two images of the map picture went through: (name, axis shown, recipe).
PAIR_AXES = ("noise", "blocking")


def step(name: str, severity: float, mask: MaskSpec | None = None, seed: int = 0, **params: float) -> Step:
    """One distortion at a severity, with the amount that its curve says."""
    return Step(name, severity, amount_for(name, severity), params, mask or MaskSpec(), seed)


def examples() -> list[tuple[RankedSet, str]]:
    """A ranked set of each kind, written by hand, and what to say of it in two words."""
    patch = step("pixelate", 0.7, _LEFT)
    chain = [step("gaussian_blur", 0.5), step("desaturate", 0.5), step("white_noise", 0.5, seed=2), step("jpeg", 0.6)]
    mixed = [step("darken", 0.2), step("jpeg", 0.45), step("white_noise", 0.7, seed=4), step("displaced_patches", 0.9)]
    ladder = tuple(Recipe((step("gaussian_blur", severity),)) for severity in (0.2, 0.4, 0.6, 0.8))
    pairs = ((0.2, 0.2), (0.2, 0.4), (0.5, 0.4), (0.5, 0.8))
    dominance = tuple(Recipe((step("contrast_down", a), step("white_noise", b, seed=2))) for a, b in pairs)
    extent = tuple(Recipe((replace(patch, mask=replace(_LEFT, extent=e)),)) for e in (0.2, 0.4, 0.6, 0.9))
    restoration = tuple(Recipe(tuple(chain[: n + 1])) for n in range(4))
    ties = tuple(Recipe((step("white_noise", 0.5, seed=n),)) for n in range(4))
    noisy = Operation("white_noise", {"deviation": 0.1}, seed=5)
    algorithms = (
        (),
        (Operation("non_local_means", {"deviation": 0.1}),),
        (Operation("bm3d", {"deviation": 0.1}),),
        (
            Operation("guided", {"deviation": 0.2, "radius_px": 4}),
            Operation("unsharp_mask", {"sigma_px": 2.0, "gain": 1.5}),
        ),
    )
    outputs = tuple(Recipe(operations=(noisy, *algorithm)) for algorithm in algorithms)
    order = (0, 1, 2, 3)
    return [
        (RankedSet("ladder", ladder, order), "one distortion, rising"),
        (RankedSet("dominance", dominance, order), "steps rise, none falls"),
        (RankedSet("extent", extent, order), "the area grows"),
        (RankedSet("restoration", restoration, order), "one step more each"),
        (RankedSet("cross_type", tuple(Recipe((one,)) for one in mixed), order, 0.8), "severities apart"),
        (RankedSet("tie", ties, (0, 0, 0, 0), 0.9), "same severity, other seed"),
        (RankedSet(RESTORATION_OUTPUTS, outputs, (0, 0, 0, 0), 0.0), "input, three denoisers"),
    ]


def draw_sets(reference: Tensor) -> Image.Image:
    """The kinds of ranked sets, a row each: the reference (3, S, S), then the members from best to worst."""
    side, rows = reference.shape[-1], examples()
    row_px = side + _LINE_PX + _GAP_PX
    picture = Image.new("RGB", (_MARGIN_PX + 5 * (side + _GAP_PX), len(rows) * row_px), PAPER)
    pen = ImageDraw.Draw(picture)
    for row, (ranked, words) in enumerate(rows):
        top = row * row_px
        kind = _wrapped(pen, ranked.kind.replace("_", " "), _MARGIN_PX - _GAP_PX)
        for line, text in enumerate(kind):
            write_text(pen, 0, top + (line + 1) * _LINE_PX, text)
        for line, text in enumerate(_wrapped(pen, words, _MARGIN_PX - _GAP_PX), start=1 + len(kind)):
            write_text(pen, 0, top + line * _LINE_PX, text, FAINT)
        images = [reference, *(render(reference, member).image for member in ranked.members)]
        titles = ["reference", *(f"rank {rank}" if ranked.certainty else "no rank" for rank in ranked.ranks)]
        for column, (image, title) in enumerate(zip(images, titles, strict=True)):
            left = _MARGIN_PX + column * (side + _GAP_PX)
            write_text(pen, left, top, title, FAINT)
            picture.paste(Image.fromarray(to_uint8(image)), (left, top + _LINE_PX))
    return picture


def pair_recipes() -> tuple[Recipe, Recipe]:
    """The two images of the map picture: A noisy in a part, B coarsely coded everywhere."""
    noise = step("white_noise", 0.8, MaskSpec("ellipse", extent=0.35, softness=0.2, seed=5), seed=1)
    return Recipe((noise,)), Recipe((step("jpeg", 0.6),))


def relation(reference: Tensor) -> tuple[list[Tensor], list[np.ndarray]]:
    """The images reference, A, B (3, S, S), and for each of PAIR_AXES the maps field(A), field(B) and their difference
    M(A, B) = field(B) - field(A), stacked (3, S, S): positive where B has more."""
    a, b = (render(reference, recipe) for recipe in pair_recipes())
    maps = []
    for axis in PAIR_AXES:
        field_a, field_b = (rendered.field[AXIS_INDEX[axis]].numpy() for rendered in (a, b))
        maps.append(np.stack([field_a, field_b, field_b - field_a]))
    return [reference, a.image, b.image], maps


def draw_maps(reference: Tensor) -> Image.Image:
    """Reference, A and B, below them the maps of two axes, and the scale of the colours."""
    images, maps = relation(reference)
    side = reference.shape[-1]
    row_px = side + _LINE_PX + _GAP_PX
    picture = Image.new("RGB", (_MARGIN_PX + 3 * (side + _GAP_PX), 3 * row_px + 2 * _LINE_PX), PAPER)
    pen = ImageDraw.Draw(picture)
    write_text(pen, 0, _LINE_PX, "images")
    tiles = [("reference", to_uint8(images[0])), ("A", to_uint8(images[1])), ("B", to_uint8(images[2]))]
    _paste_row(picture, pen, 0, tiles)
    everywhere = np.ones((side, side), bool)
    for row, (axis, stack) in enumerate(zip(PAIR_AXES, maps, strict=True), start=1):
        write_text(pen, 0, row * row_px + _LINE_PX, axis)
        titles = ("field of A", "field of B", "M(A, B) = B - A")
        tiles = [(t, field_colours(m, everywhere)) for t, m in zip(titles, stack, strict=True)]
        _paste_row(picture, pen, row * row_px, tiles)
    scale = np.tile(np.linspace(-1, 1, 3 * side), (_LINE_PX // 2, 1))
    top = 3 * row_px
    picture.paste(Image.fromarray(field_colours(scale, np.ones(scale.shape, bool))), (_MARGIN_PX, top))
    for place, text in ((0.0, "-1: A has more"), (0.5, "0: equal"), (1.0, "+1: B has more")):
        left = _MARGIN_PX + place * (3 * side - pen.textlength(text, font()))
        write_text(pen, round(left), top + _LINE_PX // 2, text)
    return picture


def make(folder: Path, photo: Path = SAMPLE_PHOTO, tile_px: int = TILE_PX) -> list[Path]:
    """Writes sets.jpg and maps.jpg into `folder`, drawn on `photo`; ImageError or UsageError for one too small."""
    reference = reference_tile(load_image(photo), tile_px)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, picture in (("sets.jpg", draw_sets(reference)), ("maps.jpg", draw_maps(reference))):
        content = BytesIO()
        picture.save(content, **_JPEG)
        with atomic_file(folder / name) as stream:
            stream.write(content.getvalue())
        paths.append(folder / name)
    return paths


def _paste_row(picture: Image.Image, pen: ImageDraw.ImageDraw, top: int, tiles: list[tuple[str, np.ndarray]]) -> None:
    for column, (title, pixels) in enumerate(tiles):
        left = _MARGIN_PX + column * (pixels.shape[1] + _GAP_PX)
        write_text(pen, left, top, title, FAINT)
        picture.paste(Image.fromarray(pixels), (left, top + _LINE_PX))


def _wrapped(pen: ImageDraw.ImageDraw, words: str, width_px: int) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font()) > width_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and write the pictures."""
    parser = argparse.ArgumentParser(prog="python -m experiments.docs_pictures.make", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/concepts"), help="folder of the pictures")
    parser.add_argument("--photo", type=Path, default=SAMPLE_PHOTO, help="pristine photograph (default: a shipped one)")
    options = parser.parse_args(argv)
    try:
        pictures = make(options.out, options.photo)
    except (ImageError, UsageError) as error:
        print(f"docs_pictures: {error}", file=sys.stderr)
        return 2
    print("\n".join(str(path.resolve()) for path in pictures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
