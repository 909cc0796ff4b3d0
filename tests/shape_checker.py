"""The checker behind the annotated shapes: beartype, with what a type checker allows and what functions refuse."""

import functools
import inspect
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Set
from types import CodeType, FunctionType
from typing import Any, Literal

import jaxtyping
import numpy as np
import torch
from beartype import BeartypeConf, FrozenDict, beartype
from torch import Tensor
from torch.nn import Parameter

# Choices that functions refuse by themselves, with a message for users that tests read: the check would come first.
_OWN_REFUSALS = (Literal["auto", "resize", "crop"], Literal["mean", "sum", "none"], Literal["pair", "reference"])
# Every union of what may be an image has paths in it; what is no image is refused by the functions themselves, too.
_ANY_IMAGE = {os.PathLike[str]: object}

check = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # an int may stand for a float
        hint_overrides=FrozenDict(dict.fromkeys(_OWN_REFUSALS, str) | _ANY_IMAGE),
    )
)


class _Running(threading.local):
    """Of this thread: the checked functions under way, the last one last."""

    def __init__(self) -> None:
        self.functions: list[Callable[..., Any]] = []


_running = _Running()
_decorate = jaxtyping.jaxtyped
_Key = tuple[Any, ...]
_MOST_KEYS = 2000  # of one function
_LONGEST, _DEEPEST = 32, 4  # lists and dictionaries that are looked through


class _Checker:
    """The checker of a function, or of all functions that one place inside of a function makes."""

    def __init__(self, function: FunctionType, typechecker: Any) -> None:
        self._whole = _decorate(_stand_in(function), typechecker=typechecker)
        self._passed: dict[_Key, set[_Key]] = {}  # arguments -> results
        self._by_id = any("{" in repr(each) for each in function.__annotations__.values())  # sizes that an object has

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `function` returns. A check decides by kinds, shapes and numbers, so what passed once passes again."""
        given = None if torch.jit.is_tracing() else _described((*args, kwargs), self._by_id)
        if given is None:
            return self._check(function, args, kwargs)
        results = self._passed.get(given)
        if results is None:
            result = self._check(function, args, kwargs)
            results = self._passed.setdefault(given, set()) if len(self._passed) < _MOST_KEYS else set()
        else:
            result = function(*args, **kwargs)
            found = _described(result)
            if found in results:
                return result
            self._check(lambda *_, **__: result, args, kwargs)
        found = _described(result)
        if found is not None:
            results.add(found)
        return result

    def _check(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _running.functions.append(function)
        try:
            return self._whole(*args, **kwargs)
        finally:
            _running.functions.pop()


_inner: dict[tuple[str, CodeType], _Checker] = {}


def checked(function: Any = None, *, typechecker: Any = check) -> Any:
    """In place of `jaxtyping.jaxtyped`, which would take most of the time of a comparison: a call is checked unless the
    same function had arguments and results of the same kinds, shapes and numbers before, and a function inside of a
    function has the checker of the first of its kind."""
    if function is None:
        return functools.partial(checked, typechecker=typechecker)
    if not isinstance(function, FunctionType):
        return _decorate(function, typechecker=typechecker)
    if "<locals>" in function.__qualname__:
        key = (function.__module__, function.__code__)
        checker = _inner[key] if key in _inner else _inner.setdefault(key, _Checker(function, typechecker))
    else:
        checker = _Checker(function, typechecker)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return checker.call(function, args, kwargs)

    return call


def _stand_in(function: FunctionType) -> FunctionType:
    """A function with the same signature, which calls the last of those under way; it does not keep `function`."""
    running = _running

    def call(*args: Any, **kwargs: Any) -> Any:
        return running.functions[-1](*args, **kwargs)

    made = FunctionType(call.__code__, function.__globals__, function.__name__, None, call.__closure__)
    made.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    return made


_kinds: dict[type, bool] = {}  # whether the check of an object asks for nothing but its kind and sizes that it has


def _described(value: Any, by_id: bool = False, depth: int = 0) -> _Key | None:
    """All that a check can depend on; None where that is not known. by_id: objects by themselves, not by their kind."""
    kind = type(value)
    if kind is Tensor or kind is Parameter or kind is np.ndarray:
        return (kind, value.dtype, *value.shape)
    if kind is tuple or kind is list or kind is dict:
        if len(value) > _LONGEST or depth > _DEEPEST:
            return None
        parts = [_described(part, by_id, depth + 1) for part in (value.values() if kind is dict else value)]
        if None in parts:
            return None
        return (kind, *value, *parts) if kind is dict else (kind, *parts)
    if kind in (int, str, bool, bytes):
        return (kind, value)
    if kind is float:
        return (kind,)
    if kind not in _kinds:
        _kinds[kind] = not issubclass(kind, Tensor | np.ndarray | np.generic | Set | Mapping | deque)
    return ((kind, id(value)) if by_id else (kind,)) if _kinds[kind] else None


jaxtyping.jaxtyped = checked
