"""Former module paths kept importable: importing one gives the module of today, with a DeprecationWarning."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False  # without `typing`: every program imports this first, and until then Ctrl-C is a traceback
if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    Loader = MetaPathFinder = object  # `importlib.abc` imports half of the standard library


class _Alias(Loader):
    """Loads the module at `path`, and leaves what it knows of itself as it is."""

    def __init__(self, path: str) -> None:
        self._path = path

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} is now {self._path}", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(self._path)
        self._own_spec, self._own_loader = module.__spec__, module.__loader__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__, module.__loader__ = self._own_spec, self._own_loader


class _Finder(MetaPathFinder):
    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        place = self._places.get(fullname)
        return None if place is None else ModuleSpec(fullname, _Alias(place))


def keep_importable(places: Mapping[str, str]) -> None:
    """Makes every module named by a key of `places` (former path -> path of today) importable by that key."""
    sys.meta_path.append(_Finder(dict(places)))
