"""Pictures of any size with the content of photographs: what the benchmark of comparisons compares."""

from pathlib import Path

import numpy as np
from PIL import Image

from distortion_engine.reading.image_io import load_image

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = (ROOT.parent / "shared" / "photos", ROOT / "tests" / "images")
_SUFFIXES = (".webp", ".png")
_ROWS = 512  # of a band


def make_pictures(folder: Path, width: int, height: int) -> None:
    """Writes reference.png (a photograph, mirrored on and on, with faint sensor noise), a.png (noisier) and b.png
    (smoothed and a little noisy) to `folder`."""
    folders = (place for place in PHOTOS if place.is_dir())
    photos = sorted(path for path in next(folders).iterdir() if path.suffix in _SUFFIXES)
    pixels = load_image(photos[0]).permute(1, 2, 0).numpy()
    rows, columns = (mirrored(length, side) for length, side in zip((height, width), pixels.shape, strict=False))
    rng = np.random.default_rng(0)
    pictures = {name: np.empty((height, width, 3), np.uint8) for name in ("reference", "a", "b")}
    for top in range(0, height, _ROWS):
        inner = rows[top : top + _ROWS]
        clean = pixels[inner][:, columns]
        clean = clean + rng.standard_normal(clean.shape, np.float32) * 0.006
        smooth = (np.roll(clean, 1, 1) + clean + np.roll(clean, -1, 1)) / 3
        noise = rng.standard_normal(clean.shape, np.float32)
        for name, values in (("reference", clean), ("a", clean + 0.03 * noise), ("b", smooth + 0.004 * noise)):
            pictures[name][top : top + _ROWS] = np.rint(values.clip(0, 1) * 255)
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png", compress_level=1)


def mirrored(length: int, side: int) -> np.ndarray:
    """Indices 0 .. side - 1 up and down again until there are `length`."""
    there_and_back = np.concatenate([np.arange(side), np.arange(side)[::-1]])
    return np.resize(there_and_back, length)
