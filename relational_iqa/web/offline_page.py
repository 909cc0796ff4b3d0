"""A folder with a page that runs the networks in a browser: opened as a file, without a server and without a network.

A browser lets a page that was opened as a file read no other file. So the networks and the runtime (onnxruntime-web, an
npm package) are scripts that hold their bytes as base64. The page forbids itself every connection
(`connect-src 'none'`): what is chosen there cannot leave the computer.
"""

import base64
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.report.html import render_page, write_page
from relational_iqa.results.words.margins import TIE_MARGIN
from relational_iqa.systems.choices import OnnxMode
from relational_iqa.systems.onnx_export import export_onnx
from relational_iqa.tiling.tile_geometry import GRID_PX

PAGE = "index.html"
RUNTIME_SCRIPT, RUNTIME_BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
"""Of onnxruntime-web, for processors; in its folder dist."""
PACKAGE = "onnxruntime-web"
MAX_PIXELS = 2_000_000
"""The networks see the image as a whole there: memory grows by about 1 kB a pixel."""


def find_runtime(place: str | None) -> Path:
    """The folder with the two files of the runtime.

    Args:
        place: the npm package, its folder dist, or a folder that has it in node_modules; None for the current folder.

    Raises:
        UsageError: where the files are not there.
    """
    root = Path(place or ".")
    for folder in (root, root / "dist", root / PACKAGE / "dist", root / "node_modules" / PACKAGE / "dist"):
        if all((folder / name).is_file() for name in (RUNTIME_SCRIPT, RUNTIME_BINARY)):
            return folder
    raise UsageError(
        f"{root}: has no {PACKAGE} ({RUNTIME_SCRIPT}, {RUNTIME_BINARY}); run: npm install {PACKAGE}, and name the "
        "folder where that was done with --runtime"
    )


def write_offline_page(
    folder: str | Path, networks: Networks, weights: Mapping[str, Any], mode: OnnxMode, runtime: Path
) -> dict[str, str]:
    """Writes the page, the networks and the runtime into a folder, and returns the metadata of the networks.

    Args:
        folder: where to write; missing folders are made.
        networks: what runs there.
        weights: {"name", "sha256"} of the weights.
        mode: "compare" for two images, "score" for an image and its reference.
        runtime: as of `find_runtime`.

    Raises:
        UsageError: where the package onnx is missing, or the folder cannot be written.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "riqa.onnx"
        facts = export_onnx(path, networks, weights, mode)
        _write_script(target / "networks.js", {"networks": path})
    script = (runtime / RUNTIME_SCRIPT).read_text(encoding="utf-8")
    _write_script(target / "runtime.js", {"binary": runtime / RUNTIME_BINARY}, {"script": script})
    page = render_page(
        "offline.html.j2",
        mode=mode,
        roles=("a", "b") if mode == "compare" else ("test", "reference"),
        labels=("One image", "The other image") if mode == "compare" else ("The image", "Its reference"),
        grid=GRID_PX,
        max_pixels=MAX_PIXELS,
        axes=json.dumps([{"name": axis.name.replace("_", " "), "more": axis.more, "less": axis.less} for axis in AXES]),
        tie=TIE_MARGIN,
        facts=facts,
    )
    write_page(page, target / PAGE)
    return facts


def _write_script(path: Path, binaries: Mapping[str, Path], texts: Mapping[str, str] | None = None) -> None:
    """A script that puts bytes (as base64) and texts into the object `riqa` of the page."""
    lines = ["window.riqa = window.riqa || {};"]
    for name, file in binaries.items():
        lines.append(f'riqa.{name} = "{base64.b64encode(file.read_bytes()).decode()}";')
    lines += [f"riqa.{name} = {json.dumps(text)};" for name, text in (texts or {}).items()]
    with atomic_file(path) as stream:
        stream.write("\n".join(lines).encode())
