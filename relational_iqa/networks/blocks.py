"""Building blocks that the networks share. All are local: nothing looks at the whole image."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.in_parts import can_be_parted
from relational_iqa.networks.local_analysis import patches

_IN_ONE_PASS = "_convolution_pointwise"  # of torch.ops.mkldnn: a convolution and what is done to each of its values


def only_computes(x: Tensor) -> bool:
    """Whether `x` is only computed with, in float32 on a CPU: no gradient is wanted, nothing is traced or cast."""
    return can_be_parted(x) and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def pointwise(
    x: Float[Tensor, "b c h w"], weight: Float[Tensor, "n c 1 1"], bias: Float[Tensor, " n"] | None
) -> Float[Tensor, "b n h w"]:
    """1x1 convolution, by oneDNN where it is only computed: on one thread torch leaves that of a single image to BLAS,
    which takes 1.6 times as long."""
    if only_computes(x) and torch.backends.mkldnn.is_available():
        found: Tensor = torch.mkldnn_convolution(x, weight, bias, (0, 0), (1, 1), (1, 1), 1)
        return found
    return F.conv2d(x, weight, bias)


def convolved_to_relu6(
    x: Float[Tensor, "b c _ _"],
    weight: Float[Tensor, "n _ _ _"],
    bias: Float[Tensor, " n"] | None,
    padding: tuple[int, int] = (0, 0),
    stride: int = 1,
    groups: int = 1,
) -> Float[Tensor, "b n _ _"]:
    """ReLU6 of a convolution of what is only computed with, see `only_computes`: by oneDNN in one pass over memory, to
    the same bits as in two."""
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, _IN_ONE_PASS):
        convolve = getattr(torch.ops.mkldnn, _IN_ONE_PASS)
        found: Tensor = convolve(x, weight, bias, padding, (stride, stride), (1, 1), groups, "hardtanh", [0.0, 6.0], "")
        return found
    return F.relu6(F.conv2d(x, weight, bias, stride, padding, groups=groups), inplace=True)


class Pointwise(nn.Conv2d):
    """1x1 convolution; see `pointwise`."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, input: Float[Tensor, "b {self.in_channels} h w"]) -> Float[Tensor, "b {self.out_channels} h w"]:
        return pointwise(input, self.weight, self.bias)


class PointwiseBlock(nn.Module):
    """Residual block of two 1x1 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = Pointwise(channels, 2 * channels)
        self.project = Pointwise(2 * channels, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        out: Tensor = x + self.project(F.silu(self.expand(x)))
        return out


class SpatialBlock(nn.Module):
    """Residual block: depthwise 5x5, then two 1x1 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.pointwise = PointwiseBlock(channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        out: Tensor = self.pointwise(x + self.depthwise(x))
        return out


class PatchEncoder(nn.Module):
    """Learns local features at a quarter and at an eighth of an image that `with_margin` has widened."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = 2 * channels
        self.patch = nn.Conv2d(3, channels, 8, stride=4)
        self.eighth = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)

    def forward(
        self, padded: Float[Tensor, "b 3 _ _"]
    ) -> tuple[
        Float[Tensor, "b {self.out_channels//2} quarter_h quarter_w"],
        Float[Tensor, "b {self.out_channels} eighth_h eighth_w"],
    ]:
        quarter = F.relu(patches(padded, self.patch.weight, self.patch.bias))
        return quarter, self.eighth(quarter)


class Stem(nn.Module):
    """1x1 convolution of fixed statistics, the first layer of a branch.

    `calibrate` brings every input channel to unit spread: even channels (a convolution with bias) about their mean, odd
    channels (without bias) about zero. The scales are folded into the weights of the convolution when it runs.
    """

    def __init__(self, inputs: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("offset", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.mix = Pointwise(inputs, out, bias=bias)

    def forward(
        self, x: Float[Tensor, "b {self.mix.in_channels} h w"]
    ) -> Float[Tensor, "b {self.mix.out_channels} h w"]:
        weight = self.mix.weight * self.scale[None, :, None, None]
        bias = self.mix.bias
        if bias is not None:
            bias = bias - weight[:, :, 0, 0] @ self.offset
        return pointwise(x, weight, bias)

    @torch.no_grad()
    def calibrate(self, x: Float[Tensor, "b {self.mix.in_channels} h w"]) -> None:
        """Sets the scales from a batch of inputs."""
        if self.mix.bias is not None:
            self.offset.copy_(x.mean((0, 2, 3)))
            spread = x.std((0, 2, 3))
        else:
            spread = x.square().mean((0, 2, 3)).sqrt()
        self.scale.copy_(1 / spread.clamp_min(1e-3))


def accept_former_names(module: nn.Module, names: Mapping[str, str]) -> None:
    """Lets `module` load state dicts that name submodules as earlier versions did; `names` maps former to present
    names."""
    module.register_load_state_dict_pre_hook(partial(_renamed, names))


def _renamed(names: Mapping[str, str], module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name in [name for name in state if name.startswith(prefix)]:
        first, dot, rest = name.removeprefix(prefix).partition(".")
        if first in names:
            state[f"{prefix}{names[first]}{dot}{rest}"] = state.pop(name)


def channels_last(module: nn.Module) -> None:
    """Lays the convolutions of `module` out with channels last in memory: a 1x1 convolution over many small images is
    then one product, a third faster in training. Values do not change."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def enlarge(x: Float[Tensor, "b c _ _"], like: Float[Tensor, "_ _ h w"]) -> Float[Tensor, "b c h w"]:
    """Interpolates bilinearly to the grid of `like`."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def twice(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 2*h 2*w"]:
    """Interpolates bilinearly to a grid twice as fine."""
    height, width = x.shape[-2:]
    return F.interpolate(x, (2 * height, 2 * width), mode="bilinear", align_corners=False)
