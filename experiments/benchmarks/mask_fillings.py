"""What should lie outside of a mask: `python -m experiments.benchmarks.mask_fillings`.

Photographs are damaged alike everywhere and compared with a mask. What lies outside is then the best continuation of
what lies inside, so the margin with the pictures themselves is the truth; each filling, which sees the inside alone, is
held against it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.reading.image_io import load_image
from distortion_engine.reading.photos import list_photos
from experiments.benchmarks.halos import damaged
from relational_iqa import load
from relational_iqa.tiling import filled_image
from relational_iqa.tiling.filled_image import FilledImage
from relational_iqa.tiling.stored_image import StoredImage

DAMAGES = ("gaussian_blur", "white_noise", "jpeg", "contrast_down")
SIDE_PX, SEVERITY = 160, 0.5

Filling = Callable[[Tensor, Tensor], Tensor]


def masks() -> dict[str, Tensor]:
    """Name -> (3, H, W): a disc, and blobs with much border."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / SIDE_PX - 0.5
    disc = y**2 + x**2 < 0.35**2
    coarse = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 1, 7, 7)).astype(np.float32))
    blobs = F.interpolate(coarse, (SIDE_PX, SIDE_PX), mode="bicubic")[0, 0].numpy() > 0
    found = {"disc": disc, "blobs": blobs}
    return {
        name: torch.from_numpy(mask.astype(np.float32)).expand(3, -1, -1).contiguous() for name, mask in found.items()
    }


def filled(mirrored_px: int) -> Filling:
    """As `FilledImage` fills, mirrored so far."""

    def fill(image: Tensor, mask: Tensor) -> Tensor:
        before, filled_image.MIRRORED_PX = filled_image.MIRRORED_PX, mirrored_px
        try:
            return FilledImage(StoredImage(image, "image"), StoredImage(mask, "mask")).pixels()
        finally:
            filled_image.MIRRORED_PX = before

    return fill


FILLINGS: dict[str, Filling] = {
    "mirrored, then smooth": filled(filled_image.MIRRORED_PX),
    "smooth": filled(0),
    "grey": lambda image, mask: torch.where(mask > 0, image, torch.full_like(image, 0.5)),
}


@torch.inference_mode()
def table(photos: Sequence[Path], weights: str | None = None) -> str:
    """Markdown: for each filling the mean distance of margins to the truth, levels, and how often the sign is right."""
    model = load(weights)
    networks, tiler = model._networks, model._tiled.tiler
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in FILLINGS}

    def margin(a: Tensor, b: Tensor, mask: Tensor) -> float:
        images = [StoredImage(x.contiguous(), "image", counts=StoredImage(mask, "mask")) for x in (a, b)]
        (sums,) = tiler.run(images, networks.pair_on_tiles, 176, want_maps=False).sums
        return float(networks.verdict(sums).margin)

    for a, b, mask in _cases(photos):
        truth = margin(a, b, mask)
        for name, fill in FILLINGS.items():
            rows[name].append((truth, margin(fill(a, mask), fill(b, mask), mask)))
    lines = ["| outside of the mask | distance to the truth, levels | sign right |", "| --- | ---: | ---: |"]
    for name, found in rows.items():
        truths, margins = np.array(found).T
        right = (np.sign(truths) == np.sign(margins)).mean()
        lines.append(f"| {name} | {np.abs(truths - margins).mean():.2f} | {100 * right:.0f} % |")
    return "\n".join([*lines, "", f"{len(rows['grey'])} pairs, mean margin {np.abs(truths).mean():.2f} levels."])


def _cases(photos: Sequence[Path]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """a, b and a mask: a photograph, and the same damaged everywhere."""
    for photo in photos:
        image = load_image(photo)
        image = F.interpolate(image[None], (SIDE_PX, SIDE_PX), mode="area")[0]
        for number, name in enumerate(DAMAGES):
            for mask in masks().values():
                yield image, damaged(image, name, SEVERITY, number), mask


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of pristine photographs")
    parser.add_argument("--count", type=int, default=8, help="how many of them")
    parser.add_argument("--weights")
    options = parser.parse_args(argv)
    photos = list_photos(options.photos)
    print(table(photos[:: max(1, len(photos) // options.count)][: options.count], options.weights))


if __name__ == "__main__":
    main()
