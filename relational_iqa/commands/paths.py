"""What a command reads and writes, looked at before any work: no output is an input, and each can be written."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from relational_iqa.commands.options import Option, named, options_of

_FILE_SUFFIXES = (".csv", ".gif", ".htm", ".html", ".json", ".npz", ".pdf", ".svg", ".tar", ".txt", ".xml", ".zip")
_INDEX_FILES = ("index.json", "index.faiss", "recipes.jsonl")  # that `riqa explain` reads in the folder of its --index


def check_paths(options: Any, read: Sequence[str] = ()) -> None:
    """Looks at all paths among the options of a command.

    Args:
        options: dataclass of options; those marked with `Writes` are outputs, all others may name files that are read.
        read: other files that are read.

    Raises:
        UsageError: for an output that is an input or given twice, and for one that cannot be written.
    """
    inputs, outputs = list(read), []
    named_outputs: list[tuple[Option, str]] = []
    for option in options_of(type(options)):
        value = getattr(options, option.name)
        if option.writes:
            outputs += [] if value is None else [(str(value), option.writes)]
            named_outputs += [] if value is None else [(option, str(value))]
        elif option.name == "weights" and value is not None:
            inputs.append(_weights(value))
        elif isinstance(value, str) and not option.choices:
            inputs += [value, *(os.path.join(value, name) for name in _INDEX_FILES if option.name == "index")]
        elif isinstance(value, tuple | list):
            inputs += [each for each in value if isinstance(each, str)]
    if outputs:
        check_outputs(outputs, inputs)
    for option, path in named_outputs:
        if option.writes == "file":
            check_suffix(named(option), path, option.suffixes)
        elif option.writes == "folder":
            check_folder_name(named(option), path)


def check_suffix(option: str, path: str, suffixes: Sequence[str]) -> None:
    """Refuses the name of a file to write that says another format.

    Args:
        option: that the path was given with.
        path: of the file; "-" and devices have no format.
        suffixes: that the name may have; empty for any.

    Raises:
        UsageError: for another one.
    """
    from distortion_engine.jobs.safe_files import is_device

    suffix = Path(path).suffix
    if not suffixes or path == "-" or suffix.lower() in suffixes or os.path.isdir(path) or is_device(Path(path)):
        return
    has = f"ends in {suffix}" if suffix else "has no suffix"
    raise UsageError(f"{option} {path}: {has}; end the name of the file in {' or '.join(suffixes)}")


def check_folder_name(option: str, path: str) -> None:
    """Refuses the name of a folder to make that is that of a file: `--maps maps.png`.

    Args:
        option: that the path was given with.
        path: of the folder; one that is there may have any name.

    Raises:
        UsageError: for such a name.
    """
    from distortion_engine.reading.photos import PHOTO_SUFFIXES

    suffix = Path(path).suffix.lower()
    if suffix in (*PHOTO_SUFFIXES, *_FILE_SUFFIXES) and not os.path.exists(path):
        raise UsageError(f"{option} {path}: is a folder for several files; give a name that does not end in {suffix}")


def check_outputs(outputs: Iterable[tuple[str, str]], inputs: Sequence[str]) -> None:
    """Refuses outputs before any work.

    Args:
        outputs: each with what it is to be: "file", "folder" or "either". "-" is stdout.
        inputs: files and folders that are read.

    Raises:
        UsageError: for an output that is an input (under whatever name), that is given twice, that lies among the
            images of an input folder, that is a folder where a file is meant or the other way, that is a disk or a
            socket, or that cannot be written.
    """
    from distortion_engine.jobs.safe_files import is_device

    read = {identity: path for path in inputs if (identity := _identity(path)) is not None}
    folders = [path for path in inputs if os.path.isdir(path)]
    taken = {os.path.realpath(path) for path in inputs if not os.path.isdir(path)}  # also where no file is there yet
    for path, what in outputs:
        if path == "-":
            continue
        _check_kind(path, what)
        identity = _identity(path)
        if is_device(Path(path)):
            continue
        real = os.path.realpath(path)
        if real in taken or (identity in read and not os.path.isdir(path)):
            raise UsageError(f"{path}: is an input or given twice; write to another file")
        if identity is not None and os.path.isfile(path) and _is_image_within(real, folders):
            raise UsageError(f"{path}: is an input, an image of a folder that is read; write to another file")
        taken.add(real)
        _check_writable(path)


def check_map_folder(folder: str, inputs: Sequence[str]) -> None:
    """Refuses, before any work, a folder for maps in which a map would replace an image that is read.

    Args:
        folder: where the maps of one pair go.
        inputs: files that are read.

    Raises:
        UsageError: where a map has the name of an input.
    """
    from relational_iqa.report.map_pictures import map_file_names

    check_outputs([(os.path.join(folder, name), "file") for name in map_file_names()], inputs)


def check_map_root(folder: str, inputs: Sequence[str]) -> None:
    """Refuses a folder for the maps of many pairs that lies within a folder of images: they would be read as images
    next time.

    Args:
        folder: where the maps go, a sub-folder a pair.
        inputs: folders that are read.

    Raises:
        UsageError: where the one is, or lies within, one of the others.
    """
    real = Path(os.path.realpath(folder))
    for path in inputs:
        if os.path.isdir(path) and Path(os.path.realpath(path)) in (real, *real.parents):
            raise UsageError(f"--maps {folder}: lies within {path}, whose images are read; give a folder outside of it")


def _weights(value: str) -> str:
    """The file that is meant; the word itself where there is none, which whoever loads the weights says."""
    from relational_iqa.storage.shipped import find_weights

    try:
        return str(find_weights(value))
    except (UsageError, OSError, ValueError):
        return value


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a file from all others, whatever its names; None where there is none."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return state.st_dev, state.st_ino


def _check_kind(path: str, what: str) -> None:
    from distortion_engine.jobs.safe_files import cannot_write

    try:
        os.stat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(cannot_write(Path(path), error)) from error
    except ValueError as error:
        raise UsageError(f"{path!r}: is no path ({error})") from error
    if what == "file" and os.path.isdir(path):
        raise UsageError(f"{path}: is a folder; give a file to write")
    if what == "folder" and not os.path.isdir(path):
        raise UsageError(f"{path}: is a file; give a folder to write")


def _is_image_within(real: str, folders: Iterable[str]) -> bool:
    from distortion_engine.reading.photos import PHOTO_SUFFIXES

    above = {str(parent) for parent in Path(real).parents}
    return Path(real).suffix.lower() in PHOTO_SUFFIXES and any(os.path.realpath(folder) in above for folder in folders)


def _check_writable(path: str) -> None:
    """Tries the folder of an output, or the nearest one above it that is there: nothing is made."""
    from distortion_engine.jobs.safe_files import cannot_write, check_writable

    for folder in _above(Path(os.path.realpath(path))):
        if folder.is_dir():
            try:
                check_writable(folder)
            except UsageError as error:
                reason = error.__cause__
                raise UsageError(cannot_write(Path(path), reason) if isinstance(reason, OSError) else error) from error
            return
        if os.path.lexists(folder):
            raise UsageError(f"{path}: cannot be written: {folder} is a file; give another path")


def _above(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield path
    yield from path.parents
