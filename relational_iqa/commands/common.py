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
from relational_iqa.systems.devices import DEVICES, PRECISIONS

if TYPE_CHECKING:
    import torch

    from relational_iqa.tiling.stored_image import StoredImage

# Options of commands that run the networks: what `add_argument` takes.
DEVICE_OPTIONS: dict[str, dict[str, Any]] = {
    "--device": {"type": str, "metavar": "D", "help": f"where to compute: {', '.join(DEVICES)}; default cpu"},
    "--precision": {"choices": PRECISIONS, "help": "of the networks; default float32, 16 bits need a GPU to be fast"},
}


def load_images(paths: list[str], max_pixels: int | None, align: str | None = None) -> "list[torch.Tensor]":
    """The images (3, H, W) of `paths`, brought to one size by `align` ("resize", "crop"); None refuses other sizes.

    Raises ImageError naming the file or both sizes.
    """
    from distortion_engine.reading.image_io import MAX_PIXELS, load_image
    from relational_iqa.viewing.alignment import match_sizes

    images = [(path, load_image(path, max_pixels=max_pixels or MAX_PIXELS)) for path in paths]
    return match_sizes(images, align)


def open_images(paths: list[str], max_pixels: int | None, align: str | None = None) -> "list[StoredImage]":
    """As `load_images`, but stored as they were decoded: a quarter of the memory, large ones in temporary files."""
    from distortion_engine.reading.image_io import MAX_PIXELS
    from relational_iqa.tiling.stored_image import align_images, open_image

    images = [(path, open_image(path, max_pixels=max_pixels or MAX_PIXELS)) for path in paths]
    return align_images(images, align)


def load_model(weights: str | None, device: str | None = None, precision: str | None = None) -> Any:
    """The shipped model, or the one in the file `weights`, on `device` and in `precision` where those are given."""
    import relational_iqa

    options = {"weights": weights, "device": device, "precision": precision}
    return relational_iqa.load(**{name: value for name, value in options.items() if value is not None})


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


def check_margin(margin: float, fail_below: float | None, what: str) -> None:
    """Ends the program with code 1 and a line on stderr where `margin` (levels) is below `fail_below`."""
    if fail_below is not None and margin < fail_below:
        print(f"riqa: {what} {margin:+.3f} is below --fail-below {fail_below:g}", file=sys.stderr)
        raise SystemExit(1)


def add_model_options(parser: ArgumentParser) -> None:
    """--json, --align, --weights and --max-pixels, of every command that loads images and compares them."""
    parser.add_argument("--json", type=str, metavar="PATH|-", help="write the result as JSON, - for stdout")
    parser.add_argument("--align", choices=("resize", "crop"), help="what to do with images of different sizes")
    parser.add_argument("--weights", type=str, metavar="W", help="other weights than the shipped ones")
    parser.add_argument("--max-pixels", type=PositiveInt, metavar="N", help="largest width x height to decode")


def add_device_options(parser: ArgumentParser) -> None:
    """--device and --precision, of commands that compare images by the networks."""
    for name, options in DEVICE_OPTIONS.items():
        parser.add_argument(name, **options)


def all_paths(images: list[str], reference: str | None) -> list[str]:
    """What is read: the images, then the reference where there is one."""
    return images if reference is None else [*images, reference]


def add_images_option(parser: ArgumentParser) -> None:
    """IMAGES, of one scene."""
    parser.add_argument("images", nargs="+", type=str, metavar="IMAGES", help="images of one scene")


def add_reference_option(parser: ArgumentParser) -> None:
    """--reference, the pristine image."""
    parser.add_argument("--reference", type=str, metavar="R", help="the pristine image, if there is one")
