"""A ResNet as the backbone of SPIPS: its batch statistics stay, its input is normalised where it expects that."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from relational_iqa.networks.resnet import ResNet
from relational_iqa.networks.spips import SpipsNetwork
from relational_iqa.networks.stage_features import ResNetBackbone
from relational_iqa.systems.spips import SPIPS

RandomSpips = Callable[..., SpipsNetwork]


def test_a_resnet_can_be_the_backbone_and_its_batch_statistics_stay(
    random_spips: RandomSpips, versions: list[Tensor]
) -> None:
    network = random_spips(resnet_depth=18, width=8)
    assert isinstance(network.backbone, ResNetBackbone)
    assert [tuple(x.shape[1:]) for x in network.backbone.features(versions[0][None])] == [
        (8, 20, 24), (16, 10, 12), (32, 5, 6), (64, 3, 3)
    ]  # fmt: skip
    state = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    network.train()
    assert network(versions[1][None], versions[0][None]) < 0 and network(versions[0][None], versions[0][None]) == 0
    assert all((value == state[name]).all() for name, value in network.backbone.state_dict().items())
    assert SPIPS(network, {}, tile_px=16).quality(versions[2], versions[0]) == pytest.approx(
        network.eval()(versions[2][None], versions[0][None]).item(), abs=1e-4
    )


def test_imagenet_input_is_normalised_only_where_the_resnet_expects_it(versions: list[Tensor]) -> None:
    torch.manual_seed(0)
    resnet = ResNet(18, 8).eval()
    with torch.no_grad():
        plain = ResNetBackbone(resnet, imagenet_input=False).features(versions[0][None])
        torch.testing.assert_close(plain, list(resnet.pyramid(versions[0][None])))
        normalised = ResNetBackbone(resnet).features(versions[0][None])
    assert (normalised[0] != plain[0]).any()
