"""Backbones of SPIPS: networks that give a list of stages of features, finest first.

A backbone is a module with `channels`, the widths of its stages (two early and two late ones), and `features(image)`:
(B, 3, H, W) sRGB in [0, 1], H and W multiples of 16 -> one tensor (B, channels[i], h_i, w_i) for each stage.
`SmallBackbone` is ours and needs no foreign weights. `ResNetBackbone` wraps our ResNet, so that a state dict with
torchvision's names can be used by its path (`relational_iqa.networks.resnet_state.load_resnet` reads it).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.local_analysis import opponent
from relational_iqa.networks.resnet import ResNet, imagenet_normalised

STAGES = 4
EARLY = 2  # of them: the finer half


class Backbone(nn.Module):
    """Base class of backbones, see the module.

    `local` says whether `features` sees less far than the halo of a tile, so that images can be cut in tiles.
    """

    channels: tuple[int, ...]
    local: bool = False

    def features(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """One tensor a stage, finest first."""
        raise NotImplementedError


class SmallBackbone(Backbone):
    """Stages at 1/2, 1/4, 1/8 and 1/16 of the image, without normalisation over the image, so that it is local.

    There are no biases: a large constant in all features would make normalised differences vanish. Training could thus
    silence a stage that is noise at first, and the stage would not come back.

    Args:
        width: channels of the first stage; the others have 2, 4 and 6 times as many.
        stages: number of stages, 4 or, where the late ones are not needed, fewer.
    """

    local = True  # 46 px to one side

    def __init__(self, width: int = 16, stages: int = STAGES) -> None:
        super().__init__()
        self.channels = (width, 2 * width, 4 * width, 6 * width)[:stages]
        self.stem = nn.Conv2d(4, width, 5, stride=2, padding=2, bias=False)
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            for before, after in zip(self.channels, self.channels[1:], strict=False)
        )
        self.refine = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for width in self.channels[1:])

    def features(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        planes = opponent(image)
        luma = planes[:, :1]
        local_mean = F.avg_pool2d(luma, 5, stride=1, padding=2, count_include_pad=False)
        stages = [self.stem(torch.cat([planes - 0.25, 4 * (luma - local_mean)], 1))]
        for down, refine in zip(self.down, self.refine, strict=True):
            coarser = down(F.gelu(stages[-1]))
            stages.append(coarser + refine(F.gelu(coarser)))
        return stages


class ResNetBackbone(Backbone):
    """The four stages (1/4 to 1/32) of a ResNet. It stays in eval mode: the statistics of its batch norms do not
    change.

    Args:
        network: the ResNet.
        imagenet_input: whether the network expects inputs normalised by ImageNet's mean and spread.
    """

    def __init__(self, network: ResNet, imagenet_input: bool = True) -> None:
        super().__init__()
        self.network, self.imagenet_input = network, imagenet_input
        widest = network.features
        self.channels = (widest // 8, widest // 4, widest // 2, widest)

    def train(self, mode: bool = True) -> ResNetBackbone:
        """Stays in eval mode: a batch of crops must not move the statistics that a comparison rests on."""
        super().train(False)
        return self

    def features(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        return list(self.network.pyramid(imagenet_normalised(image) if self.imagenet_input else image))
