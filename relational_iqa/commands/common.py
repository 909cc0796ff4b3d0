"""What several commands share: reading images, refusing outputs before any work, writing results, common options."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt

from distortion_engine.errors import UsageError

if TYPE_CHECKING:
    import torch


def load_images(paths: list[str], max_pixels: int | None, align: str | None = None) -> "list[torch.Tensor]":
    """The images (3, H, W) of `paths`, brought to one size by `align` ("resize", "crop"); None refuses other sizes.

    Raises ImageError naming the file or both sizes.
    """
    from distortion_engine.image_io import MAX_PIXELS, load_image
    from relational_iqa.alignment import match_sizes

    images = [(path, load_image(path, max_pixels=max_pixels or MAX_PIXELS)) for path in paths]
    return match_sizes(images, align)


def load_model(weights: str | None) -> Any:
    """The shipped model, or the one in the file `weights`."""
    import relational_iqa

    return relational_iqa.load() if weights is None else relational_iqa.load(weights)


def display_names(paths: list[str]) -> list[str]:
    """File names without folder where those differ, else the paths as given."""
    names = [Path(path).name for path in paths]
    return names if len(set(names)) == len(names) else paths


def check_outputs(outputs: Sequence[str | None], inputs: list[str]) -> None:
    """Refuse to write over an input or two results to one file, before any work."""
    taken = {Path(path).resolve() for path in inputs}
    for path in outputs:
        if path is not None and path != "-":
            if Path(path).resolve() in taken:
                raise UsageError(f"{path}: is an input or given twice; write to another file")
            if Path(path).is_dir():
                raise UsageError(f"{path}: is a folder; give a file to write")
            taken.add(Path(path).resolve())


def finish(lines: list[str], content: dict[str, Any], target: str | None) -> None:
    """Print the lines for people, and the JSON where it was asked for: stdout is then JSON alone."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if target == "-":
        print(*lines, sep="\n", file=sys.stderr)
        sys.stdout.write(text)
        return
    if target is not None:
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        lines = [*lines, f"json: {path.resolve()}"]
    print(*lines, sep="\n")


def add_model_options(parser: ArgumentParser) -> None:
    """--json, --align, --weights and --max-pixels, of every command that loads images and compares them."""
    parser.add_argument("--json", type=str, metavar="PATH|-", help="write the result as JSON, - for stdout")
    parser.add_argument("--align", choices=("resize", "crop"), help="what to do with images of different sizes")
    parser.add_argument("--weights", type=str, metavar="W", help="other weights than the shipped ones")
    parser.add_argument("--max-pixels", type=PositiveInt, metavar="N", help="largest width x height to decode")


def add_reference_option(parser: ArgumentParser) -> None:
    """--reference, the pristine image."""
    parser.add_argument("--reference", type=str, metavar="R", help="the pristine image, if there is one")
