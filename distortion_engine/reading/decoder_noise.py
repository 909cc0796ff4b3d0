"""Keeps decoders from speaking on stderr by themselves: what is wrong with a file is said by the ImageError alone."""

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_lock = threading.Lock()
_inside = 0
_filters = warnings.catch_warnings()


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Python warnings are dropped while any thread is inside (`warnings.catch_warnings` alone is for one thread)."""
    global _inside, _filters
    with _lock:
        if not _inside:
            _filters = warnings.catch_warnings()
            _filters.__enter__()
            warnings.simplefilter("ignore")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _filters.__exit__(None, None, None)


def silence_decoders() -> None:
    """For the whole process: log records of Pillow and imagecodecs go to handlers that the program has set, else
    nowhere; the libtiff inside Pillow prints nothing."""
    for name in ("PIL", "imagecodecs"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        # A symbol is looked up in the libraries that Pillow's module is linked with, too; where it is linked statically
        # (Windows) there is none, and libtiff keeps talking.
        set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError, TypeError):
        return
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    set_handler(None)
