"""Decoders that are not installed with the package, but with one of its extras."""

from importlib import import_module
from typing import Any

from distortion_engine.reading.refusals import unsupported


def extra(module: str, name_of_extra: str, what: str, name: str) -> Any:
    """The module, imported. Raises ImageError, which says how to install it, where it is not there.

    Args:
        module: that is imported.
        name_of_extra: of `pip install "relational-iqa[...]"`.
        what: kind of file, for the message.
        name: of the file.
    """
    try:
        return import_module(module)
    except ImportError as error:
        remedy = f'pip install "relational-iqa[{name_of_extra}]", or convert the file to PNG'
        raise unsupported(name, f"{what} without its decoder", remedy) from error
