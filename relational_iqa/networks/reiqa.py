"""The networks of Re-IQA: two encoders, one aware of quality and one of content, and the MoCo-v2 that trains each.

Saha, Mishra, Bovik, Re-IQA, CVPR 2023, arXiv:2304.00451; He et al., MoCo, arXiv:1911.05722; Chen et al., MoCo-v2,
arXiv:2003.04297. Two things differ from these papers: hard negatives are taken from the batch in addition to the queue,
so that each anchor does meet them, and batch statistics are computed in shuffled groups on one device.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from relational_iqa.networks.moment_encoder import MomentEncoder, MomentHead
from relational_iqa.networks.resnet import ResNet, half_scale, imagenet_normalised

PROJECTION = 128


EXPERT_NAMES = ("quality", "content")


@dataclass(frozen=True)
class EncoderSize:
    """Size of a ResNet that encodes; the paper uses (50, 64).

    Args:
        depth: number of layers, see `ResNet`.
        width: channels of the stem, see `ResNet`.
    """

    depth: int = 18
    width: int = 32


class ImageEncoder(nn.Module):
    """A ResNet on sRGB images (B, 3, H, W) in [0, 1] -> (B, `features`).

    Args:
        backbone: the ResNet.
        normalise: whether the mean and spread of ImageNet are normalised first. As in the paper, this is so for the
            content encoder and not for the quality encoder.
    """

    def __init__(self, backbone: ResNet, normalise: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.normalise = normalise
        self.features = self.embedding = backbone.features

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b {self.features}"]:
        features: Tensor = self.backbone(imagenet_normalised(images) if self.normalise else images)
        return features

    def two_scales(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2*{self.features}"]:
        """Features at full and at half scale."""
        return torch.cat([self(images), self(half_scale(images))], 1)


Encoder = ImageEncoder | MomentEncoder


class ReIQAEncoders(nn.Module):
    """The quality encoder and the content encoder.

    A ResNet sees the image without ImageNet normalisation for quality and with it for content, as in the paper; a
    `MomentEncoder` has a normalisation of its own. Where two of the latter have one backbone, it runs once for both.
    """

    def __init__(self, quality: ResNet | MomentEncoder, content: ResNet | MomentEncoder) -> None:
        super().__init__()
        self.quality: Encoder = ImageEncoder(quality, normalise=False) if isinstance(quality, ResNet) else quality
        self.content: Encoder = ImageEncoder(content, normalise=True) if isinstance(content, ResNet) else content

    @property
    def one_backbone(self) -> bool:
        """Whether both encoders read the stages of one and the same backbone."""
        return isinstance(self.quality, MomentEncoder) and self.quality.backbone is self.content.backbone

    def two_scales(
        self, images: Float[Tensor, "b 3 h w"], experts: Sequence[str] = EXPERT_NAMES
    ) -> Float[Tensor, "b _"]:
        """Features of each of the experts, at full and at half scale."""
        encoders = [cast(Encoder, getattr(self, name)) for name in experts]
        if len(encoders) == 1 or not self.one_backbone:
            return torch.cat([encoder.two_scales(images) for encoder in encoders], 1)
        moment_encoders = cast(list[MomentEncoder], encoders)
        scales = []
        for scaled in (images, half_scale(images)):
            planes = moment_encoders[0].backbone(scaled)
            scales.append([encoder.represent(encoder.chosen(planes)) for encoder in moment_encoders])
        return torch.cat([scale[index] for index in range(len(encoders)) for scale in scales], 1)


def encoder_size(encoder: ImageEncoder) -> EncoderSize:
    """Depth and width of a ResNet that encodes."""
    return EncoderSize(encoder.backbone.depth, encoder.backbone.width)


class MomentumContrast(nn.Module):
    """Trains `encoder` to find the key of each query among the keys of other images (MoCo-v2).

    The key encoder is updated at the start of each forward pass in training. With several processes, the keys of all of
    them enter the queue.

    Args:
        encoder: what is trained, with the length of what it gives as `embedding`.
        queue: keys of earlier batches that are kept as negatives.
        momentum: momentum of the key encoder, in [0, 1).
        temperature: temperature of InfoNCE.
        groups: parts of a batch with batch statistics of their own. Keys are shuffled over the parts, so that equal
            statistics do not reveal which key belongs to a query (shuffle-BN of MoCo, on one device).
        seed: seed of the random keys with which the queue starts.
        queue_weight: for how many negatives each key of the queue counts. 1 in the papers. Keys of the queue are of
            other photographs: those of the same distortion are pushed away like all others, so a low weight makes
            quality count for more against content.

    Raises:
        UsageError: for an option out of range.
    """

    def __init__(
        self,
        encoder: Encoder | MomentHead,
        queue: int = 65536,
        momentum: float = 0.999,
        temperature: float = 0.2,
        groups: int = 1,
        seed: int = 0,
        queue_weight: float = 1.0,
    ) -> None:
        super().__init__()
        ranges = {
            "queue": (queue, queue >= 1, "1 or more"),
            "momentum": (momentum, 0 <= momentum < 1, "in [0, 1)"),
            "temperature": (temperature, temperature > 0, "above 0"),
            "groups": (groups, groups >= 1, "1 or more"),
            "queue_weight": (queue_weight, queue_weight > 0, "above 0"),
        }
        for name, (value, fine, expected) in ranges.items():
            if not fine:
                raise UsageError(f"contrast option {name} is {value}: it must be {expected}")
        width = encoder.embedding
        head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, PROJECTION))
        self.query = nn.Sequential(encoder, head)
        self.key = copy.deepcopy(self.query).requires_grad_(False)
        self.momentum, self.temperature, self.groups = momentum, temperature, groups
        self.log_queue_weight = math.log(queue_weight)
        self.queue: Tensor
        self.cursor: Tensor
        noise = torch.randn(queue, PROJECTION, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("queue", F.normalize(noise, dim=1))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.long))

    def forward(
        self,
        queries: Float[Tensor, "n ..."],
        keys: Float[Tensor, "n ..."],
        family: Int[Tensor, " n"] | None = None,
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """InfoNCE of a batch of pairs, and scalars to log.

        Args:
            queries: images (3, H, W) in [0, 1], or what else the encoder takes.
            keys: the same; row i shows the image of query i.
            family: rows with the same number are versions of one photograph, and their keys are negatives of each other
                in this batch. None: the negatives are those of the queue alone.

        Returns:
            The loss, and a dictionary of scalars:
                found: share of queries whose own key is nearer than every negative.
                hard_negatives_beaten: share of queries whose own key is nearer than every key of the family; only with
                    `family`.
                similarity: mean cosine similarity of a query to its own key.
        """
        with torch.no_grad():
            if self.training:
                self.momentum_update()
            key = self._project_shuffled(keys)  # (N, d)
        query = self._project(queries)  # (N, d)
        own = (query * key).sum(1, keepdim=True)  # (N, 1)
        negatives = [query @ self.queue.clone().T]  # (N, K); a clone, because the queue moves on before backward
        parts: dict[str, Tensor] = {}
        if family is not None:
            same_family = (family[:, None] == family[None, :]).fill_diagonal_(False)
            hard_negatives = (query @ key.T).masked_fill(~same_family, -torch.inf)  # (N, N)
            negatives.append(hard_negatives)
            parts["hard_negatives_beaten"] = (own[:, 0] > hard_negatives.amax(1)).float().mean()
        logits = torch.cat([own, *negatives], 1).float() / self.temperature
        parts["found"] = (logits.argmax(1) == 0).float().mean()
        logits[:, 1 : 1 + len(self.queue)] += self.log_queue_weight
        loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
        parts["similarity"] = own.mean()
        if self.training:
            self._enqueue(_gathered(key))
        return loss, {name: value.detach() for name, value in parts.items()}

    def _project(self, images: Tensor) -> Tensor:
        parts = [self.query(part) for part in images.chunk(self.groups)]
        return F.normalize(torch.cat(parts).float(), dim=1)

    def _project_shuffled(self, images: Tensor) -> Tensor:
        order = torch.randperm(len(images)).to(images.device)
        parts = [self.key(part) for part in images[order].chunk(self.groups)]
        shuffled = F.normalize(torch.cat(parts).float(), dim=1)
        return shuffled[order.argsort()]

    @torch.no_grad()
    def momentum_update(self) -> None:
        """Moves the key encoder towards the query encoder: key <- momentum * key + (1 - momentum) * query."""
        for slow, fast in zip(self.key.parameters(), self.query.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.momentum)

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        size = len(self.queue)
        keys = keys[-size:]
        places = (self.cursor + torch.arange(len(keys), device=keys.device)) % size
        self.queue[places] = keys.to(self.queue.dtype)
        self.cursor.copy_((self.cursor + len(keys)) % size)


def _gathered(keys: Tensor) -> Tensor:
    """The keys of all processes, in the order of their ranks; of this one where it is alone."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return keys
    parts = [torch.empty_like(keys) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, keys.contiguous())
    return torch.cat(parts)
