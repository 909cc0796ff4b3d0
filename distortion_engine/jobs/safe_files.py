"""Files that appear complete or not at all, also where a run is killed or the disk is full; folders with one writer."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from distortion_engine.errors import UsageError

_PARTIAL = ".partial"
_HASHING_THREADS = 4
_LONGEST_NAME = 250  # bytes, of most file systems
_OPEN_FILES = ("/dev/std", "/dev/fd/", "/proc/")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The workers of a killed run notice it within a second (`engines`); until then they hold its lock.
_LOCK_PATIENCE_S = 5.0


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that gets its name when the block ends and its bytes are on the disk, and leaves nothing when the
    block raises.

    Of a symbolic link, the file that it points to is replaced, not the link. A device or a pipe, such as /dev/null, is
    written to when the block ends, and stays.

    Raises:
        UsageError: when it cannot be written.
    """
    try:
        if is_device(path):
            content = BytesIO()
            yield content
            with open(path, "ab") as device:
                device.write(content.getbuffer())
            return
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        partial = _partial_of(target)
        try:
            with open(partial, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except OSError as error:
        raise UsageError(cannot_write(path, error)) from error


def is_device(path: Path) -> bool:
    """Whether `path` is a character device or a pipe, or a name of one of the open files of this process. UsageError
    for a block device and a socket, which nothing is written to."""
    try:
        mode = os.stat(path).st_mode
    except OSError:  # not there yet, or not to be reached, which writing will tell
        return False
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise UsageError(f"{path}: is a {'disk' if stat.S_ISBLK(mode) else 'socket'}; give a file to write")
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or os.path.abspath(path).startswith(_OPEN_FILES)


def _partial_of(path: Path) -> Path:
    host, thread = platform.node() or "host", threading.get_ident()
    own = f"{host[:32]}-{os.getpid()}-{thread}{_PARTIAL}"
    name = path.name if len(os.fsencode(path.name)) + len(own) < _LONGEST_NAME else _short_hash(path.name)
    return path.with_name(f".{name}.{own}")


def _short_hash(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def cannot_write(path: Path, error: OSError) -> str:
    """One line: what could not be written, why, and the remedy."""
    remedy = "give a folder that you may write to"
    if error.errno in _NO_ROOM:
        remedy = "make room and give the same command again: what is complete stays and is not made again"
    return f"{path}: cannot be written ({error.strerror or error}); {remedy}"


def check_writable(folder: Path) -> None:
    """Makes and removes a file in `folder`; UsageError where that fails."""
    probe = folder / f".probe-{os.getpid()}{_PARTIAL}"
    try:
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(cannot_write(folder, error)) from error


def make_folder_of(path: Path) -> None:
    """Makes the folder of a file, and those above it, where they are missing; UsageError, with the file, where that
    cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(cannot_write(path, error)) from error


def make_folder(folder: Path) -> None:
    """Makes `folder`, and those above it, where they are missing, and proves that it can be written; UsageError where
    not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(cannot_write(folder, error)) from error
    check_writable(folder)


def remove_partials(folder: Path) -> None:
    """Removes what `atomic_file` left in `folder` where a process was killed."""
    for path in folder.glob(f".*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def is_partial(path: Path) -> bool:
    """Whether `atomic_file` would have named a file so before it was complete."""
    return path.name.startswith(".") and path.name.endswith(_PARTIAL)


def file_sha256(path: Path) -> str:
    """Of the bytes of a file, hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_sha256_once(path: Path) -> str:
    """The same, computed once a process for as long as time and size of the file stay the same."""
    state = path.stat()
    return _cached_sha256(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=65536)
def _cached_sha256(path: Path, changed_ns: int, size: int) -> str:
    return file_sha256(path)


def file_hashes(paths: Iterable[Path]) -> list[str]:
    """The sha256 of each file, hexadecimal; "" for one that cannot be read."""

    def hash_or_nothing(path: Path) -> str:
        try:
            return file_sha256(path)
        except OSError:
            return ""

    with ThreadPoolExecutor(_HASHING_THREADS) as threads:  # hashing lets go of the interpreter
        return list(threads.map(hash_or_nothing, paths))


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keeps a second run out of `folder` during the block, where the system can: UsageError in the second run. The lock
    leaves no file and ends with the process."""
    patience = time.monotonic() + _LOCK_PATIENCE_S

    def busy() -> None:
        if time.monotonic() > patience:
            raise UsageError(f"{folder}: another run is writing here; wait until it ends or give another folder")

    with locked(folder, busy):
        yield


@contextmanager
def locked(folder: Path, busy: Callable[[], None]) -> Iterator[None]:
    """The block with `folder` to itself, where the system can tell: not on Windows, nor on a file system without locks.
    busy: called again and again while another process is in such a block; what it raises ends the waiting. A process
    that dies lets go."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                busy()
                time.sleep(0.1)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """So that a new name survives a power cut; Windows cannot and need not."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
