"""riqa score without --reference: the MOS of single images by the pMOS system."""

from pathlib import Path

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import check_outputs, display_names, finish


def score_alone(
    images: list[str],
    json: str | None = None,
    weights: str | None = None,
    max_pixels: int | None = None,
    maps: str | None = None,
) -> None:
    """MOS of images by themselves, 1 (bad) to 5 (excellent). maps: folder for a picture of each map."""
    check_outputs((json,), images)
    names = display_names(images)
    pictures = {} if maps is None else _picture_files(Path(maps), images)
    from distortion_engine.reading.image_io import MAX_PIXELS, load_image, save_image, to_uint8
    from relational_iqa.systems.pmos import load

    try:
        model = load(weights)
    except UsageError as error:
        if weights is not None:
            raise
        raise UsageError(
            f"score without --reference needs pMOS weights ({error}); give --reference R, or train them: "
            "riqa pretrain --config experiments/pmos/cpu.yaml"
        ) from error
    lines, scores = [], []
    for path, name in zip(images, names, strict=True):
        image = load_image(path, max_pixels=max_pixels or MAX_PIXELS)
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
        lines.append(f"maps (orange: where MOS is lost): {Path(str(maps)).resolve()}")
    finish(lines, {"scores": scores, "reference": None}, json)


def _picture_files(folder: Path, images: list[str]) -> dict[str, Path]:
    files = {path: folder / f"{Path(path).stem}-pmos.png" for path in images}
    if len(set(files.values())) < len(files):
        raise UsageError(f"--maps {folder}: two images have the same name; score them one by one")
    taken = {Path(path).resolve() for path in images} & {file.resolve() for file in files.values()}
    if taken:
        raise UsageError(f"--maps {folder}: would write over {taken.pop()}; give another folder")
    return files
