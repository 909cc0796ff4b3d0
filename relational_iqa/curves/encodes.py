"""Which codec, picture and setting each file of a folder is of.

With one reference, every image of the folder is an encode of it. With a folder of references, an encode belongs to the
reference whose name its own name, or one of its folders, begins with: `kodim01_q80.jpg`, `kodim01/q80.jpg`. The codec
is the first sub-folder that is no picture, else the suffix. The setting is the rest of the name or, where there is
none, the sub-folders below the codec: `avif/q80/kodim01.avif`. Or a pattern says all three.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from relational_iqa.folders.pairing import list_images

CODECS = {".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".jp2": "jpeg2000", ".j2k": "jpeg2000", ".jxl": "jxl"}
GROUPS = ("codec", "picture", "setting")


@dataclass(frozen=True)
class Encode:
    """One file.

    Args:
        file: where it is.
        codec: of whom it is.
        picture: name of the reference.
        reference: its file.
        setting: what tells it from the other encodes of this picture by this codec.
    """

    file: Path
    codec: str
    picture: str
    reference: Path
    setting: str


def find_encodes(folder: str, reference: str, pattern: str | None = None) -> list[Encode]:
    """The encodes below a folder, by picture, codec and name.

    Args:
        folder: of encodes, sub-folders included.
        reference: an image, or a folder of images.
        pattern: regular expression that is searched for in the path below the folder (with "/"); the groups `codec`,
            `picture` and `setting` replace what the names say.

    Raises:
        UsageError: for a folder without images, an encode that belongs to no reference, and a pattern that is none.
    """
    compiled = _compiled(pattern)
    files = list_images(folder)
    single = None if Path(reference).is_dir() else Path(reference)
    references = (
        {}
        if single is not None
        else {str(PurePosixPath(n).with_suffix("")): p for n, p in list_images(reference).items()}
    )
    found = []
    for name, file in files.items():
        own = _groups(compiled, name, pattern)
        if single is not None:
            picture: str | None = single.stem
        else:
            picture = own.get("picture") or picture_of(name, list(references))
            if picture not in references:
                raise UsageError(
                    f"{file}: belongs to no image of {reference}; begin its name, or that of its folder, with the name "
                    "of one, or give --pattern"
                )
        path = PurePosixPath(name)
        folders = [part for part in path.parts[:-1] if single is not None or not _begins(part, str(picture))]
        codec = own.get("codec") or (
            folders[0] if folders else CODECS.get(path.suffix.lower(), path.suffix.lower()[1:])
        )
        setting = own.get("setting") or _setting(path, str(picture)) or "/".join(folders[1:]) or path.stem
        found.append(
            Encode(
                file, printable(codec), printable(str(picture)), single or references[str(picture)], printable(setting)
            )
        )
    return sorted(found, key=lambda one: (one.picture, one.codec, str(one.file)))


def picture_of(name: str, pictures: Sequence[str]) -> str | None:
    """The longest name of a picture that a part of a path begins with; None where none does."""
    fitting = [picture for picture in pictures if any(_begins(part, picture) for part in PurePosixPath(name).parts)]
    return max(fitting, key=len, default=None)


def _begins(part: str, picture: str) -> bool:
    """Whether a part of a path is the name of the picture, alone or with more behind a character that is no letter."""
    rest = part.removeprefix(picture)
    return part.startswith(picture) and (not rest or not rest[0].isalnum())


def _setting(path: PurePosixPath, picture: str) -> str:
    stem = path.stem
    return (stem.removeprefix(picture) if _begins(stem, picture) else stem).lstrip("-_. ")


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--pattern {pattern}: is no regular expression ({error})") from error
    if not set(compiled.groupindex) & set(GROUPS):
        raise UsageError(
            f"--pattern {pattern}: has none of the groups (?P<codec>...), (?P<picture>...), (?P<setting>...)"
        )
    return compiled


def _groups(compiled: re.Pattern[str] | None, name: str, pattern: str | None) -> dict[str, str]:
    if compiled is None:
        return {}
    match = compiled.search(name)
    if match is None:
        raise UsageError(f"{name}: does not fit --pattern {pattern}")
    return {key: value for key, value in match.groupdict().items() if value}
