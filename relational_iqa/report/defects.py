"""In what way the images differ, as the template shows it: a map and a word of strength for each defect of each image.

A defect has no colour of its own. Its map says how much of it the image that has it has more than the other, on one
scale for both images; a label says which image that is.
"""

from dataclasses import dataclass

from distortion_engine.axes import AXES, Axis
from relational_iqa.report.pictures import strength_uri
from relational_iqa.report.views import LABELS, axis_title
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.words.findings import Finding
from relational_iqa.results.words.sentences import remarks


@dataclass(frozen=True)
class Defect:
    """What one image has more of than the other on one axis.

    Args:
        side: the image, "a" or "b".
        title: for example "A blurrier".
        strength: the strength in words, for example "moderate".
        finding: the numbers.
        uri: data URI of the map; None where the defect is too weak or too small to be looked at.
    """

    side: str
    title: str
    strength: str
    finding: Finding
    uri: str | None


@dataclass(frozen=True)
class AxisView:
    """One distortion axis as the report shows it.

    Args:
        name: name of the axis.
        title: the name in words.
        about: what the axis means.
        phrases: the findings that matter, in words.
        defects: most salient first; empty where nothing differs.
    """

    name: str
    title: str
    about: str
    phrases: tuple[str, ...]
    defects: tuple[Defect, ...]

    @property
    def matters(self) -> bool:
        """Whether a defect is strong and large enough for a sentence and a map."""
        return bool(self.phrases)


def axis_views(comparison: Comparison) -> list[AxisView]:
    """All axes: those that matter first, each group with the most salient first and what does not differ last."""
    order = {finding.axis: rank for rank, finding in reversed(list(enumerate(comparison.findings)))}
    views = [_axis_view(axis, comparison) for axis in AXES if axis.name in comparison.maps]
    return sorted(views, key=lambda view: (not view.matters, order.get(view.name, len(order))))


def _axis_view(axis: Axis, comparison: Comparison) -> AxisView:
    own = [finding for finding in comparison.findings if finding.axis == axis.name]
    matter = [finding for finding in own if finding.matters]
    return AxisView(
        name=axis.name,
        title=axis_title(axis.name),
        about=axis.about[:1].upper() + axis.about[1:],
        phrases=tuple(remark.clause(LABELS) for remark in remarks(matter)),
        defects=tuple(
            Defect(
                side=finding.side,
                title=f"{finding.side.upper()} {finding.word}",
                strength=finding.strength,
                finding=finding,
                uri=strength_uri(comparison.map_of(finding)) if finding.matters else None,
            )
            for finding in own
        ),
    )
