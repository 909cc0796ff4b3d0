"""The networks as one ONNX file, for runtimes other than torch: pixels in, maps and pooled scores out.

The file says of itself what it is: names, shapes and units of inputs and outputs, axes, weights and preprocessing are
in its metadata. Needs the extra [onnx]; onnxruntime is not needed to write one.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, make_folder_of
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.systems.choices import OnnxMode
from relational_iqa.tiling.tile_geometry import GRID_PX
from relational_iqa.version import __version__

OPSET = 17
MIN_SIDE_PX = 32
PREPROCESSING = (
    "RGB as encoded (sRGB), divided by its largest code value: float32 in [0, 1], (batch, 3, height, width); both "
    f"sides multiples of {GRID_PX} px (repeat the last row and column, or crop)"
)
# Of any values that are not all equal; what is written does not depend on it.
_TRACED_SIZE = (48, 64)


class CompareGraph(nn.Module):
    """a, b -> maps, local margin, weight, margin; without a reference."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.networks = networks

    def forward(
        self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]
    ) -> tuple[
        Float[Tensor, "b k h//4 w//4"],
        Float[Tensor, "b 1 h//4 w//4"],
        Float[Tensor, "b 1 h//4 w//4"],
        Float[Tensor, " b"],
    ]:
        local = self.networks.local_pair(a, b)
        verdict = self.networks.verdict(local.sums(torch.ones_like(local.margin.weight)))
        margin = verdict.local_margin(local.placed())
        return local.maps, margin, local.margin.weight, verdict.margin


class ScoreGraph(nn.Module):
    """test, reference -> quality, local quality, maps, weight."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.networks = networks

    def forward(
        self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "b 3 h w"]
    ) -> tuple[
        Float[Tensor, " b"],
        Float[Tensor, "b 1 h//4 w//4"],
        Float[Tensor, "b k h//4 w//4"],
        Float[Tensor, "b 1 h//4 w//4"],
    ]:
        local = self.networks.local_quality(test, reference)
        quality = self.networks.quality(local.sums(torch.ones_like(local.scorer.weight)))
        return quality, self.networks.quality_map(local), local.maps, local.scorer.weight


@dataclass(frozen=True)
class Graph:
    """The graph that a mode exports.

    Args:
        module: computes the outputs.
        inputs: meaning of each input by its name, in order.
        outputs: meaning of each output by its name, in order.
    """

    module: type[nn.Module]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


_WEIGHT = "(batch, 1, height/4, width/4), > 0: how much a place counts"
_UNIT = "in severity levels (1 is about one level of a five-level distortion ladder)"
GRAPHS: dict[OnnxMode, Graph] = {
    "compare": Graph(
        CompareGraph,
        {"a": "one of two versions of a scene", "b": "the other"},
        {
            "maps": "(batch, axes, height/4, width/4) in [-1, 1], severity; positive: b has more of it",
            "local_margin": f"(batch, 1, height/4, width/4) {_UNIT}; positive: a is better there",
            "weight": _WEIGHT,
            "margin": f"(batch,) {_UNIT}; positive: a is better",
        },
    ),
    "score": Graph(
        ScoreGraph,
        {"test": "the image to judge", "reference": "the pristine image"},
        {
            "quality": f"(batch,) {_UNIT}, <= 0; 0: no difference",
            "local_quality": f"(batch, 1, height/4, width/4) {_UNIT}, <= 0",
            "maps": "(batch, axes, height/4, width/4) in [-1, 1], severity; positive: the test image has more of it",
            "weight": _WEIGHT,
        },
    ),
}


def export_onnx(
    path: str | Path,
    networks: Networks,
    weights: Mapping[str, Any],
    mode: OnnxMode = "compare",
    size: tuple[int, int] | None = None,
) -> dict[str, str]:
    """Writes the networks as an ONNX file, whole or not at all, and returns the metadata of the file.

    Outputs are on the 1/4 grid. Pooled outputs (margin, quality) count every pixel.

    Args:
        path: file to write; missing folders are made.
        networks: what is written.
        weights: {"name", "sha256"} of the weights, as `load_weights` gives them.
        mode: "compare" for two images without a reference, "score" for an image and its reference.
        size: height and width for a file that takes one image or pair of this size; None for a file that takes any
            batch size, height and width.

    Raises:
        UsageError: for an unknown mode, for a size that does not fit, and where the package onnx is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise UsageError("export needs the package onnx: pip install 'relational-iqa[onnx]'") from error
    if mode not in GRAPHS:
        raise UsageError(f"mode is {mode!r}, expected one of {', '.join(GRAPHS)}")
    if size is not None and (min(size) < MIN_SIDE_PX or any(side % GRID_PX for side in size)):
        raise UsageError(
            f"size {size[0]}x{size[1]}: height and width must be multiples of {GRID_PX}, {MIN_SIDE_PX} or more; give "
            "such a size or 'dynamic'"
        )
    graph = GRAPHS[mode]
    model = onnx.load_from_string(_traced(graph, networks, size))
    facts = {
        "model_version": __version__,
        "mode": mode,
        "weights": str(weights.get("name")),
        "weights_sha256": str(weights.get("sha256")),
        "axes": ",".join(axis.name for axis in AXES),
        "preprocessing": PREPROCESSING,
        "size": "dynamic" if size is None else f"{size[0]}x{size[1]}",
    }
    onnx.helper.set_model_props(model, facts)
    model.producer_name, model.producer_version = "relational-iqa", __version__
    meanings = {**graph.inputs, **graph.outputs}
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = meanings[value.name]
    onnx.checker.check_model(model)
    target = Path(path)
    make_folder_of(target)
    with atomic_file(target) as file:
        file.write(model.SerializeToString(deterministic=True))
    return facts


def _traced(graph: Graph, networks: Networks, size: tuple[int, int] | None) -> bytes:
    """The ONNX graph of a trace; every size in it is computed from those of the inputs unless `size` fixes them."""
    module = graph.module(copy.deepcopy(networks).cpu().float().eval())
    for parameter in module.parameters():  # channels last in memory is nothing that ONNX could say
        parameter.data = parameter.data.contiguous()
    generator = torch.Generator().manual_seed(0)
    shape = (2, 3, *_TRACED_SIZE) if size is None else (1, 3, *size)
    images = tuple(torch.rand(shape, generator=generator) for _ in graph.inputs)
    with warnings.catch_warnings(), torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        # That sizes become constants is what `size` wants, and the tests run other sizes where it is None. The exporter
        # without a trace, which is recommended instead, reasons about every strided slice of a free size: it had not
        # come to an end after a minute of CPU time.
        warnings.simplefilter("ignore")
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            module,
            images,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_axes={} if size is not None else _free_axes(list(graph.inputs), list(graph.outputs)),
        )
        return path.read_bytes()


def _free_axes(inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, dict[int, str]]:
    axes = {name: {0: "batch", 2: "height", 3: "width"} for name in inputs}
    for name in outputs:
        pooled = name in ("margin", "quality")
        axes[name] = {0: "batch"} if pooled else {0: "batch", 2: "quarter_height", 3: "quarter_width"}
    return axes
