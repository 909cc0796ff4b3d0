"""Every pair of two folders compared by one model: a row each, bad files included."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from distortion_engine.axes import AXES
from distortion_engine.errors import ImageError
from distortion_engine.jobs.printable import printable
from distortion_engine.reading.image_io import MAX_PIXELS
from relational_iqa.folders.compared_files import ComparedFiles, compare_stored
from relational_iqa.folders.pairing import Pair
from relational_iqa.results.reasons import Reason
from relational_iqa.results.regions import Region
from relational_iqa.results.words.confidence import CANNOT_TELL, Better
from relational_iqa.results.words.visibility import is_unseen
from relational_iqa.tiling.aligned_images import open_images
from relational_iqa.tiling.regions_of_interest import Region as AskedRegion
from relational_iqa.tiling.regions_of_interest import find_region, within
from relational_iqa.tiling.seen_images import see
from relational_iqa.viewing.condition import find_viewing

if TYPE_CHECKING:
    from relational_iqa.report.link import Link

REASON_KEYS = ("side", "axis", "word", "strength", "intensity", "share", "where")
REGION_KEYS = ("left", "top", "width", "height", "share", "margin", "side", "axis", "word", "strength", "intensity")
COLUMNS = (
    "name", "verdict", "margin", "confidence", "quality_a", "quality_b", "width", "height",
    *(axis.name for axis in AXES), "sentence", "error", "file_a", "file_b", "file_reference",
    "explained_share", *(f"reason_{key}" for key in REASON_KEYS), "regions", *(f"region_{key}" for key in REGION_KEYS),
    "visible_difference",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Result of one pair; signs and units are those of Comparison.

    Args:
        pair: the files.
        error: why they could not be compared, one line; the fields below are then empty.
        verdict: which is better, as `Comparison.better` says it.
        margin: in severity levels, positive where A is better.
        quality_a: severity levels of A below the reference, None without one.
        quality_b: the same of B.
        size: width and height in pixels.
        axes: mean signed value over the image by the name of the axis, in [-1, 1]; positive where B has more.
        sentence: the verdict with its reasons.
        confidence: probability that the sign of the margin is right, None where it is unknown.
        explained_share: share of the better image's lead that the reasons hold; None where neither image is better.
        reasons: what the sentence names, in its order, as `Comparison.named`.
        regions: where one image leads the other most, as `Comparison.regions`.
        visible_difference: largest difference that an eye can see, as of Comparison, None where it is unknown.
    """

    pair: Pair
    error: str = ""
    verdict: Better | Literal[""] = ""
    margin: float = 0.0
    quality_a: float | None = None
    quality_b: float | None = None
    size: tuple[int, int] = (0, 0)
    axes: Mapping[str, float] = field(default_factory=dict)
    sentence: str = ""
    confidence: float | None = None
    explained_share: float | None = None
    reasons: tuple[Reason, ...] = ()
    regions: tuple[Region, ...] = ()
    visible_difference: float | None = None

    @property
    def told_margin(self) -> float:
        """The margin, or 0 where its sign cannot be told or nothing is visible, as `Comparison.told_margin`."""
        return 0.0 if self.verdict == CANNOT_TELL or is_unseen(self.visible_difference) else self.margin

    def cells(self) -> dict[str, Any]:
        """The row of the CSV, with the keys of COLUMNS: the first reason that speaks for the verdict, the number of
        regions, and the first of them. None is an empty cell."""
        reason = next((one.to_json() for one in self.reasons if not one.against), {})
        region = self.regions[0].to_json() if self.regions else {}
        return {
            **self._facts(),
            **{f"reason_{key}": reason.get(key) for key in REASON_KEYS},
            "regions": None if self.error else len(self.regions),
            **{f"region_{key}": region.get(key) for key in REGION_KEYS},
        }

    def to_json(self) -> dict[str, Any]:
        """An entry of the JSON: as the CSV, but with all reasons and all regions, each a list."""
        reasons = [reason.to_json() for reason in self.reasons]
        return {**self._facts(), "reasons": reasons, "regions": [region.to_json() for region in self.regions]}

    def _facts(self) -> dict[str, Any]:
        pair, bad = self.pair, bool(self.error)
        return {
            "name": pair.name,
            "verdict": self.verdict or None,
            "margin": None if bad else self.margin,
            "confidence": self.confidence,
            "visible_difference": self.visible_difference,
            "quality_a": self.quality_a,
            "quality_b": self.quality_b,
            "width": self.size[0] or None,
            "height": self.size[1] or None,
            **{axis.name: self.axes.get(axis.name) for axis in AXES},
            "sentence": self.sentence or None,
            "error": self.error or None,
            "file_a": printable(str(pair.a)),
            "file_b": printable(str(pair.b)),
            "file_reference": None if pair.reference is None else printable(str(pair.reference)),
            "explained_share": self.explained_share,
        }


@dataclass(frozen=True)
class FolderComparison:
    """Compares pairs of files with one model.

    Args:
        model: a RelationalIQA.
        labels: what sentences call the two folders.
        max_pixels: largest width x height to decode; None for the usual limit.
        align: "auto", "resize" or "crop", as of `align_images`; None refuses images of different sizes.
        gain_map: of JPEGs with a gain map, their HDR rendition.
        viewing: the condition under which they are compared, as of `RelationalIQA.compare`.
        region: of every pair that is compared alone, as of `find_region`; None for the whole.
    """

    model: Any
    labels: tuple[str, str]
    max_pixels: int | None = None
    align: str | None = None
    gain_map: bool = False
    viewing: str | None = None
    region: AskedRegion | None = None

    def compare(self, pair: Pair) -> ComparedFiles:
        """The comparison of a pair with its images. Raises ImageError and OSError for its files."""
        has_reference = pair.reference is not None
        paths = [path for path in (pair.a, pair.b, pair.reference) if path is not None]
        images = open_images(paths, self.max_pixels, self.align, has_reference, self.gain_map)
        if self.region is None:
            return compare_stored(self.model, images, paths, self.labels, align=self.align, viewing=self.viewing)
        condition = find_viewing(self.viewing, max(images[0].shape))  # of the whole picture
        region = find_region(self.region, images[0], self.align, max_pixels=self.max_pixels or MAX_PIXELS)
        return compare_stored(self.model, see(within(images, region), condition), paths, self.labels, align=self.align)

    def row(self, pair: Pair, use: Callable[[Pair, ComparedFiles], None] | None = None) -> Row:
        """The result of one pair; whatever is wrong with its files is in `error`, one line, nothing is raised.

        Args:
            pair: the files.
            use: is called with what was compared while the images are still held; what it raises is raised.
        """
        if pair.problem:
            return Row(pair, pair.problem)
        try:
            compared = self.compare(pair)
            result = compared.result
        except OSError as error:
            return Row(pair, f"{error.filename or pair.a}: {error.strerror or error}")
        except (ImageError, MemoryError, RuntimeError, ValueError) as error:  # RuntimeError: torch, also out of memory
            return Row(pair, printable(" ".join(str(error).split())) or type(error).__name__)
        if use is not None:
            use(pair, compared)
        height, width = result.shape
        return Row(
            pair, "", result.better, result.margin, result.quality_a, result.quality_b, (width, height),
            result.intensities, result.summary(), result.confidence, result.explained_share, result.named,
            result.regions, result.visible_difference,
        )  # fmt: skip

    def report(self, pair: Pair, target: Path, back: "Link | None" = None) -> None:
        """Writes the HTML report of a pair, with a link at its top. Raises what comparing and writing raise."""
        self.compare(pair).write_report(target, back=back)
