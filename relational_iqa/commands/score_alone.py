"""riqa score without --reference: the MOS of single images by the pMOS system."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import check_outputs, display_names, finish, load_system
from relational_iqa.commands.score import ScoreOptions


def score_alone(options: ScoreOptions) -> None:
    """Prints the MOS of each image by itself, 1 (bad) to 5 (excellent), and writes the pictures and the JSON asked for.

    Raises UsageError for outputs that would write over an input or one another, ImageError for images.
    """
    images = options.images
    check_outputs((options.json,), images)
    names = display_names(images)
    pictures = {} if options.maps is None else _picture_files(Path(options.maps), images)
    from distortion_engine.reading.image_io import MAX_PIXELS, load_image, save_image, to_uint8

    model = _load_pmos(options.weights)
    lines, scores = [], []
    for path, name in zip(images, names, strict=True):
        image = load_image(path, max_pixels=options.max_pixels or MAX_PIXELS)
        result = model.score(image, name=name)
        entry = result.to_json() | {"file": path}
        if path in pictures:
            import torch

            picture = torch.from_numpy(result.picture(to_uint8(image))).permute(2, 0, 1).float() / 255
            pictures[path].parent.mkdir(parents=True, exist_ok=True)
            save_image(picture, pictures[path])
            entry["map"] = str(pictures[path])
        lines.append(result.summary())
        scores.append(entry)
    if pictures:
        lines.append(f"maps (orange: where MOS is lost): {Path(str(options.maps)).resolve()}")
    finish(lines, {"scores": scores, "reference": None}, options.json)


def _load_pmos(weights: str | None) -> Any:
    """The model; where shipped weights are missing, UsageError says how to train some."""
    try:
        return load_system("pmos", weights)
    except UsageError as error:
        if weights is not None:
            raise
        raise UsageError(
            f"score without --reference needs pMOS weights ({error}); give --reference R, or train them: "
            "riqa pretrain --config experiments/pmos/cpu.yaml"
        ) from error


def _picture_files(folder: Path, images: Sequence[str]) -> dict[str, Path]:
    """Image -> the file of its picture. Raises UsageError where two would be one, or one is an image."""
    files = {path: folder / f"{Path(path).stem}-pmos.png" for path in images}
    if len(set(files.values())) < len(files):
        raise UsageError(f"--maps {folder}: two images have the same name; score them one by one")
    taken = {Path(path).resolve() for path in images} & {file.resolve() for file in files.values()}
    if taken:
        raise UsageError(f"--maps {folder}: would write over {taken.pop()}; give another folder")
    return files
