"""What was done to a photograph, as data: steps, recipes and ranked sets, without pixels, with a JSON round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from distortion_engine.masks import MaskSpec

SET_KINDS = ("ladder", "dominance", "extent", "restoration", "cross_type", "tie")
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
class Recipe:
    """Steps in the order in which they are applied; no steps is the reference itself."""

    steps: tuple[Step, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"steps": [{**asdict(step), "params": dict(step.params)} for step in self.steps]}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Recipe:
        """Inverse of `to_dict`; KeyError or TypeError on other data."""
        return Recipe(tuple(Step(**{**step, "mask": MaskSpec(**step["mask"])}) for step in data["steps"]))


@dataclass(frozen=True)
class RankedSet:
    """Versions of one photograph with a known order.

    Args:
        kind: one of `SET_KINDS`, or `UNORDERED`.
        members: their recipes.
        ranks: one for each member, 0 is best, equal ranks are ties; the reference is better than every member.
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
