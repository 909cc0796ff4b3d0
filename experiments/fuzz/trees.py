"""Damage to plain data (of JSON, of YAML): one value, key or level of it is replaced by something hostile."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**40, 0.5, -0.0, 1e308, float("inf"), float("nan"), "",
    " ", "0", "nan", "../../x", "/dev/null", "a\nb", "\x1b[2J", "\udcff", "x" * 5000, [], {}, [[]], [None],
    {"": None}, [0] * 1000, "riqa-small", "\0",
)  # fmt: skip
"""What stands where something else was meant."""


def damaged(rng: random.Random, value: Any, times: Sequence[int] = (1, 1, 1, 2, 3)) -> tuple[str, Any]:
    """What was done, and a damaged copy of a tree of dicts, lists and scalars."""
    value, kinds = copy.deepcopy(value), []
    for _ in range(rng.choice(times)):
        place, key = rng.choice(list(_places(value)) or [(None, None)])
        if place is None:
            return "everything", rng.choice(VALUES)
        kind = rng.choice(list(EDITS))
        EDITS[kind](rng, place, key)
        kinds.append(f"{kind} of {key}")
    return "+".join(kinds)[:200], value


def nested(rng: random.Random) -> Any:
    """A list or mapping within itself, many times."""
    value: Any = []
    for _ in range(rng.choice((5, 50, 400))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _replace(rng: random.Random, place: Any, key: Any) -> None:
    place[key] = copy.deepcopy(rng.choice(VALUES))


def _near(rng: random.Random, place: Any, key: Any) -> None:
    """A number a little or much beside the one that is there; text with another letter."""
    value = place[key]
    if isinstance(value, int | float):
        place[key] = rng.choice((value + 1, value - 1, -value, value * 2, value * 1000, float(value), str(value)))
    elif isinstance(value, str) and value:
        at = rng.randrange(len(value))
        place[key] = value[:at] + rng.choice("0aZ-./\\\x00é") + value[at + 1 :]
    else:
        place[key] = [value]


def _drop(rng: random.Random, place: Any, key: Any) -> None:
    del place[key]


def _rename(rng: random.Random, place: Any, key: Any) -> None:
    if isinstance(place, dict):
        place[rng.choice(("", "x", str(key).upper(), "__class__", "\udcff"))] = place.pop(key)
    else:
        place.insert(key, copy.deepcopy(place[key]))


def _swap(rng: random.Random, place: Any, key: Any) -> None:
    other = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
    place[key], place[other] = place[other], place[key]


def _nest(rng: random.Random, place: Any, key: Any) -> None:
    place[key] = nested(rng)


EDITS = {
    "value": _replace,
    "neighbour": _near,
    "loss": _drop,
    "renaming": _rename,
    "exchange": _swap,
    "nesting": _nest,
}
