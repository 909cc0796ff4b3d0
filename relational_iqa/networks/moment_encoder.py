"""Encoder of an image from the moments of a backbone's stages: the experts of Re-IQA that start from ImageNet.

Mean and standard deviation of every channel over the whole image, at chosen stages; a small network on them is what the
contrast trains. While the backbone is frozen, moments of crops are computed once and kept, and training takes minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.backbone import EfficientNetLite
from relational_iqa.networks.resnet import half_scale

LARGEST_MOMENT = 8.0
"""Standardised moments are clipped here: those of odd images would drown all others."""
_LEAST_VARIANCE = 1e-8
_SHRINKAGE = 0.1
"""Share of the mean variance within pairs that is added to that of every direction: few pairs do not know all."""
_LEAST_SPREAD = 1e-4  # of a moment over images; below it, it says nothing


@dataclass(frozen=True)
class MomentSize:
    """Sizes of a `MomentEncoder` without its backbone.

    Args:
        taps: blocks of the backbone whose moments are seen, rising; -1 is the stem.
        hidden: width of the hidden layer.
    """

    taps: tuple[int, ...]
    hidden: int = 512

    def __post_init__(self) -> None:
        object.__setattr__(self, "taps", tuple(self.taps))
        if not 1 <= self.hidden <= 8192:
            raise ValueError(f"hidden is {self.hidden!r}: expected a whole number from 1 to 8192")


def moments_of(planes: list[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b _"]:
    """Of each stage the means of its channels over the image, then their standard deviations."""
    found = []
    for plane in planes:
        variance = plane.var((2, 3), correction=0).clamp_min(_LEAST_VARIANCE)
        found += [plane.mean((2, 3)), variance.sqrt()]
    return torch.cat(found, 1)


class MomentHead(nn.Module):
    """Moments (B, `inputs`) -> (B, `embedding`), as many.

    Moments are whitened by how two looks at the same thing differ, so that what the expert should not see counts for
    little (within-class covariance normalisation: Hatch, Kajarekar, Stolcke, Interspeech 2006). A residual layer on
    them is what the contrast trains; it starts at zero.

    Args:
        inputs: number of moments.
        hidden: width of the hidden layer.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.inputs = self.embedding = inputs
        last = nn.Linear(hidden, inputs)
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.offset: Tensor
        self.scale: Tensor
        self.whitening: Tensor
        self.register_buffer("offset", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.register_buffer("whitening", torch.eye(inputs))

    def standardised(self, moments: Float[Tensor, "b {self.inputs}"]) -> Float[Tensor, "b {self.inputs}"]:
        """Moments of zero mean and unit spread over the training images, clipped at LARGEST_MOMENT."""
        return ((moments - self.offset) * self.scale).clamp(-LARGEST_MOMENT, LARGEST_MOMENT)

    def forward(self, moments: Float[Tensor, "b {self.inputs}"]) -> Float[Tensor, "b {self.embedding}"]:
        whitened = self.standardised(moments) @ self.whitening
        embedding: Tensor = whitened + self.layers(whitened)
        return embedding

    @torch.no_grad()
    def calibrate(self, queries: Float[Tensor, "n {self.inputs}"], keys: Float[Tensor, "n {self.inputs}"]) -> None:
        """Sets standardisation and whitening from the moments of training pairs; row i of both shows the same."""
        both = torch.cat([queries, keys])
        self.offset.copy_(both.mean(0))
        self.scale.copy_(1 / both.std(0).clamp_min(_LEAST_SPREAD))
        apart = self.standardised(queries) - self.standardised(keys)
        values, vectors = torch.linalg.eigh((apart.T @ apart / (2 * len(apart))).double())
        values = values.clamp_min(0) + _SHRINKAGE * values.mean().clamp_min(_LEAST_VARIANCE)
        self.whitening.copy_((vectors * values.rsqrt()) @ vectors.T)


class MomentEncoder(nn.Module):
    """sRGB images (B, 3, H, W) in [0, 1] -> (B, `embedding`); with the moments themselves, (B, `features`).

    Args:
        backbone: has all of `size.taps` among its own.
        size: stages and sizes.
    """

    def __init__(self, backbone: EfficientNetLite, size: MomentSize) -> None:
        super().__init__()
        known = backbone.architecture.taps
        missing = [tap for tap in size.taps if tap not in known]
        if missing or not size.taps or list(size.taps) != sorted(set(size.taps)):
            raise ValueError(f"taps {size.taps}: expected some of the backbone's {known}, rising")
        self.backbone, self.size = backbone, size
        self._chosen = [known.index(tap) for tap in size.taps]
        inputs = 2 * sum(backbone.channels[index] for index in self._chosen)
        self.head = MomentHead(inputs, size.hidden)
        self.embedding = self.head.embedding
        self.features = inputs + self.embedding

    def moments(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b {self.head.inputs}"]:
        """Moments of the chosen stages."""
        return self.chosen(self.backbone(images, self._chosen[-1] + 1))

    def chosen(self, planes: list[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b {self.head.inputs}"]:
        """Moments of the chosen ones of the backbone's stages."""
        return moments_of([planes[index] for index in self._chosen])

    def columns(self) -> Tensor:
        """Numbers of this encoder's moments among the moments of all stages of the backbone."""
        channels = self.backbone.channels
        starts = [2 * sum(channels[:index]) for index in self._chosen]
        ends = [2 * sum(channels[: index + 1]) for index in self._chosen]
        return torch.cat([torch.arange(start, end) for start, end in zip(starts, ends, strict=True)])

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b {self.embedding}"]:
        embedding: Tensor = self.head(self.moments(images))
        return embedding

    def representation(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b {self.features}"]:
        """Standardised moments, then the embedding."""
        return self.represent(self.moments(images))

    def represent(self, moments: Float[Tensor, "b {self.head.inputs}"]) -> Float[Tensor, "b {self.features}"]:
        """The same from moments."""
        return torch.cat([self.head.standardised(moments), self.head(moments)], 1)

    def two_scales(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2*{self.features}"]:
        """`representation` at full and at half scale."""
        return torch.cat([self.representation(images), self.representation(half_scale(images))], 1)
