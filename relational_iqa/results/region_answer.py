"""The answer for one region of interest, beside that of the whole picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from relational_iqa.tiling.regions_of_interest import RegionOfInterest


class _Answer(Protocol):
    """What is used of a `Comparison`."""

    @property
    def margin(self) -> float: ...

    @property
    def said(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...


Answer = TypeVar("Answer", bound=_Answer)


@dataclass(frozen=True)
class RegionAnswer(Generic[Answer]):
    """A region and what is answered for it.

    Args:
        region: its name, the box around it, and how much of the picture it is.
        result: the comparison of what lies in the region, as if there were nothing else. Its maps are those of the box;
            places in words are places in the box, boxes of regions lie in the whole picture.
    """

    region: RegionOfInterest
    result: Answer

    @property
    def name(self) -> str:
        """What the region is called."""
        return self.region.name

    @property
    def share(self) -> float:
        """Share of the pixels of the picture that count, 0 to 1."""
        return self.region.share

    @property
    def line(self) -> str:
        """One line: the name, the margin and what is answered."""
        return f"{self.region.said[:-1]}, margin {self.result.margin:+.2f}): {self.result.said}"

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays, as plain Python."""
        left_out = ("noticed", "names", "has_reference", "meta", "rois", "size")
        kept = {key: value for key, value in self.result.to_json().items() if key not in left_out}
        return {**self.region.to_json(), **kept}
