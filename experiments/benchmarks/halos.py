"""How wide a halo tiles need: `python -m experiments.benchmarks.halos`.

Pairs of damaged photographs are compared whole and in tiles with halos of several widths. Beyond the receptive field
tiles change nothing; this shows how little is lost before that, which `relational_iqa.tiling.tile_geometry` relies on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.catalog import AXES, DISTORTIONS
from distortion_engine.reading.image_io import load_image
from distortion_engine.reading.photos import list_photos
from distortion_engine.severity import amount_for
from relational_iqa import load
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.tiling.tile_geometry import PAIR_HALO_PX, REFERENCE_HALO_PX
from relational_iqa.tiling.tile_runner import TiledResult, TileRunner

# What is done to the whole of a, and to the right part of b: edges of regions are where tiles could go wrong.
PAIRS = (("jpeg", "gaussian_blur"), ("white_noise", "denoise"), ("contrast_down", "haze"), ("impulse_noise", "jpeg"))
HALOS_PX = {False: (96, 128, 160, PAIR_HALO_PX, 192, 240), True: (64, 96, 128, REFERENCE_HALO_PX, 192)}
SEVERITIES = (0.6, 0.35)
SIZE = (1152, 1536)  # height, width


def damaged(image: Tensor, name: str, severity: float, seed: int) -> Tensor:
    """(3, H, W) with one distortion of the engine."""
    distortion = DISTORTIONS[name]
    params = distortion.sample_params(np.random.default_rng(seed))
    return distortion.apply(image, amount_for(name, severity), torch.Generator().manual_seed(seed), **params)


@torch.inference_mode()
def table(photos: Sequence[Path], tile_px: int, weights: str | None = None) -> str:
    """Markdown: for each halo the largest differences to the whole image, over all pairs."""
    model = load(weights)
    networks = model._networks
    lines = [
        "| reference | halo, px | margin, levels | maps | mean of maps | local margin, levels |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for with_reference, halos in HALOS_PX.items():
        function = networks.both_against_on_tiles if with_reference else networks.pair_on_tiles

        def margin(tiled: TiledResult[Any], scored: bool = with_reference) -> float:
            if scored:
                return float(networks.quality(tiled.sums[0]) - networks.quality(tiled.sums[1]))
            return float(networks.verdict(tiled.sums[0]).margin)

        def maps_and_local(tiled: TiledResult[Any], scored: bool = with_reference) -> tuple[np.ndarray, np.ndarray]:
            assert tiled.maps is not None  # wanted by default
            local = tiled.maps[-2]
            if not scored:
                judged, pair = networks.verdict(tiled.sums[0]).local_factors()[0].tolist()
                local = pair * local + (judged * tiled.maps[0] if judged else 0)
            return tiled.maps[-2 - len(AXES) : -2], local

        worst = {halo: np.zeros(4) for halo in halos}
        for number, (first, second) in enumerate(PAIRS):
            photo = load_image(photos[7 * number % len(photos)])[None]
            photo = F.interpolate(photo, SIZE, mode="bicubic", antialias=True)[0].clamp(0, 1)
            a, b = damaged(photo, first, SEVERITIES[0], 1), damaged(photo, second, SEVERITIES[1], 2)
            b[..., : SIZE[1] * 2 // 5] = photo[..., : SIZE[1] * 2 // 5]
            images = [StoredImage(x, "") for x in ((a, b, photo) if with_reference else (a, b))]
            whole = TileRunner(None, SIZE[0] * SIZE[1], model.device).run(images, function, 0)
            for halo in halos:
                tiled = TileRunner(tile_px, 0, model.device).run(images, function, halo)
                pairs = zip(maps_and_local(tiled), maps_and_local(whole), strict=True)
                gap, local_gap = (np.abs(found - expected) for found, expected in pairs)
                found = abs(margin(tiled) - margin(whole)), gap.max(), gap.mean(), local_gap.max()
                worst[halo] = np.maximum(worst[halo], found)
        for halo, values in worst.items():
            cells = " | ".join(f"{value:.6f}" for value in values)
            lines.append(f"| {'with' if with_reference else 'without'} | {halo} | {cells} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"))
    parser.add_argument("--tile", type=int, default=512, help="side of the cores, px")
    parser.add_argument("--weights", help="name or path; by default those of `relational_iqa.load()`")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(table(list_photos(options.photos, "held_out"), options.tile, options.weights))


if __name__ == "__main__":
    main()
