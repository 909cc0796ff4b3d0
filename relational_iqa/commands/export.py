"""riqa export: the networks as an ONNX file, for runtimes other than torch."""

import re
from pathlib import Path

from jsonargparse import ArgumentParser

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import check_outputs

MODES = ("compare", "score")


def export(out: str, mode: str = "compare", size: str = "dynamic", weights: str | None = None) -> None:
    """Write the networks as an ONNX file for other runtimes (extra [onnx]); docs/onnx.md says how to run it."""
    fixed = _parse_size(size)
    check_outputs((out,), [] if weights is None else [weights])
    if Path(out).suffix != ".onnx":
        raise UsageError(f"{out}: the name of an ONNX file ends in .onnx")

    from relational_iqa.storage.pixel_perfect_weights import load_weights
    from relational_iqa.systems.onnx_export import export_onnx

    networks, meta = load_weights(weights)
    facts = export_onnx(out, networks, meta, "score" if mode == "score" else "compare", fixed)
    size_mb = Path(out).stat().st_size / 1e6
    print(f"{mode} of {facts['weights']} ({facts['weights_sha256'][:12]}), size {facts['size']}, {size_mb:.1f} MB")
    print(f"onnx: {Path(out).resolve()}")


def _parse_size(size: str) -> tuple[int, int] | None:
    """(height, width) of "HxW"; None of "dynamic"."""
    if size == "dynamic":
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    if found is None:
        raise UsageError(f"--size {size}: expected HEIGHTxWIDTH, as in 384x512, or dynamic")
    return int(found[1]), int(found[2])


def add_options(parser: ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument("out", type=str, metavar="OUT", help="the file to write, *.onnx")
    parser.add_argument("--mode", choices=MODES, default="compare", help="two images, or one against its reference")
    parser.add_argument("--size", type=str, default="dynamic", metavar="HxW|dynamic", help="one size, or any (default)")
    parser.add_argument("--weights", type=str, metavar="W", help="other weights than the shipped ones")
