"""The pMOS network: encoder, embedding of the thumbnail and head, from an image to its maps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import channels_last
from relational_iqa.networks.in_parts import CELL_PX as PART_PX
from relational_iqa.networks.in_parts import in_parts
from relational_iqa.networks.pmos_encoder import (
    DECODER_REACH,
    MOS_CELL_PX,
    PmosArchitecture,
    PmosEncoder,
    StageCells,
)
from relational_iqa.networks.pmos_head import Doubt, MosMaps, Places, PmosHead, Scene, image_mos

__all__ = ["PmosArchitecture", "PmosNetwork"]


class PmosNetwork(nn.Module):
    """Image (B, 3, H, W) in [0, 1], H and W multiples of 16, and thumbnails (B, 3, THUMBNAIL_PX, THUMBNAIL_PX) ->
    `MosMaps` in cells of 8 px.

    The thumbnail is the only thing that is not local; it is seen once an image, so tiles agree with the whole.
    """

    def __init__(self, architecture: PmosArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder = PmosEncoder(architecture)
        self.scene = Scene(2 * self.encoder.late_channels, architecture.embedding)
        self.head = PmosHead(
            self.encoder.channels,
            architecture.hidden,
            self.scene.size,
            architecture.embedding,
            architecture.film,
            architecture.roi,
        )
        self.doubt = Doubt(architecture.hidden, architecture.embedding)
        channels_last(self)

    def forward(self, image: Float[Tensor, "b 3 h w"], thumbnails: Float[Tensor, "b 3 _ _"]) -> MosMaps:
        return self.places(self.encoder.see(image), self.embed(thumbnails)).maps

    def places(self, cells: StageCells, scene: Float[Tensor, "b {self.scene.size}"]) -> Places:
        """All that is said of the places of images whose stages are known. A large image goes through in parts."""

        def step(fine: Tensor, coarse: Tensor) -> tuple[Tensor, ...]:
            found: Places = self.head.places(self.encoder.decode(StageCells(fine, coarse)), scene)
            return (*found.maps, found.defects, found.hidden)

        mos, roi, defects, hidden = in_parts(step, cells, PART_PX // MOS_CELL_PX, margin=DECODER_REACH)
        return Places(MosMaps(mos, roi), defects, hidden)

    def embed(self, thumbnails: Float[Tensor, "b 3 _ _"]) -> Float[Tensor, "b {self.scene.size}"]:
        """High-level embedding of thumbnails."""
        scene: Tensor = self.scene(self.encoder.late(thumbnails))
        return scene

    def doubt_of(self, places: Places, scene: Float[Tensor, "b {self.scene.size}"]) -> Float[Tensor, " b"]:
        """How far the scores of whole images may be off, in grades; what it sees is not trained by it."""
        weight = places.maps.roi / places.maps.roi.sum((2, 3), keepdim=True)
        hidden = (weight * places.hidden).sum((2, 3)).detach()
        doubt: Tensor = self.doubt(hidden, self.head.scene_of(scene).detach(), image_mos(places.maps).detach())
        return doubt

    def thaw(self, backbone: bool = True, fitted: bool = True) -> PmosNetwork:
        """Marks for training everything that is in use: parts that the architecture leaves out stay frozen, and so do
        the backbone and the linear parts of the head if they are to be left as they are."""
        self.requires_grad_(True)
        self.encoder.stages.requires_grad_(backbone)
        self.head.fitted.requires_grad_(fitted)
        self.head.fitted_scene.requires_grad_(fitted)
        if not self.architecture.film:
            self.scene.requires_grad_(False)
            self.head.film.requires_grad_(False)
            self.head.fitted_scene.requires_grad_(False)
        if not self.architecture.roi:
            self.head.roi.requires_grad_(False)
        return self

    @torch.no_grad()
    def calibrate(self, cells: StageCells, late: Float[Tensor, "b {2*self.encoder.late_channels}"]) -> None:
        """Data-dependent scales of what the backbone says, from a first batch of images."""
        self.encoder.calibrate(cells)
        self.scene.calibrate(late)
