"""Where memory comes from and goes to: pages of the system, and whether the C library keeps freed memory for the next
tensor (fast) or gives it back to the system (small).

`use_huge_pages` and `keep_freed_memory` are for programs: commands and worker processes call them, an import or a
`load()` does not.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Of glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # of torch
_ARENA_MAX = -8
_KEPT_BYTES = 64 << 20
_APART_BYTES = 16 << 20

_kept = False  # whether `keep_freed_memory` was called; glibc has no getter


def use_huge_pages() -> None:
    """Makes torch ask Linux for pages of 2 MiB for tensors of 2 MiB and more, by an environment variable that torch
    reads when it is imported: call it before that. A value that the variable already has stays.

    Large tensors are mapped anew each time. With pages of 4 KiB that takes up to half of the time of a comparison of
    large images; with these pages a third of it.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault(_HUGE_PAGES, "1")


def keep_freed_memory() -> bool:
    """Tells glibc, for the whole process, to serve blocks of up to 64 MiB from its heap and to keep that much of them
    when they are freed. Returns True where that could be done (Linux with glibc).

    By default every tensor over 128 KiB is mapped anew and its pages are zeroed by the kernel. For images of half a
    megapixel that takes a tenth of the time of a comparison. Larger blocks are still given back at once, so large
    images need no more memory.
    """
    global _kept
    _set(_ARENA_MAX, 2)
    _kept = _set(_M_MMAP_THRESHOLD, _KEPT_BYTES) and _set(_M_TRIM_THRESHOLD, 16 * _KEPT_BYTES)
    return _kept


@contextmanager
def large_blocks_apart() -> Iterator[None]:
    """After `keep_freed_memory`: maps blocks of 16 MiB and more one by one, and unmaps them when they are freed.

    Served from one heap they leave holes that the next ones do not fit, and over many tiles the process grows to twice
    of what is in use. Smaller blocks stay in the heap, because mapping a page takes the system as long as filling it
    takes the networks. Without `keep_freed_memory` nothing changes: glibc maps large blocks by default.
    """
    changed = _kept and _set(_M_MMAP_THRESHOLD, _APART_BYTES)
    if changed:
        give_back_freed_memory()
    try:
        yield
    finally:
        if changed:
            _set(_M_MMAP_THRESHOLD, _KEPT_BYTES)


def give_back_freed_memory() -> None:
    """Gives free pages of the heap to the system (glibc; elsewhere nothing happens)."""
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def _set(option: int, value: int) -> bool:
    library = _library()
    return library is not None and bool(library.mallopt(option, value))


def _library() -> Any:
    """The C library, where it has what is needed here: glibc."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
    except OSError:
        return None
    return library if all(hasattr(library, name) for name in ("mallopt", "malloc_trim")) else None
