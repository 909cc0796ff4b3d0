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

    out: Annotated[str | None, Positional("OUT"), Writes(suffixes=(".onnx",))] = None
    """The file to write, *.onnx."""
    page: Annotated[str | None, Metavar("DIR"), Writes("folder")] = None
    """Writes a folder with a page that runs the networks in a browser, without a server and without a network."""
    runtime: Annotated[str | None, Metavar("DIR")] = None
    """Where `npm install onnxruntime-web` was done; the current folder if not given. For --page."""
    mode: OnnxMode = "compare"
    """What the file computes: two images without a reference (compare), or one against its reference (score)."""
    size: Annotated[str, Metavar("HxW|dynamic")] = "dynamic"
    """Size of the images that the file takes: one size, as in 384x512, or any."""

    def __post_init__(self) -> None:
        if self.size != "dynamic" and re.fullmatch(r"\d+x\d+", self.size) is None:
            raise UsageError(f"--size {self.size}: expected HEIGHTxWIDTH, as in 384x512, or dynamic")
        if self.out is None and self.page is None:
            raise UsageError("export needs a file to write, as riqa.onnx, or --page DIR")
        if self.page is not None and self.size != "dynamic":
            raise UsageError(f"--size {self.size}: the page takes images of any size; leave it out")
        if self.runtime is not None and self.page is None:
            raise UsageError(f"--runtime {self.runtime}: is for --page DIR")
        if self.out is not None and Path(self.out).suffix != ".onnx":
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
    from relational_iqa.storage.pixel_perfect_weights import load_weights
    from relational_iqa.systems.onnx_export import export_onnx

    out, mode = options.out, options.mode
    if options.page is not None:
        from relational_iqa.web.offline_page import PAGE, find_runtime, write_offline_page

        runtime = find_runtime(options.runtime)
        networks, meta = load_weights(options.weights)
        facts = write_offline_page(options.page, networks, meta, mode, runtime)
        print(f"{mode} of {facts['weights']} ({facts['weights_sha256'][:12]}), runs in a browser, offline")
        print(f"page: {full_path(Path(options.page) / PAGE)}")
    if out is None:
        return
    networks, meta = load_weights(options.weights)
    facts = export_onnx(out, networks, meta, mode, options.fixed_size)
    size_mb = Path(out).stat().st_size / 1e6
    print(f"{mode} of {facts['weights']} ({facts['weights_sha256'][:12]}), size {facts['size']}, {size_mb:.1f} MB")
    print(f"onnx: {full_path(out)}")
