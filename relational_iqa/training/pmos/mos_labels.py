"""Pseudo-labels of the pMOS system: the severities of the engine on the five-grade scale. No human score.

The mapping is linear from severity 0 (MOS 5) to severity 1 (MOS 1). The severity of a pixel is the 2-norm of its field
over the axes, clipped at 1. On 2,000 crops of 128 px from training sets, where several distortions meet, the mean
2-norm has the smallest bias against the mean of the conventional metrics (-.009; 1-norm +.078, 4-norm -.063, 8-norm
-.085); norms of 2 to 4 have the best rank correlation with it. The severity of an image is the mean of the metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.pmos_head import MOS_MAX, MOS_MIN
from relational_iqa.training.data.pairs import Flip, to_images

NORM = 2.0
# How often a member's thumbnail is that of its sound reference: in a large damaged image most damage is too fine to be
# left in the thumbnail, so the embedding must not be where the network looks for it.
SOUND_THUMBNAIL_SHARE = 0.5


@dataclass(frozen=True)
class Recolouring:
    """Colour augmentation: permutes the colour channels of a whole set and applies a tone curve.

    It acts on the finished images, so the place of the damage does not change, and its strength hardly does.

    Args:
        share: share of the sets that are changed, 0 to 1.
        gamma: the curve is x ** g, with g between 1 / gamma and gamma; 1 or more.

    Raises:
        UsageError: for a value out of range.
    """

    share: float = 0.0
    gamma: float = 1.25

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or not self.gamma >= 1:
            raise UsageError(f"recolour: share {self.share}, gamma {self.gamma}: expected 0 to 1, and 1 or more")

    def __call__(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """Sets (S, n + 1, 3, P, P) in [0, 1] -> the same shape and range."""
        changed = images
        for index in np.flatnonzero(rng.random(len(images)) < self.share):
            changed = changed.clone() if changed is images else changed
            exponent = float(self.gamma ** rng.uniform(-1, 1))
            changed[index] = images[index][:, torch.from_numpy(rng.permutation(3))] ** exponent
        return changed


NO_RECOLOURING = Recolouring()


class MosBatch(NamedTuple):
    """A batch of S ranked sets of a reference and n members with pseudo-labels.

    Attributes:
        images: (S, n+1, 3, P, P) in [0, 1], the reference first.
        mos: (S, n+1, 1, P/4, P/4), label of each cell.
        valid: (S, n+1, 1, P/4, P/4) in [0, 1], how far the label of a cell counts.
        image_mos: (S, n+1), label of each image.
        ranks: (S, n+1), lower is better.
        certainty: (S,), of the order by construction.
        thumbnail_of: (S, n+1), index of the member whose thumbnail is shown with each.
    """

    images: Tensor
    mos: Tensor
    valid: Tensor
    image_mos: Tensor
    ranks: Tensor
    certainty: Tensor
    thumbnail_of: Tensor


def severity_of(field: Tensor, dim: int = -3) -> Tensor:
    """Field (..., K, h, w) in [-1, 1] -> severity (..., 1, h, w) in [0, 1]: its 2-norm over the axes, cut at 1."""
    damage: Tensor = torch.linalg.vector_norm(field, NORM, dim=dim, keepdim=True).clamp(0, 1)
    return damage


def mos_of(severity: Tensor) -> Tensor:
    """Severity -> MOS, 5 for 0 and 1 for 1; a consensus beyond 1 stays 1."""
    return MOS_MAX - (MOS_MAX - MOS_MIN) * severity.clamp(0, 1)


@dataclass(frozen=True, eq=False)
class MosBatches(Dataset[MosBatch]):
    """Item n: batch n of whole sets, a function of (seed, n) alone.

    Args:
        sets: ranked sets that are drawn from.
        sets_per_batch: sets of a batch.
        seed: with n, decides what is drawn.
        recolour: colour augmentation of whole sets.
    """

    sets: StoredSets
    sets_per_batch: int
    seed: int
    recolour: Recolouring = NO_RECOLOURING

    def __getitem__(self, step: int) -> MosBatch:
        sets, number = self.sets, self.sets_per_batch
        members = sets.images.shape[1]
        rng = np.random.default_rng([self.seed, step, 3])
        index = rng.choice(len(sets), number, replace=len(sets) < number)
        flip = Flip(rng)
        fields = torch.from_numpy(sets.fields[index].astype(np.float32)) / 127
        sound = rng.random((number, members)) < SOUND_THUMBNAIL_SHARE
        return MosBatch(
            self.recolour(flip(to_images(sets.images[index])), np.random.default_rng([self.seed, step, 4])),
            flip(mos_of(severity_of(fields))),
            flip(torch.from_numpy(sets.validity[index].astype(np.float32)) / 255),
            mos_of(torch.from_numpy(sets.labels[index]).mean(-1)),
            torch.from_numpy(sets.ranks[index]),
            torch.from_numpy(sets.certainty[index]),
            torch.from_numpy(np.where(sound, 0, np.arange(members))),
        )
