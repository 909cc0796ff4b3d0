"""Moments of crops and views under a frozen backbone: computed once and kept on the disk, in blocks written whole.

A run that was stopped goes on after its last block, and more chunks or draws extend what is there.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import SetArray
from distortion_engine.jobs.progress import progress
from distortion_engine.jobs.safe_files import atomic_file
from relational_iqa.networks.backbone import EfficientNetLite
from relational_iqa.networks.moment_encoder import moments_of
from relational_iqa.training.data.one_at_a_time import one_at_a_time
from relational_iqa.training.reiqa.batches import chunk_places
from relational_iqa.training.reiqa.content_views import content_views
from relational_iqa.training.reiqa.data import ContentPhotos

_BLOCK = 16  # items of a file
_LARGEST = 6e4  # of half precision
_KINDS = {"chunks": 1, "views": 2}  # for the seeds of what is drawn


def chunk_moments(
    chunks: SetArray, backbone: EfficientNetLite, patch_px: int, draws: int, seed: int, folder: Path
) -> Float16[np.ndarray, "n draws 2 rows d"]:
    """Moments of overlapping crops of every chunk, at two places.

    Args:
        chunks: (N, m, 3, R, R) uint8.
        backbone: frozen; all its stages are kept.
        patch_px: side of the crops in px.
        draws: pairs of places of each chunk.
        seed: with draw and chunk, decides the places.
        folder: where moments are kept.

    Returns:
        The two places without a swap; 2 m rows, first at full scale, then at half scale; D moments.
    """

    def make(number: int, draw: int) -> np.ndarray:
        rng = np.random.default_rng([seed, draw, number, _KINDS["chunks"]])
        first, second = chunk_places(torch.from_numpy(np.array(chunks[number])), patch_px, rng)
        return _moments(backbone, torch.cat([*first, *second])).reshape(2, 2 * len(first[0]), -1)

    about = [chunks.shape[1:], patch_px, seed, hashlib.sha256(np.ascontiguousarray(chunks[0]).tobytes()).hexdigest()]
    return _kept("chunks", make, len(chunks), draws, folder, backbone, about)


def view_moments(
    photos: ContentPhotos, backbone: EfficientNetLite, patch_px: int, draws: int, seed: int, folder: Path
) -> Float16[np.ndarray, "n draws 2 d"]:
    """Moments of two views of every photograph, `draws` times, see `content_views`.

    Args:
        photos: photographs; item n of the result belongs to `photos.photos[n]`.
        backbone: frozen; all its stages are kept.
        patch_px: side of the views in px.
        draws: pairs of views of each photograph.
        seed: with draw and photograph, decides the augmentations.
        folder: where moments are kept.
    """

    def make(number: int, draw: int) -> np.ndarray:
        photo = photos.in_order(number).float() / 255
        first, second = content_views([photo], patch_px, (seed, draw, number, _KINDS["views"]))
        return _moments(backbone, torch.cat([first, second]))

    about = [[path.name for path in photos.photos], photos.data.content_px, patch_px, seed]
    return _kept("views", make, len(photos.photos), draws, folder, backbone, about)


@torch.inference_mode()
def _moments(backbone: EfficientNetLite, images: Tensor) -> np.ndarray:
    found: np.ndarray = moments_of(backbone(images)).clamp(-_LARGEST, _LARGEST).half().numpy()
    return found


def _kept(
    kind: str,
    make: Callable[[int, int], np.ndarray],
    number: int,
    draws: int,
    folder: Path,
    backbone: EfficientNetLite,
    about: Sequence[object],
) -> np.ndarray:
    """(number, draws, ...) of what `make(item, draw)` gives, from the disk where it is there."""
    backbone.eval()
    key = hashlib.sha256(repr(about).encode())
    for value in backbone.state_dict().values():
        key.update(value.detach().cpu().contiguous().numpy().tobytes())
    path = folder / f"{kind}-{key.hexdigest()[:16]}"
    blocks = [range(first, min(number, first + _BLOCK)) for first in range(0, number, _BLOCK)]
    found = []
    with one_at_a_time(path), progress(len(blocks) * draws, f"blocks of moments of {kind}") as tick:
        for draw in range(draws):
            parts = []
            for block in blocks:
                file = path / f"{draw:03d}-{block.start:06d}.npy"
                part = _read(file, len(block))
                if part is None:
                    part = np.stack([make(item, draw) for item in block])
                    content = BytesIO()
                    np.save(content, part)
                    with atomic_file(file) as stream:
                        stream.write(content.getvalue())
                parts.append(part)
                tick()
            found.append(np.concatenate(parts))
    return np.stack(found, 1)


def _read(file: Path, length: int) -> np.ndarray | None:
    """The first `length` items of a block; None for one that is not there, or has fewer. UsageError for a damaged
    one."""
    if not file.exists():
        return None
    try:
        values: np.ndarray = np.load(file, allow_pickle=False)
        fine = values.dtype == np.float16 and bool(np.isfinite(values).all())
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        print(f"{file}: {error}", file=sys.stderr)
        fine = False
    if not fine:
        raise UsageError(f"{file}: is no block of moments; remove it, and it is made anew")
    return values[:length] if len(values) >= length else None
