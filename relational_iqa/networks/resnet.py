"""ResNet-18, -34 and -50 whose state dict has the names and shapes of torchvision's, so that public weights load.

He et al., Deep residual learning for image recognition, arXiv:1512.03385; the bottleneck strides in its 3x3 convolution
("v1.5"), as torchvision's does. `width` scales all channels: 64 is the published network, 32 a quarter of its weights.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.errors import UsageError

BLOCKS: dict[int, tuple[int, int, int, int]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
BOTTLENECK_DEPTHS = (50,)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; depths 18 and 34."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut(inputs, channels, stride)

    def forward(self, x: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b _ _ _"]:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1 to four times the channels; depth 50."""

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        outputs = channels * self.expansion
        self.conv1 = _conv(inputs, channels, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = _conv(channels, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = _conv(channels, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b _ _ _"]:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """(B, 3, H, W) -> pooled features (B, `features`); torchvision's network without its classifier `fc`.

    Args:
        depth: number of layers, a key of `BLOCKS`.
        width: channels of the stem.

    Raises:
        UsageError: for another depth or a width below 1.
    """

    def __init__(self, depth: int = 50, width: int = 64) -> None:
        super().__init__()
        if depth not in BLOCKS or width < 1:
            known = ", ".join(map(str, BLOCKS))
            raise UsageError(f"no ResNet of depth {depth} and width {width}: expected depth {known}, width 1 or more")
        block = Bottleneck if depth in BOTTLENECK_DEPTHS else BasicBlock
        self.depth, self.width = depth, width
        self.features = 8 * width * block.expansion
        self.conv1 = _conv(3, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for index, count in enumerate(BLOCKS[depth]):
            channels = width * 2**index
            strides = [1 if index == 0 else 2] + [1] * (count - 1)
            blocks = []
            for stride in strides:
                blocks.append(block(inputs, channels, stride))
                inputs = channels * block.expansion
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def pyramid(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> tuple[
        Float[Tensor, "b _ _ _"],
        Float[Tensor, "b _ _ _"],
        Float[Tensor, "b _ _ _"],
        Float[Tensor, "b {self.features} _ _"],
    ]:
        """Outputs of the four stages, at 1/4, 1/8, 1/16 and 1/32 of the resolution (rounded up)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, stride=2, padding=1)
        stages = []
        for index in range(4):
            x = cast(nn.Sequential, getattr(self, f"layer{index + 1}"))(x)
            stages.append(x)
        return stages[0], stages[1], stages[2], stages[3]

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b {self.features}"]:
        return self.pyramid(images)[-1].mean((2, 3))


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """A projection where shapes differ, else None: the identity has no name in a state dict."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def imagenet_normalised(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """sRGB in [0, 1] -> what networks trained on ImageNet expect: minus its mean, over its spread."""
    mean, std = (images.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (images - mean) / std


def half_scale(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 _ _"]:
    """Images in [0, 1] at half the resolution (rounded down): bicubic with anti-aliasing, as Pillow resizes."""
    height, width = (max(1, side // 2) for side in images.shape[-2:])
    return F.interpolate(images, (height, width), mode="bicubic", antialias=True).clamp(0.0, 1.0)
