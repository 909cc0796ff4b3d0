"""The two stages of Re-IQA: MoCo-v2 on chunks of distortions (quality) and on augmented photographs (content)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from distortion_engine.errors import UsageError
from relational_iqa.networks.moment_encoder import MomentEncoder
from relational_iqa.networks.reiqa import MomentumContrast
from relational_iqa.training.reiqa.batches import ContentBatches, QualityBatches, ViewBatch
from relational_iqa.training.reiqa.data import ChunkImages, ContentPhotos, ReIQAData, stored_chunks
from relational_iqa.training.reiqa.moment_batches import ContentMoments, QualityMoments
from relational_iqa.training.reiqa.overlap_crops import largest_window


@dataclass(frozen=True)
class ContrastConfig:
    """Options of MoCo-v2.

    Args:
        patch_px: side of the crops in px.
        queue: keys of earlier batches that are kept as negatives.
        momentum: momentum of the key encoder, in [0, 1).
        temperature: temperature of InfoNCE.
        groups: parts of a batch with batch statistics of their own, see `MomentumContrast`.
        queue_weight: for how many negatives each key of the queue counts.
    """

    patch_px: int = 160
    queue: int = 65536
    momentum: float = 0.999
    temperature: float = 0.2
    groups: int = 8
    queue_weight: float = 1.0


class _MocoStage:
    """What the two stages share."""

    name = ""

    def __init__(self, model: MomentumContrast, items_per_batch: int) -> None:
        self.model = model
        self.items_per_batch = items_per_batch

    @property
    def batches(self) -> Dataset[ViewBatch]:
        """Item n is batch n, a function of the seeds and n."""
        raise NotImplementedError

    def calibrate(self, batch: ViewBatch) -> None:
        """A head on moments that are computed as it is trained starts from those of the first batch. All others start
        from their own initial values."""
        for part in (self.model.query, self.model.key):
            encoder = part[0]
            if isinstance(encoder, MomentEncoder):
                with torch.no_grad():
                    encoder.head.calibrate(encoder.moments(batch.queries), encoder.moments(batch.keys))

    def loss(self, model: nn.Module, batch: ViewBatch, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `MomentumContrast`."""
        family = batch.family if len(batch.family) else None
        loss: tuple[Tensor, Mapping[str, Tensor | float]] = model(batch.queries, batch.keys, family)
        return loss

    def panels(self, batch: ViewBatch) -> Mapping[str, Tensor]:
        """Eight queries above their keys, where they are images."""
        if batch.queries.ndim != 4:
            return {}
        return {"views": torch.cat([torch.cat(list(views[:8]), -1) for views in (batch.queries, batch.keys)], -2)}


class MomentStage(_MocoStage):
    """Trains the head of an encoder on kept moments (see `Stage`).

    Args:
        name: "quality" or "content".
        model: the head inside its objective.
        batches: of moments.
        items_per_batch: pairs of a batch.
    """

    def __init__(
        self, name: str, model: MomentumContrast, batches: QualityMoments | ContentMoments, items_per_batch: int
    ) -> None:
        super().__init__(model, items_per_batch)
        self.name, self._batches = name, batches

    @property
    def batches(self) -> QualityMoments | ContentMoments:
        """See there."""
        return self._batches


class QualityStage(_MocoStage):
    """Trains the quality encoder (see `Stage`). A chunk of m versions at two scales gives 2 m pairs of crops.

    Args:
        model: encoder inside its objective.
        photos: pristine photographs.
        data: options of the chunks.
        batch_size: pairs of crops of a batch; rounded down to whole chunks, one or more.
        patch_px: side of the crops in px.
        seed: with the number of a batch, decides what is drawn.

    Raises:
        UsageError: for `data.region_px` that is too small for crops of `patch_px` at half scale.
    """

    name = "quality"

    def __init__(
        self,
        model: MomentumContrast,
        photos: Sequence[Path],
        data: ReIQAData,
        batch_size: int,
        patch_px: int,
        seed: int,
    ) -> None:
        check_crops_fit(data, patch_px)
        self.rows_per_chunk = 2 * (data.distorted + 1)
        self.chunks_per_batch = max(1, batch_size // self.rows_per_chunk)
        super().__init__(model, self.chunks_per_batch * self.rows_per_chunk)
        self.photos, self.data, self.patch_px, self.seed = photos, data, patch_px, seed

    @functools.cached_property
    def batches(self) -> QualityBatches:
        """Batches of stored chunks, which are generated at the first access, or of chunks that are rendered as they are
        needed."""
        chunks = stored_chunks(self.data, self.photos) if self.data.chunks else ChunkImages(self.photos, self.data)
        return QualityBatches(chunks, self.chunks_per_batch, self.patch_px, self.seed)


def check_crops_fit(data: ReIQAData, patch_px: int) -> None:
    """Raises UsageError for regions that are too small for crops of `patch_px` at half scale."""
    if data.region_px // 2 < largest_window(patch_px):
        raise UsageError(
            f"region_px {data.region_px} is too small for crops of {patch_px} px at half scale: "
            f"expected {2 * largest_window(patch_px)} or more"
        )


class ContentStage(_MocoStage):
    """Trains the content encoder (see `Stage`). Each photograph gives one pair of crops.

    Args:
        model: encoder inside its objective.
        photos: photographs.
        data: `content_px` and `seed` of these options are used.
        batch_size: photographs of a batch.
        patch_px: side of the crops in px.
    """

    name = "content"

    def __init__(
        self, model: MomentumContrast, photos: Sequence[Path], data: ReIQAData, batch_size: int, patch_px: int
    ) -> None:
        super().__init__(model, batch_size)
        self._batches = ContentBatches(ContentPhotos(photos, data), batch_size, patch_px, data.seed)

    @property
    def batches(self) -> ContentBatches:
        """Photographs in shuffled order, each once an epoch, for any number of epochs."""
        return self._batches
