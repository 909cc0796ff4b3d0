"""Restoration networks: sizes, a start at plain enlargement, a file that gives back what was put in."""

from pathlib import Path

import pytest
import torch

from distortion_engine.errors import UsageError
from distortion_engine.restoration import neural
from distortion_engine.restoration.neural import (
    RestorationArchitecture,
    RestorationNetwork,
    read_networks,
)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_an_untrained_network_is_bicubic_enlargement(factor: int):
    image = torch.rand(2, 3, 12, 16)
    result = RestorationNetwork(RestorationArchitecture(8, 2, factor))(image)
    assert result.shape == (2, 3, 12 * factor, 16 * factor)
    torch.testing.assert_close(result, neural.enlarged(image, factor))


def test_a_network_sees_one_pixel_more_with_every_convolution():
    network = RestorationNetwork(RestorationArchitecture(8, 2))
    torch.nn.init.normal_(network.last.weight)
    image = torch.rand(1, 3, 21, 21, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(image)[0, :, 10, 10].sum(), image)
    seen = gradient[0].abs().amax(0).nonzero()
    assert int(seen.min()) == 10 - 4 and int(seen.max()) == 10 + 4


def test_networks_come_back_in_half_precision(tmp_path: Path):
    torch.manual_seed(1)
    network = RestorationNetwork(RestorationArchitecture(8, 1, 2))
    torch.nn.init.normal_(network.last.weight)
    path = tmp_path / "some.safetensors"
    path.write_bytes(neural.write_networks({"upscale2-l1-5": ("upscale", network)}))
    (found,) = read_networks(path).values()
    assert (found.name, found.task) == ("upscale2-l1-5", "upscale")
    assert found.network.architecture == network.architecture
    for name, value in network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value.half().float()), name


def test_a_missing_or_foreign_file_is_one_line(tmp_path: Path):
    with pytest.raises(UsageError, match=r"experiments\.restoration\.train"):
        read_networks(tmp_path / "none.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    foreign.write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(UsageError, match="format None"):
        read_networks(foreign)


def test_strength_scales_the_correction_of_a_network():
    torch.manual_seed(2)
    network = RestorationNetwork(RestorationArchitecture(8, 1))
    torch.nn.init.normal_(network.last.weight, std=0.01)
    image = torch.rand(3, 24, 24) * 0.5 + 0.25
    half, whole = (neural.restored(image, network, strength) - image for strength in (0.5, 1.0))
    assert float(whole.abs().max()) > 1e-4
    torch.testing.assert_close(2 * half, whole, atol=1e-5, rtol=0)
    assert torch.equal(neural.restored(image, network, 0.0), image)
