"""Pseudo-labels of the pMOS system: the severities of the engine on the five-grade scale. No human score.

The mapping is linear from severity 0 (MOS 5) to severity 1 (MOS 1). The severity of a pixel is the 2-norm of its field
over the axes, clipped at 1. On 2,000 crops of 128 px from training sets, where several distortions meet, the mean
2-norm has the smallest bias against the mean of the conventional metrics (-.009; 1-norm +.078, 4-norm -.063, 8-norm
-.085); norms of 2 to 4 have the best rank correlation with it. The severity of an image is the mean of the metrics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.pmos_encoder import MOS_CELL_PX
from relational_iqa.networks.pmos_head import MOS_MAX, MOS_MIN
from relational_iqa.training.losses.ranked_sets import AGREEMENT_MARGIN, order_by_construction

NORM = 2.0
# How often a member's thumbnail is that of its sound reference: in a large damaged image most damage is too fine to be
# left in the thumbnail, so the embedding must not be where the network looks for it.
SOUND_THUMBNAIL_SHARE = 0.5


class MosLabels(NamedTuple):
    """Pseudo-labels of S ranked sets of a reference and n members.

    Attributes:
        mos: (S, n+1, 1, P/8, P/8), label of each cell.
        defects: (S, n+1, 2 K, P/8, P/8), severity of more, then of less of each axis, in [0, 1].
        valid: (S, n+1, 1, P/8, P/8) in [0, 1], how far the labels of a cell count.
        image_mos: (S, n+1), label of each image.
        disagreement: (S, n+1), standard deviation of the metrics whose mean that is, in grades.
        order: (S, n+1, n+1), 1 where the first is better than the second for certain.
    """

    mos: Tensor
    defects: Tensor
    valid: Tensor
    image_mos: Tensor
    disagreement: Tensor
    order: Tensor


def severity_of(field: Tensor, dim: int = -3) -> Tensor:
    """Field (..., K, h, w) in [-1, 1] -> severity (..., 1, h, w) in [0, 1]: its 2-norm over the axes, cut at 1."""
    damage: Tensor = torch.linalg.vector_norm(field, NORM, dim=dim, keepdim=True).clamp(0, 1)
    return damage


def mos_of(severity: Tensor) -> Tensor:
    """Severity -> MOS, 5 for 0 and 1 for 1; a consensus beyond 1 stays 1."""
    return MOS_MAX - (MOS_MAX - MOS_MIN) * severity.clamp(0, 1)


def labels_of(sets: StoredSets, index: np.ndarray) -> MosLabels:
    """The pseudo-labels of the sets of these numbers."""
    fields = torch.from_numpy(sets.fields[index].astype(np.float32)) / 127
    valid = torch.from_numpy(sets.validity[index].astype(np.float32)) / 255
    side = sets.images.shape[-1] // MOS_CELL_PX
    signed = _in_cells(torch.cat([fields.clamp_min(0), (-fields).clamp_min(0)], 2), side)
    metrics = torch.from_numpy(sets.labels[index])
    order = order_by_construction(torch.from_numpy(sets.ranks[index]), torch.from_numpy(sets.certainty[index]))
    apart = metrics[:, None, :] - metrics[:, :, None]  # loss of quality of j minus that of i
    agreed = (apart > AGREEMENT_MARGIN).all(-1).float() * (order.transpose(1, 2) == 0)
    return MosLabels(
        mos_of(_in_cells(severity_of(fields), side)),
        signed,
        _in_cells(valid, side),
        mos_of(metrics.mean(-1)),
        metrics.std(-1, correction=min(1, metrics.shape[-1] - 1)) * (MOS_MAX - MOS_MIN),
        torch.maximum(order, agreed),
    )


def mirrored(labels: MosLabels) -> MosLabels:
    """The labels of the same images with left and right exchanged."""
    maps = (labels.mos.flip(-1), labels.defects.flip(-1), labels.valid.flip(-1))
    return MosLabels(*maps, labels.image_mos, labels.disagreement, labels.order)


def _in_cells(values: Tensor, side: int) -> Tensor:
    """(S, n, c, h, w) -> means in `side` x `side` cells."""
    step = values.shape[-1] // side
    means: Tensor = F.avg_pool2d(values.flatten(0, 1), step)
    return means.view(*values.shape[:3], side, side)
