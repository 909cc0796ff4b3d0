"""EfficientNet-Lite as a list of stages: the features with which images are judged.

Tan and Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019, table 1, in the Lite
form: ReLU6, no squeeze-and-excitation, stem and first and last stage not scaled. Batch normalisation is folded into
the convolutions, because the network runs in eval mode only and is fine-tuned without batch statistics.

Weights come from ImageNet class labels (`experiments.backbone.adopt`) or from `random_weights`, a start without any
labels. Neither holds an opinion of quality.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.jobs.progress import part
from relational_iqa.networks.blocks import only_computes
from relational_iqa.networks.in_parts import each_once
from relational_iqa.networks.same_convolution import SameConvolution, in_bands

STEM_CHANNELS = 32
# repeats, kernel, stride, expansion, channels of each stage of EfficientNet-B0.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
CHANNEL_STEP = 8  # scaled widths are multiples of this
EARLY_STRIDE, EARLY_REACH_PX = 4, 16
"""Up to this stride the stages look so little around that blocks of an image can go through them one by one."""
# Code values of 8 bits to what the ImageNet weights were trained on: (255 x - 127) / 128.
CODE_MEAN, CODE_SPREAD = 127.0, 128.0


@dataclass(frozen=True)
class BackboneArchitecture:
    """Sizes of an `EfficientNetLite`.

    Args:
        width: factor on the channels of all stages but the stem, 1.0 for Lite0 and Lite1, 1.1 for Lite2.
        depth: factor on the repeats of all stages but the first and the last, 1.0, 1.1 and 1.2.
        taps: numbers of the blocks whose outputs are features, rising; -1 is the stem. Blocks after the last tap are
            not built.
    """

    width: float = 1.0
    depth: float = 1.0
    taps: tuple[int, ...] = (-1, 0, 2, 4, 7, 10, 14, 15)

    def __post_init__(self) -> None:
        if not self.taps or list(self.taps) != sorted(set(self.taps)) or self.taps[0] < -1:
            raise ValueError(f"taps {self.taps}: expected rising numbers of blocks from -1 (the stem) on")
        object.__setattr__(self, "taps", tuple(self.taps))


@dataclass(frozen=True)
class BlockShape:
    """Sizes of one inverted residual block.

    Args:
        kernel: side of the depthwise kernel.
        stride: stride of the depthwise convolution.
        expansion: factor from `inputs` to the channels inside the block.
        inputs: channels that enter.
        outputs: channels that leave.
    """

    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


def block_shapes(architecture: BackboneArchitecture) -> list[BlockShape]:
    """Sizes of every block of the whole network, including those after the last tap."""
    shapes, inputs = [], STEM_CHANNELS
    for number, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
        outputs = _scaled(channels, architecture.width)
        if number not in (0, len(STAGES) - 1):
            repeats = math.ceil(repeats * architecture.depth)
        for repeat in range(repeats):
            shapes.append(BlockShape(kernel, stride if repeat == 0 else 1, expansion, inputs, outputs))
            inputs = outputs
    return shapes


def _scaled(channels: int, width: float) -> int:
    """Channels times `width` to the nearest multiple of `CHANNEL_STEP`, never less than nine tenths of it."""
    wanted = channels * width
    nearest = max(CHANNEL_STEP, int(wanted + CHANNEL_STEP / 2) // CHANNEL_STEP * CHANNEL_STEP)
    return nearest + CHANNEL_STEP if nearest < 0.9 * wanted else nearest


class InvertedResidual(nn.Module):
    """Expand by 1x1, depthwise k x k, project by 1x1; the input is added where sizes allow (Sandler et al. 2018)."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        inner = shape.inputs * shape.expansion
        self.expand = SameConvolution(shape.inputs, inner, 1) if shape.expansion > 1 else None
        self.depthwise = SameConvolution(inner, inner, shape.kernel, shape.stride, groups=inner)
        self.project = SameConvolution(inner, shape.outputs, 1)
        self.residual = shape.stride == 1 and shape.inputs == shape.outputs

    def forward(self, x: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b _ _ _"]:
        if only_computes(x) and not self.training:
            return self.of_each((x,))[0]
        inner = x if self.expand is None else F.relu6(self.expand(x))
        out = self.project(F.relu6(self.depthwise(inner)))
        result: Tensor = x + out if self.residual else out
        return result

    def of_each(self, images: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b _ _ _"]]:
        """The values of each of several images of one size. What is only computed is computed in bands of rows: the
        expanded image, the largest tensor, never exists as a whole; and what is equal in several images once."""
        if self.training or not only_computes(images[0]):
            return [self(x) for x in images]

        def one(rows: Tensor, above: int, below: int) -> Tensor:
            inner = rows if self.expand is None else self.expand.to_relu6(rows)
            out: Tensor = self.project(self.depthwise.to_relu6(inner, above, below))
            if not self.residual:
                return out
            first = self.depthwise.before - above
            return out.add_(rows[:, :, first : first + out.shape[2]])

        return in_bands(images, self.depthwise, self.project.out_channels, one)


class EfficientNetLite(nn.Module):
    """Images (B, 3, H, W), sRGB in [0, 1], of any size -> one tensor for each tap, finest first.

    Tensor i has the shape (B, channels[i], H / strides[i], W / strides[i]), rounded up. Every value depends on finitely
    many pixels, at most `reach_px` to each side.
    """

    def __init__(self, architecture: BackboneArchitecture = BackboneArchitecture()) -> None:
        super().__init__()
        shapes = block_shapes(architecture)
        last = architecture.taps[-1]
        if last >= len(shapes):
            raise ValueError(f"taps {architecture.taps}: the last of the {len(shapes)} blocks is {len(shapes) - 1}")
        self.architecture = architecture
        self.stem = SameConvolution(3, STEM_CHANNELS, 3, stride=2)
        self.blocks = nn.ModuleList(InvertedResidual(shape) for shape in shapes[: last + 1])
        self.channels = tuple(STEM_CHANNELS if tap < 0 else shapes[tap].outputs for tap in architecture.taps)
        self.strides, self.reach_px = _geometry(shapes, architecture.taps)
        strides, reaches = _geometry(shapes, range(len(shapes)))
        self._early_blocks = sum(stride <= EARLY_STRIDE for stride in strides)
        if reaches[self._early_blocks - 1] > EARLY_REACH_PX:
            raise AssertionError("EARLY_REACH_PX is too small")

    def forward(self, image: Float[Tensor, "b 3 h w"], count: int | None = None) -> list[Float[Tensor, "b _ _ _"]]:
        """The first `count` taps, or all."""
        found: list[Tensor] = []
        last = self.early((image,), count, lambda planes: found.append(planes[0]))
        return found + [stage for (stage,) in self.late(last, count)]

    features = forward

    def early(
        self,
        images: Sequence[Float[Tensor, "b 3 h w"]],
        count: int | None,
        take: Callable[[list[Float[Tensor, "b _ _ _"]]], None],
    ) -> list[Tensor]:
        """Of several images of one size those of the first `count` taps that are as fine as a stride of EARLY_STRIDE.
        Equal images are seen once. A value sees at most EARLY_REACH_PX to each side.

        Args:
            images: the images.
            count: how many taps are wanted; None for all.
            take: is called with each tap of all images, which are not kept.

        Returns:
            The tensors from which `late` goes on.
        """
        taps = self.architecture.taps[:count]
        current = each_once(self._stem, images)
        if -1 in taps:
            take(current)
        for number in self._numbers(0, self._early_blocks, count):
            current = each_once(self.blocks[number], current)
            if number in taps:
                take(current)
        return current

    def late(
        self, images: Sequence[Float[Tensor, "b _ _ _"]], count: int | None = None
    ) -> list[list[Float[Tensor, "b _ _ _"]]]:
        """The other ones of the first `count` taps, each of all images."""
        found: list[list[Tensor]] = []
        current = list(images)
        numbers = self._numbers(self._early_blocks, len(self.blocks), count)
        for number in numbers:
            with part(0.5 / len(numbers)):  # the other half are those before
                current = cast(InvertedResidual, self.blocks[number]).of_each(current)
            if number in self.architecture.taps[:count]:
                found.append(current)
        return found

    def _numbers(self, first: int, end: int, count: int | None) -> range:
        """Of blocks from `first` on and before `end`, those that the first `count` taps need."""
        return range(first, min(end, max(self.architecture.taps[:count], default=-1) + 1))

    def _stem(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b _ _ _"]:
        if self.training or not only_computes(image):
            return F.relu6(self.stem((image * 255.0 - CODE_MEAN) / CODE_SPREAD))

        def one(rows: Tensor, above: int, below: int) -> Tensor:
            values = ((rows * 255.0 - CODE_MEAN) / CODE_SPREAD).contiguous(memory_format=torch.channels_last)
            return self.stem.to_relu6(values, above, below)

        return in_bands((image,), self.stem, STEM_CHANNELS, one)[0]

    def convolutions(self) -> Iterator[SameConvolution]:
        """All convolutions in the order in which they run."""
        for module in self.modules():
            if isinstance(module, SameConvolution):
                yield module


def _geometry(shapes: Sequence[BlockShape], taps: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(stride, pixels seen to one side of the pixel at its place) of every tap."""
    stride, reach = 2, 2  # the stem: 3x3 with stride 2 sees pixels 0 to 2 from its place on
    found = [(stride, reach)] if -1 in taps else []
    for number, shape in enumerate(shapes):
        reach += (shape.kernel - (shape.kernel - shape.stride) // 2 - 1) * stride
        stride *= shape.stride
        if number in taps:
            found.append((stride, reach))
    strides, reaches = zip(*found, strict=True)
    return strides, reaches


@torch.no_grad()
def random_weights(network: EfficientNetLite, images: Float[Tensor, "b 3 h w"], seed: int) -> None:
    """Weights without any labels: orthogonal, then each convolution scaled to zero mean and unit variance on `images`.

    Layer-sequential unit variance (Mishkin and Matas, ICLR 2016), which does the work of batch normalisation.

    Args:
        network: the network whose weights are replaced.
        images: a few photographs (B, 3, H, W) in [0, 1].
        seed: seed of the orthogonal weights.
    """
    generator = torch.Generator().manual_seed(seed)
    for convolution in network.convolutions():
        # In a tensor of its own: `orthogonal_` writes to none whose channels lie last.
        start = torch.empty(convolution.weight.shape)
        convolution.weight.copy_(nn.init.orthogonal_(start, generator=generator))
        nn.init.zeros_(convolution.bias) if convolution.bias is not None else None

    def scale(module: nn.Module, _: object, output: Tensor) -> Tensor:
        assert isinstance(module, SameConvolution) and module.bias is not None
        mean, spread = output.mean((0, 2, 3)), output.std((0, 2, 3)).clamp_min(1e-6)
        module.weight /= spread[:, None, None, None]
        module.bias.copy_(-mean / spread)
        return (output - mean[:, None, None]) / spread[:, None, None]

    handles = [convolution.register_forward_hook(scale) for convolution in network.convolutions()]
    training = network.training
    network.train()(images)  # every convolution of the whole images at once
    network.train(training)
    for handle in handles:
        handle.remove()
