"""ResNets: names, shapes and counts are torchvision's, and published checkpoint layouts load or say why not."""

import argparse
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from distortion_engine.errors import UsageError
from relational_iqa.networks.resnet import ResNet, half_scale, imagenet_normalised
from relational_iqa.networks.resnet_state import load_resnet

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def torchvision_shapes(blocks: tuple[int, ...], bottleneck: bool) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's resnet18/50 without the classifier, written out here, not taken from ours."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, outputs: int, inputs: int, size: int, norm: str) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs, size, size)
        for part in NORM:
            shapes[f"{norm}.{part}"] = () if part == "num_batches_tracked" else (outputs,)

    convolution("conv1", 64, 3, 7, "bn1")
    inputs = 64
    for stage, count in enumerate(blocks, 1):
        channels = 32 * 2**stage
        outputs = 4 * channels if bottleneck else channels
        for block in range(count):
            path = f"layer{stage}.{block}"
            if bottleneck:
                sizes = [(channels, inputs, 1), (channels, channels, 3), (outputs, channels, 1)]
            else:
                sizes = [(channels, inputs, 3), (channels, channels, 3)]
            for number, (out, into, size) in enumerate(sizes, 1):
                convolution(f"{path}.conv{number}", out, into, size, f"{path}.bn{number}")
            if block == 0 and (stage > 1 or bottleneck):
                convolution(f"{path}.downsample.0", outputs, inputs, 1, f"{path}.downsample.1")
            inputs = outputs
    return shapes


@pytest.mark.parametrize(
    ("depth", "blocks", "bottleneck", "tensors", "entries", "weights"),
    [
        (18, (2, 2, 2, 2), False, 60, 120, 11_689_512 - 513_000),
        (50, (3, 4, 6, 3), True, 159, 318, 25_557_032 - 2_049_000),
    ],
)
def test_state_dict_is_torchvisions_without_the_classifier(
    depth: int, blocks: tuple[int, ...], bottleneck: bool, tensors: int, entries: int, weights: int
) -> None:
    network = ResNet(depth)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes == torchvision_shapes(blocks, bottleneck)
    assert len(shapes) == entries and len(list(network.parameters())) == tensors
    assert sum(parameter.numel() for parameter in network.parameters()) == weights


def test_a_block_computes_what_the_paper_says() -> None:
    torch.manual_seed(0)
    network = ResNet(18, width=4).eval()
    block = network.layer2[0]
    x = torch.randn(2, 4, 12, 12)
    first = F.relu(block.bn1(F.conv2d(x, block.conv1.weight, stride=2, padding=1)))
    second = block.bn2(F.conv2d(first, block.conv2.weight, padding=1))
    shortcut = block.downsample[1](F.conv2d(x, block.downsample[0].weight, stride=2))
    assert torch.allclose(block(x), F.relu(second + shortcut), atol=1e-6)
    assert [tuple(s.shape) for s in network.pyramid(torch.rand(1, 3, 64, 48))] == [
        (1, 4, 16, 12), (1, 8, 8, 6), (1, 16, 4, 3), (1, 32, 2, 2)
    ]  # fmt: skip


def test_the_bottleneck_strides_in_its_middle() -> None:
    network = ResNet(50, width=2)
    assert network.layer2[0].conv1.stride == (1, 1) and network.layer2[0].conv2.stride == (2, 2)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 64) and network.features == 64


def test_normalisation_and_half_scale() -> None:
    image = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None].expand(1, 3, 7, 9)
    assert imagenet_normalised(image).abs().max() < 1e-6
    assert half_scale(image).shape == (1, 3, 3, 4) and torch.allclose(half_scale(image), image[..., :3, :4], atol=1e-6)
    assert half_scale(torch.rand(1, 3, 16, 16)).std() < torch.rand(1, 3, 16, 16).std()  # anti-aliased


def test_an_unknown_depth_is_named() -> None:
    with pytest.raises(UsageError, match="depth 20"):
        ResNet(20)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(3)
    network = ResNet(18, width=4)
    with torch.no_grad():
        for buffer in network.buffers():
            if buffer.is_floating_point():
                buffer.add_(0.1 * torch.rand_like(buffer))
    return {**network.state_dict(), "fc.weight": torch.randn(10, 32), "fc.bias": torch.randn(10)}


def renamed(state: dict[str, Tensor], prefix: str, drop_fc: bool = True) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items() if not (drop_fc and name.startswith("fc."))}


def layouts(state: dict[str, Tensor]) -> dict[str, tuple[Any, str]]:
    """Checkpoints as they are published, and the prefix that holds the encoder."""
    other = {name: value + 1 if value.is_floating_point() else value for name, value in state.items()}
    head = {"fc.0.weight": torch.zeros(8, 32), "fc.2.weight": torch.zeros(4, 8)}
    moco = renamed(state, "module.encoder_q.") | renamed(other, "module.encoder_k.")
    moco |= {f"module.encoder_q.{name}": value for name, value in head.items()} | {"module.queue": torch.zeros(4, 16)}
    contrast = renamed(state, "module.encoder.") | {"module.head.0.weight": torch.zeros(8, 32)}
    options = argparse.Namespace(method="MoCov2", learning_rate=12.0)
    return {
        "torchvision": (renamed(state, "", drop_fc=False), ""),
        "moco": ({"epoch": 200, "arch": "resnet18", "state_dict": moco}, "module.encoder_q."),
        "reiqa": ({"opt": options, "model_ema": renamed(other, "module.encoder."), "model": contrast}, "ema?"),
        "pycontrast": ({"opt": options, "model": contrast, "epoch": 40}, "module.encoder."),
        "backbone": ({"state_dict": renamed(state, "model.backbone.")}, "model.backbone."),
    }


@pytest.mark.parametrize("layout", ["torchvision", "moco", "pycontrast", "backbone"])
def test_published_layouts_load_bit_for_bit(layout: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    content, prefix = layouts(state)[layout]
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    network, report = load_resnet(path)
    assert (network.depth, network.width, report.prefix) == (18, 4, prefix)
    loaded = network.state_dict()
    assert len(loaded) == 120 and all(torch.equal(value, state[name]) for name, value in loaded.items())
    assert not network.training


def test_the_encoder_wins_over_its_moving_average_whatever_the_order(state: dict[str, Tensor], tmp_path: Path) -> None:
    content, _ = layouts(state)["reiqa"]
    torch.save(content, tmp_path / "weights.pth")
    network, _ = load_resnet(tmp_path / "weights.pth")
    assert torch.equal(network.conv1.weight, state["conv1.weight"])


def test_unused_tensors_are_reported_in_one_line(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(layouts(state)["moco"][0], tmp_path / "moco.pth")
    _, report = load_resnet(tmp_path / "moco.pth")
    assert report.loaded == 120 and len(report.ignored) == 120 + 3
    assert {"module.encoder_q.fc.0.weight", "module.queue"} < set(report.ignored)
    line = report.summary()
    assert "\n" not in line and "120 tensors loaded" in line and "123 not used" in line


def test_safetensors_in_half_precision_without_batch_counters_load(state: dict[str, Tensor], tmp_path: Path) -> None:
    halves = {k: v.half() for k, v in state.items() if not k.endswith("num_batches_tracked")}
    save_file(halves, tmp_path / "weights.safetensors")
    network, report = load_resnet(tmp_path / "weights.safetensors")
    assert report.ignored == ("fc.bias", "fc.weight")
    assert network.conv1.weight.dtype == torch.float32
    assert torch.equal(network.conv1.weight, state["conv1.weight"].half().float())


class Evil:
    def __reduce__(self) -> Any:
        return (open, ("/nonexistent/evil", "w"))


def broken(state: dict[str, Tensor], fault: str) -> Any:
    state = dict(state)
    if fault == "missing":
        del state["layer3.1.bn2.running_var"]
    elif fault == "shape":
        state["layer2.0.conv1.weight"] = torch.zeros(8, 4, 5, 5)
    elif fault == "blocks":
        state |= {name.replace("layer4.1", "layer4.2"): v for name, v in state.items() if name.startswith("layer4.1")}
    elif fault == "code":
        return {"model": state, "x": Evil()}
    elif fault == "other":
        return {"encoder.weight": torch.zeros(3)}
    elif fault == "itself":
        holder: dict[str, Any] = {}
        holder["encoder"] = holder
        return holder
    elif fault == "width":
        state["conv1.weight"] = torch.zeros(1).expand(1_000_000_000, 3, 7, 7)
    elif fault == "scalar":
        state["conv1.weight"] = torch.tensor(1.0)
    elif fault == "expanded":
        state["layer1.0.conv2.weight"] = torch.zeros(1).expand(1_000_000, 1_000_000, 3, 3)
    elif fault == "integers":
        state["layer1.0.conv2.weight"] = state["layer1.0.conv2.weight"].to(torch.int32)
    elif fault == "complex":
        state["bn1.weight"] = state["bn1.weight"].to(torch.complex64)
    elif fault == "sparse":
        state["bn1.weight"] = state["bn1.weight"].to_sparse()
    elif fault == "nan":
        state["bn1.bias"] = state["bn1.bias"] * float("nan")
    elif fault == "double":
        state["bn1.bias"] = state["bn1.bias"].double() + 1e300
    elif fault == "variance":
        state["bn1.running_var"] = -state["bn1.running_var"]
    elif fault == "large":
        state |= {name: value * 1e30 for name, value in state.items() if name.endswith("conv2.weight")}
    return state


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("missing", r"1 tensors of ResNet-18 missing under '': layer3.1.bn2.running_var"),
        ("shape", r"layer2.0.conv1.weight has shape \(8, 4, 5, 5\).*\(8, 4, 3, 3\)"),
        ("blocks", r"stages of \(2, 2, 2, 3\) basic blocks are no ResNet"),
        ("code", "not readable without running code"),
        ("other", "holds no ResNet"),
        ("itself", "holds no ResNet"),
        ("width", r"conv1.weight has shape \(1000000000, 3, 7, 7\), expected .* width of 1 to 256"),
        ("scalar", r"conv1.weight has shape \(\), expected"),
        ("expanded", r"layer1.0.conv2.weight has shape \(1000000, 1000000, 3, 3\)"),
        ("integers", "layer1.0.conv2.weight is torch.int32, expected float32"),
        ("complex", "bn1.weight is torch.complex64"),
        ("sparse", "bn1.weight is no plain tensor"),
        ("nan", "NaN or infinite values in bn1.bias"),
        ("double", "NaN or infinite values in bn1.bias"),
        ("variance", "negative values in bn1.running_var"),
        ("large", "give infinite features"),
    ],
)
def test_other_files_are_refused_in_one_line(fault: str, said: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(broken(state, fault), tmp_path / "weights.pth")
    with pytest.raises(UsageError, match=said) as caught:
        load_resnet(tmp_path / "weights.pth")
    assert "\n" not in str(caught.value) and "weights.pth" in str(caught.value)


def test_a_file_that_is_missing_or_cut_short_is_named(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(state, tmp_path / "weights.pth")
    (tmp_path / "short.pth").write_bytes((tmp_path / "weights.pth").read_bytes()[:5000])
    for name, said in (("short.pth", "not readable"), ("none.pth", "no such file")):
        with pytest.raises(UsageError, match=f"{name}: {said}"):
            load_resnet(tmp_path / name)


def test_a_file_that_would_fill_the_memory_is_refused_before_it_is_read(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    with open(tmp_path / "sparse.safetensors", "wb") as stream:
        stream.truncate(20_000_000_000)
    with zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("archive/data/0", "w", force_zip64=True) as stream:
            stream.write(bytes(100_000))
        archive.infolist()[0].file_size = 10**13
    for name in ("sparse.safetensors", "packed.pth"):
        with pytest.raises(UsageError, match=f"{name}: holds .*,000 bytes, expected at most 4,000,000,000"):
            load_resnet(tmp_path / name)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_flipped_bytes_are_refused_in_one_line_or_give_finite_weights(
    ending: str, state: dict[str, Tensor], tmp_path: Path
) -> None:
    path, rng = tmp_path / f"weights.{ending}", np.random.default_rng(0)
    torch.save(state, path) if ending == "pth" else save_file(state, path)
    whole, refused = path.read_bytes(), 0
    for _ in range(60):
        data = bytearray(whole)
        head = rng.integers(0, len(data) if rng.random() < 0.3 else 9000, 8)
        for place in head:
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            network, _ = load_resnet(path)
        except UsageError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert all(value.isfinite().all() for value in network.state_dict().values())
    assert refused > 5
