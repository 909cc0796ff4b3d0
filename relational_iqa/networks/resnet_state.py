"""Reads ResNet weights as people publish them: plain, wrapped, or inside a contrastive checkpoint. Nothing is executed.

Known layouts, all found by the same rule (the prefix before `layer1.0.conv1.weight`): torchvision's state dicts; MoCo's
{"state_dict": {"module.encoder_q.conv1.weight": ...}}; PyContrast's and Re-IQA's {"model": {"module.encoder...": ...}}.
"""

from __future__ import annotations

import argparse
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.networks.resnet import BLOCKS, BOTTLENECK_DEPTHS, ResNet

_MARK = "layer1.0.conv1.weight"
# Names of networks that are moving averages of another one; taken where the file has nothing else.
_AVERAGES = ("encoder_k", "ema", "momentum", "target", "teacher")
_SHOWN = 4
_MAX_FILE_BYTES = 4_000_000_000  # a contrastive checkpoint of a ResNet-50 with its optimizer has 0.5 GB
_MAX_WIDTH = 256  # four times the published network, the widest that was published
_TYPES = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
_DEEPEST = 8  # mappings in mappings
_PROBE_PX = 64
# All that readers of hostile pickles and archives were seen to raise.
_UNREADABLE = (
    SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError,
    AttributeError, AssertionError, ImportError, OverflowError, MemoryError, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class LoadReport:
    """What was read from a file of weights.

    Args:
        path: the file.
        prefix: prefix of the names that were used.
        loaded: number of tensors that were used.
        ignored: names of the tensors that were not used.
    """

    path: Path
    prefix: str
    loaded: int
    ignored: tuple[str, ...]

    def summary(self) -> str:
        """One line."""
        under = f" under {self.prefix!r}" if self.prefix else ""
        shown = ", ".join(self.ignored[:_SHOWN]) + (", ..." if len(self.ignored) > _SHOWN else "")
        unused = f"{len(self.ignored)} not used ({shown})" if self.ignored else "all used"
        return f"{self.path.name}: {self.loaded} tensors loaded{under}, none missing; {unused}"


def load_resnet(path: str | Path) -> tuple[ResNet, LoadReport]:
    """A ResNet from a file, without classifier, in eval mode, in float32 on the CPU; depth and width are those of the
    file.

    Args:
        path: a safetensors file, or a PyTorch file, which is read with `weights_only`.

    Raises:
        UsageError: for a file that is missing, damaged, too large or no ResNet, and for tensors that are missing, of
            another shape or type, or whose values are not finite or give features that are not.
    """
    path = Path(path)
    state = read_state(path)
    prefix = _find_prefix(path, state)
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    depth, width = _size(path, own)
    with torch.device("meta"):  # shapes alone: nothing is allocated that the file does not hold
        expected = ResNet(depth, width).state_dict()
    # Old files have no batch counters; nothing but a running mean without momentum would need them.
    missing = [name for name in expected if name not in own and not name.endswith("num_batches_tracked")]
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise UsageError(f"{path}: {len(missing)} tensors of ResNet-{depth} missing under {prefix!r}: {shown}")
    for name, value in expected.items():
        if name in own and own[name].shape != value.shape:
            raise UsageError(
                f"{path}: {prefix}{name} has shape {tuple(own[name].shape)}, "
                f"ResNet-{depth} of width {width} has {tuple(value.shape)}"
            )
    taken = {name: _checked(path, prefix + name, own[name], value) for name, value in expected.items() if name in own}
    network = ResNet(depth, width)
    network.load_state_dict({**network.state_dict(), **taken})
    _check_features(path, network.eval())
    ignored = sorted(set(state) - {prefix + name for name in taken})
    return network, LoadReport(path, prefix, len(taken), tuple(ignored))


def _checked(path: Path, name: str, value: Tensor, expected: Tensor) -> Tensor:
    """A tensor of a file in the type of the network; UsageError where its values cannot be those of one."""
    counter = not expected.is_floating_point()
    if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
        raise UsageError(f"{path}: {name} is no plain tensor; save the state dict of a network in float32")
    if value.dtype not in _TYPES and not (counter and value.dtype == torch.int64):
        raise UsageError(f"{path}: {name} is {value.dtype}, expected float32; save the state dict in float32")
    result = value.to(expected.dtype)
    if not result.isfinite().all():
        raise UsageError(f"{path}: NaN or infinite values in {name}; give a file of sound weights")
    if name.endswith("running_var") and bool((result < 0).any()):
        raise UsageError(f"{path}: negative values in {name}, which is a variance; give a file of sound weights")
    return result


@torch.inference_mode()
def _check_features(path: Path, network: ResNet) -> None:
    """Raises UsageError for weights so large that their products are not finite."""
    ramp = torch.linspace(-2, 2, _PROBE_PX)
    if not network((ramp[:, None] * ramp).expand(1, 3, -1, -1)).isfinite().all():
        raise UsageError(f"{path}: its weights give infinite features; give a file of sound weights")


def read_state(path: Path) -> dict[str, Tensor]:
    """The one flat state dict of a file; names as they are, without those of containers around it."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a ResNet's state dict as .safetensors or .pth")
    try:
        size = _unpacked_size(path)
        if size > _MAX_FILE_BYTES:
            raise UsageError(f"{path}: holds {size:,} bytes, expected at most {_MAX_FILE_BYTES:,}; is it a ResNet's?")
        if path.suffix == ".safetensors":
            return load_file(path)
        # PyContrast and Re-IQA keep their options in the file; a Namespace only holds attributes.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of deprecated storages, where a file is damaged
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        if isinstance(error, UsageError):
            raise
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise UsageError(
            f"{path}: not readable without running code from the file ({reason}); "
            "save its state dict as .safetensors where the file is trusted"
        ) from error
    found = [(name, state) for name, state in _mappings(content) if any(key.endswith(_MARK) for key in state)]
    if found:
        return min(found, key=lambda item: _is_average(item[0]))[1]
    raise UsageError(f"{path}: holds no ResNet (no tensor named ...{_MARK}); give a state dict or a checkpoint of one")


def _unpacked_size(path: Path) -> int:
    """Bytes of a file, or of what a ZIP archive, which PyTorch files are, unpacks to."""
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _mappings(content: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """All mappings in a loaded file with their names, outer ones first, reduced to their tensors. A mapping may hold
    itself."""
    if isinstance(content, Mapping) and depth < _DEEPEST:
        yield name, {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        for key, value in content.items():
            yield from _mappings(value, str(key), depth + 1)


def _is_average(name: str) -> bool:
    return any(word in name.lower() for word in _AVERAGES)


def _find_prefix(path: Path, state: Mapping[str, Tensor]) -> str:
    prefixes = [name.removesuffix(_MARK) for name in state if name.endswith(_MARK)]
    if not prefixes:
        raise UsageError(f"{path}: holds no ResNet (no tensor named ...{_MARK})")
    return min(prefixes, key=lambda prefix: (_is_average(prefix), len(prefix)))


def _size(path: Path, state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Depth and width from the names and shapes of a state dict."""
    counts = tuple(
        len({name.split(".")[1] for name in state if name.startswith(f"layer{stage}.")}) for stage in range(1, 5)
    )
    bottleneck = "layer1.0.conv3.weight" in state
    depths = [depth for depth, blocks in BLOCKS.items() if blocks == counts]
    depths = [depth for depth in depths if (depth in BOTTLENECK_DEPTHS) == bottleneck]
    if not depths or "conv1.weight" not in state:
        kind = "bottleneck" if bottleneck else "basic"
        raise UsageError(
            f"{path}: stages of {counts} {kind} blocks are no ResNet-{', -'.join(map(str, BLOCKS))}; "
            "give weights of one of those"
        )
    shape = tuple(state["conv1.weight"].shape)
    if len(shape) != 4 or not 1 <= shape[0] <= _MAX_WIDTH:
        raise UsageError(
            f"{path}: conv1.weight has shape {shape}, expected (width, 3, 7, 7) with a width of 1 to {_MAX_WIDTH}"
        )
    return depths[0], shape[0]
