"""Experts of Re-IQA on the stages of a backbone: options, the networks as a run starts, and their stages on kept
moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import SetArray
from relational_iqa.networks.backbone import EfficientNetLite, random_weights
from relational_iqa.networks.moment_encoder import MomentEncoder, MomentSize
from relational_iqa.storage.backbone_weights import load_backbone_weights
from relational_iqa.training.reiqa.data import ContentPhotos, ReIQAData, photos_of_chunks, stored_chunks
from relational_iqa.training.reiqa.kept_moments import chunk_moments, view_moments
from relational_iqa.training.reiqa.moment_batches import ContentMoments, QualityMoments, crops_of_photos
from relational_iqa.training.reiqa.stage import check_crops_fit

QUALITY_TAPS = (-1, 0, 2, 4, 7, 10)
_PAIRS_TO_START = 9600  # that a head is calibrated to
_PHOTOS_TO_START = 8  # photographs that random weights are scaled on


@dataclass(frozen=True)
class BackboneRun:
    """An EfficientNet-Lite whose stages give the moments that an expert sees.

    Args:
        weights: name of shipped weights or a file of `experiments.backbone.adopt`; empty for random ones.
        taps: blocks whose moments are seen, rising; -1 is the stem.
        hidden: width of the hidden layer.
        fine_tune: whether the backbone is trained, too. Else moments are computed once and kept.
        draws: how often crops of a chunk, or views of a photograph, are drawn and kept.
        crop_share: of the content expert's looks at a photograph, the share that are crops of distorted chunks; the
            others are its augmented views.
    """

    weights: str = "backbone-lite0"
    taps: list[int] = field(default_factory=lambda: list(QUALITY_TAPS))
    hidden: int = 512
    fine_tune: bool = False
    draws: int = 2
    crop_share: float = 0.5

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise UsageError(f"backbone option draws is {self.draws}: it must be 1 or more")
        if not 0 <= self.crop_share <= 1:
            raise UsageError(f"backbone option crop_share is {self.crop_share}: it must be in [0, 1]")


def start_backbone(run: BackboneRun, photos: ContentPhotos, seed: int) -> EfficientNetLite:
    """The backbone as a run starts: of a file, or random and scaled on a few photographs."""
    if run.weights:
        return load_backbone_weights(run.weights)[0]
    backbone = EfficientNetLite()
    found = [photos.in_order(number % len(photos.photos)) for number in range(_PHOTOS_TO_START)]
    side = min(min(photo.shape[-2:]) for photo in found)
    images = torch.stack([photo[:, :side, :side] for photo in found]).float() / 255
    random_weights(backbone, images, seed)
    return backbone.eval()


def start_encoder(run: BackboneRun, backbone: EfficientNetLite, seed: int) -> MomentEncoder:
    """An expert as a run starts. UsageError for stages or sizes that cannot be."""
    torch.manual_seed(seed)
    try:
        encoder = MomentEncoder(backbone, MomentSize(tuple(run.taps), run.hidden))
    except ValueError as error:
        raise UsageError(f"backbone: {error}") from error
    encoder.backbone.requires_grad_(run.fine_tune)
    return encoder


@dataclass(frozen=True)
class MomentSource:
    """Where the kept moments of a frozen backbone come from.

    Args:
        photos: photographs.
        data: options of the chunks, which must be stored ones.
        patch_px: side of the crops of chunks in px.
        draws: pairs of crops of each chunk.
        seed: decides what is drawn.
    """

    photos: list[Path]
    data: ReIQAData
    patch_px: int
    draws: int
    seed: int

    @cached_property
    def _stored(self) -> SetArray:
        return stored_chunks(self.data, self.photos)

    def chunks(self, backbone: EfficientNetLite) -> np.ndarray:
        """See `chunk_moments`."""
        if not self.data.chunks:
            raise UsageError("data.chunks is 0: a frozen backbone is trained on stored chunks; give their number")
        check_crops_fit(self.data, self.patch_px)
        folder = Path(self.data.cache_dir)
        return chunk_moments(self._stored, backbone, self.patch_px, self.draws, self.seed, folder)

    def quality(self, encoder: MomentEncoder, chunks_per_batch: int, seed: int) -> QualityMoments:
        """Batches of the quality expert, to whose training moments its head is calibrated."""
        chunks, columns = self.chunks(encoder.backbone), encoder.columns().numpy()
        batches = QualityMoments(chunks, columns, chunks_per_batch, seed)
        return _calibrated(encoder, batches, chunks_per_batch * chunks.shape[3])

    def content(
        self, encoder: MomentEncoder, run: BackboneRun, patch_px: int, batch_size: int, seed: int
    ) -> ContentMoments:
        """Batches of the content expert, to whose training moments its head is calibrated.

        Args:
            encoder: the expert.
            run: its options.
            patch_px: side of its augmented views in px.
            batch_size: photographs of a batch.
            seed: decides the augmentations and what is drawn.
        """
        columns = encoder.columns().numpy()
        folder, photos = Path(self.data.cache_dir), ContentPhotos(self.photos, self.data)
        views = view_moments(photos, encoder.backbone, patch_px, run.draws, seed, folder)
        views = views.reshape(len(views), -1, views.shape[-1])
        crops_of = [np.zeros(0, np.int64)] * len(views)
        crops = np.zeros((0, views.shape[-1]), np.float16)
        if run.crop_share > 0:
            chunks = self.chunks(encoder.backbone)
            photo_of_chunk = photos_of_chunks(self.data, self.photos)
            crops_of = crops_of_photos(self.photos, photo_of_chunk, int(np.prod(chunks.shape[1:4])))
            crops = chunks.reshape(-1, chunks.shape[-1])
        batches = ContentMoments(views, crops, crops_of, columns, run.crop_share, batch_size, seed)
        return _calibrated(encoder, batches, batch_size)


_Batches = TypeVar("_Batches", QualityMoments, ContentMoments)


def _calibrated(encoder: MomentEncoder, batches: _Batches, rows: int) -> _Batches:
    """The batches, after the head was calibrated to the pairs of the first of them."""
    pairs = [batches[number] for number in range(-(-_PAIRS_TO_START // rows))]
    encoder.head.calibrate(torch.cat([batch.queries for batch in pairs]), torch.cat([batch.keys for batch in pairs]))
    return batches
