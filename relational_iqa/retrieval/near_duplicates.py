"""Photographs of one folder that show up in another: has a benchmark's reference been trained on?

Thumbnails need no weights and find copies that were scaled, compressed, mirrored, brightened or lightly cropped. With
Re-IQA's content encoder as `embed` the search is by content, which also finds stronger crops, and more that is alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.reading.image_io import load_image

THUMBNAIL_PX = 16
SAME_PHOTO = 0.92
"""Cosine of thumbnails from which two files are taken for one photograph; see docs/reiqa.md for how it was measured."""

_FLAT = 1e-3  # rms contrast below which a thumbnail is a flat field and looks like every other one

Embed = Callable[[Tensor], np.ndarray]


@dataclass(frozen=True)
class Duplicate:
    """photo of the first folder, match in the second, cosine similarity of their embeddings in [-1, 1]."""

    photo: Path
    match: Path
    similarity: float


def thumbnail_embedding(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] -> unit vector (768,) float32: a 16 x 16 thumbnail less its mean, so that brightness and
    contrast do not count. A flat image gives zeros, similar to nothing."""
    small = F.interpolate(image[None].float(), (THUMBNAIL_PX, THUMBNAIL_PX), mode="area")[0]
    centred = small - small.mean()
    if float(centred.square().mean().sqrt()) < _FLAT:
        return np.zeros(centred.numel(), dtype=np.float32)
    return F.normalize(centred.flatten(), dim=0).numpy()


def near_duplicates(
    photos: Sequence[Path], others: Sequence[Path], threshold: float = SAME_PHOTO, embed: Embed = thumbnail_embedding
) -> list[Duplicate]:
    """Files of `photos` that resemble one of `others`, with the most similar one; the most alike first.

    Args:
        photos: files to check. Each is compared as it is and mirrored.
        others: files to compare with. A file that is in both lists is matched like any other.
        threshold: least cosine similarity of the embeddings.
        embed: image (3, H, W) in [0, 1] -> vector.

    Raises:
        ImageError: for a file that cannot be read.
    """
    from relational_iqa.retrieval.index import build_index, search

    if not photos or not others:
        return []
    known = np.stack([_unit(embed(load_image(path))) for path in others])
    index = build_index(known, exact_limit=len(known))  # a check must not miss one
    found = []
    for path in photos:
        image = load_image(path)
        queries = np.stack([_unit(embed(view)) for view in (image, torch.flip(image, (-1,)))])
        distances, numbers = search(index, queries, 1)
        # of unit vectors: |x - y|^2 = 2 - 2 cos
        similarity = np.where(queries.any(1), 1 - distances[:, 0] ** 2 / 2, -1.0)
        best = int(similarity.argmax())
        if similarity[best] >= threshold:
            found.append(Duplicate(path, others[int(numbers[best, 0])], float(similarity[best])))
    return sorted(found, key=lambda duplicate: -duplicate.similarity)


def _unit(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
