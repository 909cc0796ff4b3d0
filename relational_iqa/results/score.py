"""Score: one image against its reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from relational_iqa.results.map import Map, check_maps
from relational_iqa.results.plain_json import plain_dict
from relational_iqa.results.words.fallback_reasons import faint_reason
from relational_iqa.results.words.findings import Finding, axes_table, check_axes, find, worth_saying
from relational_iqa.results.words.margins import TIE_MARGIN, UNIT, check_levels, levels
from relational_iqa.results.words.sentences import MAX_DEFECTS, UNEXPLAINED, remarks, said_together


@dataclass(frozen=True, repr=False)
class Score:
    """One image against its reference.

    Args:
        quality: levels <= 0, 0 for no difference; higher is better. -5 is about the strongest level of one distortion;
            several at once can fall below it.
        local_quality: map (H, W) in levels, <= 0 where the image is worse.
        distortions: axis -> mean signed value over the image.
        maps: axis -> map (H, W) in [-1, 1], positive where the image has more than the reference.
        name: what to call the image.
        meta: version, weights, size, device, seconds.
        evidence: what `RelationalIQA.order_confidences` needs to say how sure the order of two scores is; nothing to
            read in it.
        block_px: side of the blocks of equal pixels that the image consists of, as after an enlargement by nearest
            neighbour, where its reference does not; 1 for none.

    Raises:
        ValueError: for a quality that no image has, an unknown axis, an array in place of a map, or maps of different
            sizes.
    """

    quality: float
    local_quality: Map
    distortions: Mapping[str, float]
    maps: Mapping[str, Map]
    name: str = "the image"
    meta: Mapping[str, Any] = field(default_factory=dict)
    evidence: Any = field(default=None, repr=False, compare=False)
    block_px: int = 1

    def __post_init__(self) -> None:
        check_levels(self.quality, "quality")
        check_maps({"local_quality": self.local_quality, **self.maps})
        check_axes(self.maps)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What differs from the reference, most salient first; side "b" is the image."""
        worse = -self.local_quality
        return find(self.maps, worse, max(-self.quality, TIE_MARGIN))

    def __repr__(self) -> str:
        """The sentence."""
        return self.summary()

    def summary(self) -> str:
        """One sentence: "x.jpg is 1.3 levels below the reference: blurrier (moderate, mostly lower left)"."""
        if self.quality == 0 and all(values.is_zero for values in self.maps.values()):
            return f"{self.name} is identical to the reference."
        own = [finding for finding in worth_saying(self.findings) if finding.side == "b"]
        as_good = abs(self.quality) < TIE_MARGIN
        if not own and not as_good:
            worse = -self.local_quality
            faint = faint_reason(self.maps, worse, "a", self.findings)
            own = [] if faint is None else [faint]
        said = said_together(remarks(own)[:MAX_DEFECTS])
        why = f": {said}" if said else "" if as_good else f"; {UNEXPLAINED}"
        side = self.block_px
        known = f" It consists of blocks of {side} × {side} equal pixels." if side > 1 else ""
        below = "as good as" if as_good else f"{levels(self.quality)} below"
        return f"{self.name} is {below} the reference{why}.{known}"

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays, as plain Python."""
        return plain_dict({
            "name": self.name, "quality": self.quality, "quality_means": "0: equals the reference; lower is worse",
            "unit": UNIT, "sentence": self.summary(), "distortions": self.distortions,
            "axes": axes_table(self.maps, self.findings), "meta": self.meta,
        })  # fmt: skip
