"""Keeps decoders from writing to stderr: the ImageError alone says what is wrong with a file."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

from PIL import Image

_LOGGERS = ("PIL", "imagecodecs")

_lock = threading.Lock()
_inside = 0
_undo = ExitStack()
_ears = threading.local()


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Drops what decoders say by themselves while any thread is inside, and changes nothing of the process after that.

    Python warnings are ignored, the libtiff inside Pillow prints nothing, and log records of Pillow and imagecodecs
    reach only handlers that the program has set. The state is the process's, so the first thread that enters saves it
    and the last that leaves restores it.
    """
    global _inside
    with _lock:
        if not _inside:
            _silence(_undo)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _undo.close()


@contextmanager
def heard_warnings() -> Iterator[list[str]]:
    """Collects what imagecodecs logs in this thread, however the program has set logging up."""
    heard: list[str] = []
    with quiet_decoders():
        _ears.heard = heard
        try:
            yield heard
        finally:
            del _ears.heard


def _silence(undo: ExitStack) -> None:
    undo.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    for name in _LOGGERS:
        handler = logging.NullHandler()  # without any handler, records would go to stderr
        logging.getLogger(name).addHandler(handler)
        undo.callback(logging.getLogger(name).removeHandler, handler)
    _listen(logging.getLogger("imagecodecs"), undo)
    set_handler = _tiff_handler_setter()
    if set_handler is not None:
        undo.callback(set_handler, set_handler(None))


def _listen(logger: logging.Logger, undo: ExitStack) -> None:
    """Lets a thread that is inside `heard_warnings` have its records, all others go the way they went."""
    enabled, handle = logger.isEnabledFor, logger.handle

    def heard_or_handled(record: logging.LogRecord) -> None:
        heard = getattr(_ears, "heard", None)
        if heard is not None:
            heard.append(record.getMessage())
        elif enabled(record.levelno):
            handle(record)

    # Levels, filters and `logging.disable` are the program's; these two methods come before them.
    for name, method in (("isEnabledFor", lambda level: True), ("handle", heard_or_handled)):
        setattr(logger, name, method)
        undo.callback(delattr, logger, name)


@cache
def _tiff_handler_setter() -> Callable[[Any], Any] | None:
    """libtiff's TIFFSetErrorHandler, which returns the former handler; None where Pillow does not export it.

    A symbol is also looked up in the libraries that Pillow's module is linked with. Where libtiff is linked statically
    (Windows) there is none, and libtiff keeps printing.
    """
    try:
        setter = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError, TypeError):
        return None
    setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    found: Callable[[Any], Any] = setter
    return found
