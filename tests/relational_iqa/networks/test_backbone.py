"""The backbone: the published shapes, TensorFlow's padding, values that tiles reproduce, a start without labels."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite, block_shapes, random_weights
from relational_iqa.networks.blocks import channels_last
from relational_iqa.networks.same_convolution import SameConvolution

LITE = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}


@pytest.fixture(scope="module")
def network() -> EfficientNetLite:
    torch.manual_seed(0)
    network = EfficientNetLite()
    random_weights(network, torch.rand(2, 3, 64, 64), seed=1)
    return network.eval()


@pytest.mark.parametrize(
    ("variant", "blocks", "channels"),
    [
        ("lite0", 16, [16, 24, 40, 80, 112, 192, 320]),
        ("lite1", 21, [16, 24, 40, 80, 112, 192, 320]),
        ("lite2", 21, [16, 24, 48, 88, 120, 208, 352]),
    ],
)
def test_widths_and_depths_are_those_of_the_published_networks(variant: str, blocks: int, channels: list[int]):
    width, depth = LITE[variant]
    shapes = block_shapes(BackboneArchitecture(width, depth, (0,)))
    assert len(shapes) == blocks and sum(shape.stride == 2 for shape in shapes) == 4
    assert [*dict.fromkeys(shape.outputs for shape in shapes)] == channels


def test_lite0_has_the_published_number_of_parameters(network: EfficientNetLite):
    """4,652,008 with classifier (1280 x 1000 + 1000), head (320 x 1280 and its two batch-norm parameters a channel),
    and two batch-norm parameters a channel of every convolution, of which one is our bias."""
    ours = sum(p.numel() for p in network.parameters())
    second_parameters = sum(convolution.out_channels for convolution in network.convolutions())
    head, classifier = 320 * 1280 + 2 * 1280, 1280 * 1000 + 1000
    assert ours + second_parameters + head + classifier == 4_652_008


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 10), (16, 6)])
def test_even_sizes_are_padded_as_tensorflow_does(kernel: int, stride: int, size: tuple[int, int]):
    convolution = SameConvolution(2, 2, kernel, stride, groups=2)
    x = torch.rand(1, 2, *size)
    height, width = size
    tall = max((math.ceil(height / stride) - 1) * stride + kernel - height, 0)
    wide = max((math.ceil(width / stride) - 1) * stride + kernel - width, 0)
    padded = F.pad(x, (wide // 2, wide - wide // 2, tall // 2, tall - tall // 2))
    expected = F.conv2d(padded, convolution.weight, convolution.bias, stride, groups=2)
    assert torch.equal(convolution(x), expected)


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (40, 33)])
def test_features_come_at_their_strides_rounded_up(network: EfficientNetLite, size: tuple[int, int]):
    image = torch.rand(1, 3, *size)
    with torch.no_grad():
        features = network(image)
    expected = [
        (channels, math.ceil(size[0] / stride), math.ceil(size[1] / stride))
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]
    assert [tuple(feature.shape[1:]) for feature in features] == expected


def test_a_tile_that_starts_at_the_stride_gives_the_values_of_the_whole_image():
    network = EfficientNetLite(BackboneArchitecture(taps=(-1, 2, 4)))
    random_weights(network, torch.rand(2, 3, 64, 64), seed=2)
    image = torch.rand(1, 3, 192, 224)
    top, left, side, margin = 64, 96, 32, 48
    assert margin >= network.reach_px[-1]
    tile = image[..., top - margin : top + side + margin, left - margin : left + side + margin]
    with torch.no_grad():
        for stride, whole, part in zip(network.strides, network(image), network(tile), strict=True):
            y, x, n, m = top // stride, left // stride, side // stride, margin // stride
            torch.testing.assert_close(
                part[..., m : m + n, m : m + n], whole[..., y : y + n, x : x + n], atol=1e-4, rtol=1e-4
            )


def test_the_stated_reach_is_that_of_the_gradient(network: EfficientNetLite):
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    taps = EfficientNetLite(BackboneArchitecture(taps=(-1, 0, 2, 4)))
    random_weights(taps, torch.rand(2, 3, 64, 64), seed=3)
    for stride, reach, feature in zip(taps.strides, taps.reach_px, taps(image), strict=True):
        place = 128 // stride
        (gradient,) = torch.autograd.grad(feature[0, :, place, place].square().sum(), image, retain_graph=True)
        seen = gradient[0].abs().amax(0).nonzero()
        assert 128 - reach <= int(seen.min()) and int(seen.max()) <= 128 + reach


def test_what_comes_after_the_last_tap_is_not_built():
    small = EfficientNetLite(BackboneArchitecture(taps=(2, 4)))
    assert len(small.blocks) == 5 and small.channels == (24, 40) and small.strides == (4, 8)


@pytest.mark.parametrize("taps", [(), (4, 2), (2, 2), (-2, 0), (16,)])
def test_taps_that_are_no_blocks_are_refused(taps: tuple[int, ...]):
    with pytest.raises(ValueError, match="taps"):
        EfficientNetLite(BackboneArchitecture(taps=taps))


def test_a_start_from_nothing_has_unit_variance_in_every_convolution(network: EfficientNetLite):
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    random_weights(network, images, seed=5)
    spreads: list[Tensor] = []
    handles = [
        convolution.register_forward_hook(lambda _, __, output: spreads.append(output.std((0, 2, 3))))
        for convolution in network.convolutions()
    ]
    with torch.no_grad():
        network.train()(images)  # which does not compute in bands
    network.eval()
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(torch.cat(spreads), torch.ones(sum(len(s) for s in spreads)), atol=1e-3, rtol=1e-3)


def test_a_start_from_nothing_does_not_depend_on_the_memory_format():
    architecture, images = BackboneArchitecture(taps=(2, 4)), torch.rand(2, 3, 64, 64)
    plain, last = (EfficientNetLite(architecture) for _ in range(2))
    channels_last(last)  # as the networks of the core are
    for network in (plain, last):
        random_weights(network, images, seed=6)
    for name, weight in plain.state_dict().items():
        torch.testing.assert_close(last.state_dict()[name], weight, atol=1e-4, rtol=1e-4)


def test_the_first_taps_alone_are_those_of_all(network: EfficientNetLite):
    image = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        every, first = network(image), network(image, 3)
    assert len(first) == 3 and all(torch.equal(x, y) for x, y in zip(first, every, strict=False))
    assert network(image, 0) == []


@pytest.mark.parametrize("size", [(64, 96), (61, 43)])
@pytest.mark.parametrize("band_bytes", [1, 100_000, 10**9])
def test_bands_of_rows_give_the_values_of_the_whole(
    network: EfficientNetLite, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], band_bytes: int
):
    monkeypatch.setattr("relational_iqa.networks.same_convolution.BAND_BYTES", band_bytes)
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(6))
    whole = [feature.detach() for feature in network(images)]  # where gradients are wanted there are no bands
    with torch.no_grad():
        banded = network(images)
    for one, other in zip(banded, whole, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("height", [1, 7, 24])
def test_bands_give_every_row_once_from_the_rows_that_it_sees(
    monkeypatch: pytest.MonkeyPatch, kernel: int, stride: int, height: int
):
    monkeypatch.setattr("relational_iqa.networks.same_convolution.BAND_BYTES", 4 * 8 * 10 * 5)
    convolution = SameConvolution(8, 8, kernel, stride, groups=8)
    bands = list(convolution.bands(height, 10, 8))
    rows = [row for outputs, *_ in bands for row in range(outputs.start, outputs.stop)]
    assert rows == list(range(-(-height // stride))) and (len(bands) > 1) == (height > 7)
    for outputs, inputs, above, below in bands:
        assert 0 <= inputs.start < inputs.stop <= height
        assert inputs.start - above == outputs.start * stride - convolution.before
        assert inputs.stop + below == (outputs.stop - 1) * stride - convolution.before + kernel
