"""What was done to a photograph, as data: steps, operations, recipes and ranked sets, with a JSON round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from distortion_engine.masks import MaskSpec

Value = float | int | str
# Sets of outputs of real restoration algorithms; "restoration" takes steps of a composition away.
RESTORATION_OUTPUTS = "restoration_outputs"
SET_KINDS = ("ladder", "dominance", "extent", "restoration", "cross_type", "tie", RESTORATION_OUTPUTS)
# The kind of a set whose order is not known: versions by different distortions, see `VersionsDataset`.
UNORDERED = "versions"


@dataclass(frozen=True)
class Step:
    """One distortion at one place.

    Args:
        distortion: its name in the catalog.
        severity: on the scale that all types share, [0, 1].
        amount: the severity in the native unit of the distortion; this is what is applied.
        params: drawn parameters, in native units.
        mask: where the distortion acts.
        seed: of the noise inside the distortion.
    """

    distortion: str
    severity: float
    amount: float
    params: Mapping[str, float] = field(default_factory=dict)
    mask: MaskSpec = MaskSpec()
    seed: int = 0


@dataclass(frozen=True)
class Operation:
    """One operation of a restoration output, on the whole image: a part of the damage, or an algorithm.

    Args:
        name: in `distortion_engine.restoration.operations.OPERATIONS`.
        params: its parameters.
        seed: of the noise that it draws.
    """

    name: str
    params: Mapping[str, Value] = field(default_factory=dict)
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `Operation(**d)` is the inverse."""
        return {**asdict(self), "params": dict(self.params)}


@dataclass(frozen=True)
class Recipe:
    """What is done to a reference; nothing is the reference itself.

    Args:
        steps: distortions in the order in which they are applied, after the operations.
        operations: damage and the algorithms that answer it, in order; their field is measured, not claimed.
    """

    steps: tuple[Step, ...] = ()
    operations: tuple[Operation, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; without `operations` where there are none."""
        steps = [{**asdict(step), "params": dict(step.params)} for step in self.steps]
        operations = [operation.to_dict() for operation in self.operations]
        return {"steps": steps, "operations": operations} if operations else {"steps": steps}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Recipe:
        """Inverse of `to_dict`; KeyError or TypeError on other data."""
        steps = tuple(Step(**{**step, "mask": MaskSpec(**step["mask"])}) for step in data["steps"])
        operations = tuple(Operation(**operation) for operation in data.get("operations", ()))
        for params in (*(step.params for step in steps), *(operation.params for operation in operations)):
            if not isinstance(params, Mapping):
                raise TypeError(f"params {params!r}: expected a mapping")
        return Recipe(steps, operations)


@dataclass(frozen=True)
class RankedSet:
    """Versions of one photograph with a known order.

    Args:
        kind: one of `SET_KINDS`, or `UNORDERED`.
        members: their recipes.
        ranks: one for each member, 0 is best; between equal ranks construction tells no order (ties, outputs of
            different algorithms). The reference is better than every member.
        certainty: how sure the order is by construction, in (0, 1]; 0 where none is known.
    """

    kind: str
    members: tuple[Recipe, ...]
    ranks: tuple[int, ...]
    certainty: float = 1.0

    def __post_init__(self) -> None:
        if len(self.members) != len(self.ranks):
            raise ValueError(f"a ranked set of {len(self.members)} members needs as many ranks, not {len(self.ranks)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "kind": self.kind,
            "members": [member.to_dict() for member in self.members],
            "ranks": list(self.ranks),
            "certainty": self.certainty,
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RankedSet:
        """Inverse of `to_dict`."""
        members = tuple(Recipe.from_dict(member) for member in data["members"])
        return RankedSet(data["kind"], members, tuple(data["ranks"]), data["certainty"])
