"""Convolutions of the backbone, and how they go over an image in bands of rows that fit the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import convolved_to_relu6, pointwise
from relational_iqa.networks.in_parts import each_once, for_each

BAND_BYTES = 3 << 20
"""Size of the widest tensor of a block while an image is processed in bands of rows: it stays in the processor's cache.
Between 2 and 4 MB the time is the same."""


class SameConvolution(nn.Conv2d):
    """A convolution with the zero padding that TensorFlow's "SAME" gives images of even sides, applied to any size.

    Output i lies where input stride * i lies, so a tile that starts at a multiple of the stride gives the values of the
    whole image.

    Args:
        inputs: channels that enter.
        outputs: channels that leave.
        kernel: side of the kernel.
        stride: step of the kernel.
        groups: groups of channels that are convolved separately.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=0, groups=groups)
        self.before = (kernel - stride) // 2

    def forward(self, input: Float[Tensor, "b {self.in_channels} _ _"]) -> Float[Tensor, "b {self.out_channels} _ _"]:
        if self.kernel_size[0] == 1:
            return pointwise(input, self.weight, self.bias)
        return self.of_rows(input, self.before, self.after(int(input.shape[-2])))

    def after(self, size: int) -> int:
        """Zeros that follow a line of `size` values."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        # (ceil(size / stride) - 1) * stride + kernel - size - before, in a form that a trace for ONNX keeps right:
        # what it makes a constant does not depend on the size, where that is a multiple of the stride.
        return max(kernel - stride - self.before + -size % stride, 0)

    def of_rows(
        self, rows: Float[Tensor, "b {self.in_channels} _ _"], above: int, below: int
    ) -> Float[Tensor, "b {self.out_channels} _ _"]:
        """Convolves rows of an image.

        Args:
            rows: whole rows.
            above: rows of zeros above them.
            below: rows of zeros below them.
        """
        return super().forward(F.pad(rows, (self.before, self.after(int(rows.shape[-1])), above, below)))

    def to_relu6(
        self, rows: Float[Tensor, "b {self.in_channels} _ _"], above: int = 0, below: int = 0
    ) -> Float[Tensor, "b {self.out_channels} _ _"]:
        """ReLU6 of `of_rows`, where it is only computed. Zeros that lie evenly around the rows are not written down."""
        before, after = self.before, self.after(int(rows.shape[-1]))
        tall, wide = (above if above == below else 0), (before if before == after else 0)
        if above != below or before != after:
            around = (before - wide, after - wide, above - tall, below - tall)
            rows = F.pad(rows, around)
        return convolved_to_relu6(rows, self.weight, self.bias, (tall, wide), self.stride[0], self.groups)

    def bands(self, height: int, width: int, channels: int) -> Iterator[tuple[slice, slice, int, int]]:
        """Bands of rows whose inputs take about BAND_BYTES.

        Args:
            height: rows of the input.
            width: columns of the input.
            channels: channels of the widest tensor on the grid of the input.

        Yields:
            Rows of the output, the rows of the input that they depend on, rows of zeros above and below those.
        """
        kernel, stride = self.kernel_size[0], self.stride[0]
        count = -(-height // stride)
        bands = max(1, min(count, round(4 * channels * height * width / BAND_BYTES)))
        rows = -(-count // bands)
        for first in range(0, count, rows):
            last = min(count, first + rows)
            top, bottom = first * stride - self.before, (last - 1) * stride - self.before + kernel
            inputs = slice(max(0, top), min(height, bottom))
            yield slice(first, last), inputs, max(0, -top), max(0, bottom - height)


def in_bands(
    images: Sequence[Float[Tensor, "b _ h w"]],
    convolution: SameConvolution,
    channels: int,
    function: Callable[[Float[Tensor, "1 _ _ w"], int, int], Float[Tensor, "1 {channels} _ _"]],
) -> list[Float[Tensor, "b {channels} _ _"]]:
    """Applies a function of rows to one band of images after the other, where bands of several are equal once.

    Args:
        images: of one size.
        convolution: the convolution inside of the function.
        channels: channels of the result.
        function: takes a band and how many rows of zeros are above and below it.
    """
    x = images[0]
    height, width = x.shape[-2:]
    stride = convolution.stride[0]
    size = (x.shape[0], channels, -(-height // stride), -(-width // stride))
    found = [torch.empty(size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last) for _ in images]
    bands = list(convolution.bands(height, width, convolution.in_channels))

    def one(item: tuple[int, tuple[slice, slice, int, int]]) -> None:
        number, (outputs, inputs, above, below) = item
        rows = [image[number : number + 1, :, inputs] for image in images]
        for out, values in zip(found, each_once(lambda band: function(band, above, below), rows), strict=True):
            out[number : number + 1, :, outputs] = values

    for_each(one, [(number, band) for number in range(x.shape[0]) for band in bands])
    return found
