"""riqa export: the networks as an ONNX file, for runtimes other than torch."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import full_path
from relational_iqa.commands.options import Metavar, Positional, Writes
from relational_iqa.commands.shared_options import WeightsOption
from relational_iqa.systems.choices import OnnxMode


@dataclass(frozen=True, kw_only=True)
class ExportOptions(WeightsOption):
    """Options of `riqa export`. Raises UsageError for another file name than *.onnx, and for a size of unknown form."""

    out: Annotated[str, Positional("OUT"), Writes()]
    """The file to write, *.onnx."""
    mode: OnnxMode = "compare"
    """What the file computes: two images without a reference (compare), or one against its reference (score)."""
    size: Annotated[str, Metavar("HxW|dynamic")] = "dynamic"
    """Size of the images that the file takes: one size, as in 384x512, or any."""

    def __post_init__(self) -> None:
        if self.size != "dynamic" and re.fullmatch(r"\d+x\d+", self.size) is None:
            raise UsageError(f"--size {self.size}: expected HEIGHTxWIDTH, as in 384x512, or dynamic")
        if Path(self.out).suffix != ".onnx":
            raise UsageError(f"{self.out}: the name of an ONNX file ends in .onnx")

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels; None for any size."""
        if self.size == "dynamic":
            return None
        height, width = self.size.split("x")
        return int(height), int(width)


def export(options: ExportOptions) -> None:
    """Write the networks as an ONNX file for other runtimes (extra [onnx]); docs/onnx.md says how to run it."""
    out, mode = options.out, options.mode
    from relational_iqa.storage.pixel_perfect_weights import load_weights
    from relational_iqa.systems.onnx_export import export_onnx

    networks, meta = load_weights(options.weights)
    facts = export_onnx(out, networks, meta, mode, options.fixed_size)
    size_mb = Path(out).stat().st_size / 1e6
    print(f"{mode} of {facts['weights']} ({facts['weights_sha256'][:12]}), size {facts['size']}, {size_mb:.1f} MB")
    print(f"onnx: {full_path(out)}")
