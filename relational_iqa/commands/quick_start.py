"""A quick start and a quick end of the program `riqa`, for commands that answer one question.

`import torch` takes half of the processor time of a small comparison. A fifth of that are two of its modules that no
comparison needs: the Python versions of what operators do to shapes, for tensors without data, and the docstrings of
tensors. They are imported when something asks for them. At the end, an interpreter tears down some two thousand
modules one by one before the operating system takes the memory of all at once.

Only the program does this, never the package: who imports `relational_iqa` gets torch as it is.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

DEFERRED = ("torch._meta_registrations", "torch._tensor_docs")


def defer_modules(names: Sequence[str] = DEFERRED) -> None:
    """From now on, `import` of one of these modules runs it only when something of it is used."""
    sys.meta_path.insert(0, _Finder(frozenset(names)))


def end_process(code: int) -> None:
    """Ends this process with an exit code: as `sys.exit` does, with functions of `atexit` called and output written,
    but without tearing down the interpreter. Threads that still run are not waited for."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # a command tells about output that cannot be written before it comes to its end
            stream.flush()
    os._exit(code)


class _Finder(MetaPathFinder):
    """Finds the deferred modules, where they would be found without it."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path) if name in self._names else None
        if found is not None and found.loader is not None:
            found.loader = _Later(found.loader)
        return found


class _Later(Loader):
    """Runs a module when an attribute is asked of it that it does not have yet."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        def load(attribute: str) -> Any:
            if attribute == "__path__":  # asked of every module; these are no packages
                raise AttributeError(attribute)
            del module.__dict__["__getattr__"]
            self._loader.exec_module(module)
            return getattr(module, attribute)

        module.__dict__["__getattr__"] = load
