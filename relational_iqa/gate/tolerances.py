"""Tolerances of the gate: for all pictures, and for those whose names match a pattern."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from relational_iqa.results.words.margins import MOST_LEVELS, TIE_MARGIN

ALL, ONE = "tolerance", "pair"
"""Tables of the TOML: of all pictures, and of those that match a pattern."""
_AXIS_NAMES = tuple(axis.name for axis in AXES)


@dataclass(frozen=True)
class Tolerance:
    """How much worse a picture may be than what was accepted.

    Args:
        margin: levels by which it may be worse, >= 0.
        confidence: least probability, .5 to 1, that it is worse; below it the verdict is "undecided".
        region: levels by which it may be worse in any small region of the picture; None for no limit.
        strength: axis -> largest strength of a defect of the new picture, 0 to 1; other axes have no limit.
        accepted_strength: what a defect may be stronger than an accepted one that is beyond its limit, 0 to 1.
        fail_undecided: whether an undecided picture fails the gate.
    """

    margin: float = TIE_MARGIN
    confidence: float = 0.8
    region: float | None = None
    strength: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    accepted_strength: float = 0.05
    fail_undecided: bool = False

    def limit(self, axis: str, accepted: float) -> float | None:
        """The largest strength of a defect, given the accepted one (0 for none); None where there is no limit."""
        own = self.strength.get(axis)
        if own is None:
            return None
        return max(own, accepted + self.accepted_strength) if accepted > 0 else own

    def region_limit(self, accepted: float) -> float | None:
        """Levels by which it may be worse in a small region, given the accepted ones (0 for none); None where there is
        no limit."""
        if self.region is None:
            return None
        return max(self.region, accepted + self.margin) if accepted > 0 else self.region


@dataclass(frozen=True)
class Tolerances:
    """The tolerances of a baseline.

    Args:
        everywhere: of all pictures.
        patterns: glob pattern -> values that replace those of `everywhere`; of several that match, later ones win.
    """

    everywhere: Tolerance = Tolerance()
    patterns: Sequence[tuple[str, Mapping[str, Any]]] = ()

    def of(self, name: str) -> Tolerance:
        """The tolerance of a picture. `*` in a pattern matches folders, too."""
        found = self.everywhere
        for pattern, values in self.patterns:
            if fnmatchcase(name, pattern):
                found = _changed(found, values)
        return found


def read_tolerances(content: Mapping[str, Any], path: str) -> Tolerances:
    """The tolerances of a parsed TOML file. Raises UsageError, with the path, for a key or a value that cannot be."""
    table = content.get(ALL, {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {ALL} is {table!r}, expected a table [{ALL}]")
    everywhere = _changed(Tolerance(), _checked(table, f"{path}: [{ALL}]"))
    tables = content.get(ONE, [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise UsageError(f"{path}: {ONE} is no list of tables; begin each with [[{ONE}]]")
    patterns = []
    for number, one in enumerate(tables, start=1):
        where = f"{path}: [[{ONE}]] number {number}"
        name = one.get("name")
        if not isinstance(name, str) or not name:
            raise UsageError(f'{where}: has no name; give the pattern of its pictures, as name = "night/*"')
        values = _checked({key: value for key, value in one.items() if key != "name"}, f'{where} ("{name}")')
        patterns.append((name, values))
    return Tolerances(everywhere, tuple(patterns))


def changed_tolerance(tolerance: Tolerance, values: Mapping[str, Any], where: str) -> Tolerance:
    """A tolerance with other values, those of the TOML. Raises UsageError, with `where`, for what cannot be."""
    return _changed(tolerance, _checked(values, where))


def _changed(tolerance: Tolerance, values: Mapping[str, Any]) -> Tolerance:
    strength = MappingProxyType({**tolerance.strength, **values.get("strength", {})})
    return replace(tolerance, **{**values, "strength": strength})


def _checked(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of a table, each within its range."""
    levels = (0.0, MOST_LEVELS)
    ranges = {"margin": levels, "confidence": (0.5, 1.0), "region": levels, "accepted_strength": (0.0, 1.0)}
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in ranges:
            found[key] = _number(value, *ranges[key], f"{where}: {key}")
        elif key == "fail_undecided":
            if not isinstance(value, bool):
                raise UsageError(f"{where}: {key} is {value!r}, expected true or false")
            found[key] = value
        elif key == "strength":
            found[key] = _strengths(value, where)
        else:
            known = ", ".join([*ranges, "fail_undecided", "strength"])
            raise UsageError(f"{where}: unknown key {key!r}; known: {known}")
    return found


def _strengths(table: Any, where: str) -> dict[str, float]:
    if not isinstance(table, Mapping):
        raise UsageError(f"{where}: strength is {table!r}, expected a table, as strength = {{ blocking = 0.3 }}")
    for name in table:
        if name not in _AXIS_NAMES:
            raise UsageError(f"{where}: strength of {name!r}; expected one of {', '.join(_AXIS_NAMES)}")
    return {name: _number(value, 0.0, 1.0, f"{where}: strength of {name}") for name, value in table.items()}


def _number(value: Any, low: float, high: float, what: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise UsageError(f"{what} is {value!r}, expected a number from {low:g} to {high:g}")
    return float(value)
