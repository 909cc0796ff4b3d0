"""Fifty real pairs to be read aloud: `python -m experiments.words.real_pairs [--weights W] [--shared DIR] [--out DIR]`.

Outputs of denoisers and upscalers that others published (`processed/` of the shared folder), and encodes and edits of
held-out photographs as people make them. Writes sentences.md, numbered, and for each pair a picture: A, B and, where it
was given, the reference, with the boxes of the regions, and the sentence below. Whether a sentence is true of the two
pictures is for the reader to say; `experiments/NOTES.md` has what was said of ours.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from distortion_engine.errors import UsageError
from distortion_engine.reading.photos import list_photos
from experiments.evaluation import write
from relational_iqa.results.comparison import Comparison

SIDE_PX = 448
_GAP_PX, _TEXT_PX = 6, 20
_FRAME = {"a": (40, 90, 230), "b": (240, 120, 20)}  # the image that the region speaks against


@dataclass(frozen=True)
class Pair:
    """Two pictures, (H, W, 3) uint8, what they are, and the reference where it is given."""

    name: str
    a: np.ndarray
    b: np.ndarray
    reference: np.ndarray | None = None


def pairs(shared: Path) -> Iterator[Pair]:
    """All pairs, in an order that stays. Raises UsageError where the shared folder is not there."""
    if not (shared / "processed/index.csv").is_file():
        raise UsageError(f"{shared}: holds no processed/index.csv; give the shared folder by --shared")
    yield from _published(shared / "processed")
    yield from _made(list_photos(shared / "photos", "held_out"))


def _published(folder: Path) -> Iterator[Pair]:
    """Of every image of `processed`, first against last, and neighbours; every second pair has the reference."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    count = 0
    for key in dict.fromkeys((row["set"], row["image"]) for row in rows):
        own = [row for row in rows if (row["set"], row["image"]) == key]
        reference = next((row for row in own if row["role"] == "ref"), None)
        rest = [row for row in own if row is not reference]
        chosen = [(rest[0], rest[-1])] if len(rest) > 1 else []
        chosen += [(rest[1], rest[2])] if len(rest) > 3 else []
        for one, other in chosen:
            count += 1
            if count % 3 == 0 and len(rest) < 3:
                continue  # there are many pairs of noisy input and one output
            named = [row["method"] or row["role"] for row in (one, other)]
            shown = reference if count % 2 else None
            pictures = [_corner(_read(folder / row["file"])) for row in (one, other, *([shown] if shown else []))]
            yield Pair(f"{key[0]} {key[1]}: {named[0]} | {named[1]}", *pictures)


def _made(photos: Sequence[Path]) -> Iterator[Pair]:
    for number, (name, first, second) in enumerate(_EDITS):
        pixels = _corner(_read(photos[(7 * number + 3) % len(photos)]))
        rng = np.random.default_rng([41, number])
        yield Pair(name, first(pixels, rng), second(pixels, rng), pixels if number % 2 else None)


Edit = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _coded(kind: str, **options: int) -> Edit:
    def edit(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind, **options)
        return np.array(Image.open(stream).convert("RGB"))

    return edit


def _noisy(sigma: float) -> Edit:
    return lambda pixels, rng: _bytes(pixels + rng.normal(0, sigma, pixels.shape))


def _denoised(sigma: float, strength: float) -> Edit:
    def edit(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noisy = _noisy(sigma)(pixels, rng)
        smooth: np.ndarray = cv2.fastNlMeansDenoisingColored(noisy, None, strength, strength)
        return smooth

    return edit


def _enlarged(factor: float, method: int) -> Edit:
    def edit(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = pixels.shape[:2]
        small = cv2.resize(pixels, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
        large: np.ndarray = cv2.resize(small, (width, height), interpolation=method)
        return large

    return edit


def _sharpened(gain: float) -> Edit:
    return lambda pixels, rng: _bytes(pixels + gain * (pixels - cv2.GaussianBlur(pixels, (0, 0), 1.2).astype(float)))


def _gains(red: float, green: float, blue: float) -> Edit:
    return lambda pixels, rng: _bytes(pixels * np.array([red, green, blue]))


def _toned(exponent: float) -> Edit:
    return lambda pixels, rng: _bytes(255 * (pixels / 255) ** exponent)


def _equalised(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    planes[..., 0] = cv2.createCLAHE(3.0, (8, 8)).apply(planes[..., 0])
    equal: np.ndarray = cv2.cvtColor(planes, cv2.COLOR_LAB2RGB)
    return equal


def _in_part(edit: Edit) -> Edit:
    """The edit in a box of a sixth of the picture's width, in the lower left."""

    def local(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        side = pixels.shape[1] // 6
        result, box = pixels.copy(), np.s_[-2 * side : -side, side : 2 * side]
        result[box] = edit(np.ascontiguousarray(pixels[box]), rng)
        return result

    return local


def _scratched(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    ends = [tuple(int(x) for x in rng.uniform(0.1, 0.9, 2) * pixels.shape[1::-1]) for _ in range(2)]
    scratched: np.ndarray = cv2.line(pixels.copy(), ends[0], ends[1], (235, 235, 235), 2, cv2.LINE_AA)
    return scratched


def _plain(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return pixels


def _bytes(values: np.ndarray) -> np.ndarray:
    clipped: np.ndarray = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return clipped


_EDITS: tuple[tuple[str, Edit, Edit], ...] = (
    ("JPEG 30 | JPEG 70", _coded("JPEG", quality=30), _coded("JPEG", quality=70)),
    ("WebP 20 | JPEG 20", _coded("WEBP", quality=20), _coded("JPEG", quality=20)),
    ("AVIF 30 | WebP 40", _coded("AVIF", quality=30), _coded("WEBP", quality=40)),
    ("JPEG 92 | JPEG 80", _coded("JPEG", quality=92), _coded("JPEG", quality=80)),
    ("noise 12 | denoised from noise 12", _noisy(12), _denoised(12, 8)),
    ("denoised lightly | denoised strongly", _denoised(12, 6), _denoised(12, 20)),
    ("bicubic x2 | Lanczos x3", _enlarged(2, cv2.INTER_CUBIC), _enlarged(3, cv2.INTER_LANCZOS4)),
    ("nearest x2 | bicubic x2", _enlarged(2, cv2.INTER_NEAREST), _enlarged(2, cv2.INTER_CUBIC)),
    ("sharpened by 1.5 | as it is", _sharpened(1.5), _plain),
    ("as it is | sharpened by 4", _plain, _sharpened(4)),
    ("greenish | as it is", _gains(0.92, 1.06, 0.92), _plain),
    ("as it is | magenta", _plain, _gains(1.08, 0.9, 1.08)),
    ("warm | cool", _gains(1.12, 1, 0.85), _gains(0.88, 1, 1.12)),
    ("darker | brighter", _toned(1.4), _toned(0.7)),
    ("CLAHE | as it is", _equalised, _plain),
    ("as it is | scratch", _plain, _scratched),
    ("blur in a box | as it is", _in_part(lambda p, r: cv2.GaussianBlur(p, (0, 0), 2.5)), _plain),
    ("noise in a box | JPEG 60", _in_part(_noisy(20)), _coded("JPEG", quality=60)),
    ("mosaic in a box | noise 6", _in_part(_enlarged(6, cv2.INTER_NEAREST)), _noisy(6)),
    ("grey block | scratch", _in_part(lambda p, r: np.full_like(p, 128)), _scratched),
    ("as it is | JPEG 99", _plain, _coded("JPEG", quality=99, subsampling=0)),
    ("as it is | WebP lossless", _plain, _coded("WEBP", lossless=True)),
    ("JPEG 50 | JPEG 51", _coded("JPEG", quality=50), _coded("JPEG", quality=51)),
    ("JPEG 85 in 4:2:0 | in 4:4:4", _coded("JPEG", quality=85, subsampling=2),
     _coded("JPEG", quality=85, subsampling=0)),
)  # fmt: skip


def _read(path: Path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def _corner(pixels: np.ndarray) -> np.ndarray:
    """The middle of a picture, at most SIDE_PX wide and high."""
    height, width = pixels.shape[:2]
    top, left = max(0, (height - SIDE_PX) // 2), max(0, (width - SIDE_PX) // 2)
    return np.ascontiguousarray(pixels[top : top + SIDE_PX, left : left + SIDE_PX])


def sheet(pair: Pair, found: Comparison, number: int) -> Image.Image:
    """The pictures side by side, boxes around the regions on the image that is worse there, and the sentence below."""
    shown = {"a": pair.a.copy(), "b": pair.b.copy()}
    for region in found.regions[:3]:
        corner = region.left + region.width - 1, region.top + region.height - 1
        cv2.rectangle(shown[region.side], (region.left, region.top), corner, _FRAME[region.side], 2)
    pictures = [*shown.values(), *([pair.reference] if pair.reference is not None else [])]
    gap = np.full((pair.a.shape[0], _GAP_PX, 3), 255, np.uint8)
    row = np.concatenate([part for picture in pictures for part in (picture, gap)], 1)
    lines = textwrap.wrap(f"{number}. {pair.name}. {found.summary()}", max(40, row.shape[1] // 8))
    page = Image.new("RGB", (row.shape[1], row.shape[0] + _TEXT_PX * (len(lines) + 1)), "white")
    page.paste(Image.fromarray(row))
    pen = ImageDraw.Draw(page)
    for index, line in enumerate(lines):
        pen.text((2, row.shape[0] + 4 + _TEXT_PX * index), line, "black", ImageFont.load_default(15))
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes everything; exit code 0, or 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="python -m experiments.words.real_pairs", description=__doc__)
    parser.add_argument("--weights", help="other weights than the shipped ones")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with processed/ and photos/")
    parser.add_argument("--out", type=Path, default=Path("out/real_pairs"))
    options = parser.parse_args(arguments)
    import relational_iqa

    try:
        chosen = list(pairs(options.shared))
        model = relational_iqa.load(options.weights)
        options.out.mkdir(parents=True, exist_ok=True)
        listed = []
        for number, pair in enumerate(chosen, start=1):
            reference = None if pair.reference is None else _tensor(pair.reference)
            found = model.compare(_tensor(pair.a), _tensor(pair.b), reference)
            sheet(pair, found, number).save(options.out / f"{number:02}.png")
            given = "with" if pair.reference is not None else "without"
            listed.append(f"{number}. {pair.name} ({given} reference): {found.summary()}")
        write(options.out / "sentences.md", "\n".join(listed) + "\n")
    except UsageError as error:
        print(f"real pairs: {error}", file=sys.stderr)
        return 2
    print(f"{len(listed)} pairs: {options.out.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
