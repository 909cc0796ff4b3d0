"""The pMOS network: encoder, thumbnail encoder and head, from an image to its maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import channels_last
from relational_iqa.networks.pmos_encoder import PmosEncoder
from relational_iqa.networks.pmos_head import MosMaps, PmosHead, ThumbnailEncoder


@dataclass(frozen=True)
class PmosArchitecture:
    """Sizes of a `PmosNetwork`.

    Args:
        width: channels of the features at 1/4 resolution.
        encoder_channels: channels of the learned first layers, 24 in the shipped distortion network.
        embedding: size of the embedding of the thumbnail.
        film: False leaves the modulation by the embedding out.
        roi: False leaves the region-of-interest weights out.
    """

    width: int = 48
    encoder_channels: int = 24
    embedding: int = 48
    film: bool = True
    roi: bool = True


class PmosNetwork(nn.Module):
    """Image (B, 3, H, W) in [0, 1], H and W multiples of 16, and thumbnails (B, 3, 96, 96) -> `MosMaps`, 1/4 grid.

    The thumbnail is the only thing that is not local; it is embedded once an image, so tiles agree with the whole.
    """

    def __init__(self, architecture: PmosArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = PmosEncoder(architecture.width, architecture.encoder_channels)
        self.thumbnail = ThumbnailEncoder(architecture.embedding)
        self.head = PmosHead(architecture.width, architecture.embedding, architecture.film, architecture.roi)
        channels_last(self)

    def forward(self, image: Float[Tensor, "b 3 h w"], thumbnails: Float[Tensor, "b 3 96 96"]) -> MosMaps:
        maps: MosMaps = self.head(self.encoder(image), self.embed(thumbnails))
        return maps

    def embed(self, thumbnails: Float[Tensor, "b 3 96 96"]) -> Float[Tensor, "b {self.architecture.embedding}"]:
        """High-level embedding of thumbnails."""
        scene: Tensor = self.thumbnail(thumbnails)
        return scene

    def thaw(self) -> PmosNetwork:
        """Marks for training everything that is in use: parts that the architecture leaves out stay frozen."""
        self.requires_grad_(True)
        if not self.architecture.film:
            self.thumbnail.requires_grad_(False)
            self.head.film.requires_grad_(False)
        if not self.architecture.roi:
            self.head.roi_local.requires_grad_(False)
            self.head.roi.requires_grad_(False)
        return self

    @torch.no_grad()
    def calibrate(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """Data-dependent scales of the fixed statistics from a first batch of images."""
        self.encoder.calibrate(images)
