"""Building blocks: the quick way of a 1x1 convolution gives what the plain one gives."""

import pytest
import torch
import torch.nn.functional as F

from relational_iqa.networks.blocks import Pointwise, only_computes, pointwise


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_pointwise_convolution_is_that_of_torch(biased: bool, layout: torch.memory_format):
    torch.manual_seed(0)
    x = torch.randn(2, 24, 9, 13).contiguous(memory_format=layout)
    layer = Pointwise(24, 17, bias=biased)
    expected = F.conv2d(x, layer.weight, layer.bias)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_a_pointwise_convolution_without_bias_is_odd_to_the_bit():
    torch.manual_seed(0)
    x, weight = torch.randn(1, 67, 31, 29), torch.randn(33, 67, 1, 1)
    with torch.no_grad():
        assert torch.equal(pointwise(-x, weight, None), -pointwise(x, weight, None))


def test_gradients_casts_and_traces_take_the_plain_way():
    x = torch.rand(1, 2, 3, 3)
    assert not only_computes(x)
    with torch.no_grad():
        assert only_computes(x) and not only_computes(x.double())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not only_computes(x) and Pointwise(2, 3)(x).dtype == torch.bfloat16
    with torch.inference_mode():
        assert only_computes(x)
    layer = Pointwise(2, 3)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
