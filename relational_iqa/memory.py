"""Memory that the C library keeps for the next tensor instead of giving it back to the system after each."""

from __future__ import annotations

import ctypes
import sys

# Of glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20


def keep_freed_memory() -> bool:
    """Tells glibc to serve blocks up to 64 MiB from memory it has, and to keep that much when they are freed; True
    where that could be done (Linux with glibc).

    By default every tensor over 128 KiB is mapped anew and its pages are zeroed by the kernel: on images of half a
    megapixel that is a tenth of the time of a comparison. Larger blocks are still given back at once, so big images
    need no more memory.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
