"""The options of `riqa generate`: what is drawn, and in which files it is stored."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.dataset import GRID_MARGIN_PX, Judge, RankedItem, RankedSetDataset
from distortion_engine.errors import UsageError
from distortion_engine.generation.choices import IMAGE_FORMATS, MASK_SHARE, MIN_SCALE, SETS_PER_SHARD, SIZE_PX
from distortion_engine.generation.encoding import CELL_PX
from distortion_engine.reading.image_io import MIN_SIDE_PX
from distortion_engine.reading.photos import SPLITS
from distortion_engine.recipe import RESTORATION_OUTPUTS, SET_KINDS
from distortion_engine.restoration.denoising import scikit_image_restoration
from distortion_engine.restoration.sampling import check_families
from distortion_engine.sampling import DEFAULT_SAMPLING, SamplingConfig
from distortion_engine.severity import LEVELS
from distortion_engine.versions import VersionsDataset


@dataclass(frozen=True)
class GenerateOptions:
    """With the photographs and the versions of libraries, all that the bytes of a folder follow from.

    Args:
        sets: how many ranked sets.
        seed: the same seed gives the same sets.
        size_px: side of the square crops; a multiple of 4 for "npy".
        split: "train", "held_out" or "all" photographs.
        sets_per_shard: sets in a tar.
        dense: writes fields and validity at full resolution too.
        image_format: "png" or "webp", both lossless; "npy" for training: arrays that are read in place, with fields
            and validity at a quarter of the resolution.
        distortions: names to draw from, none for all that are trained on.
        min_scale: photographs are first shrunk by a factor drawn from [min_scale, 1].
        mask_share: share of steps that act on a part of the image.
        kinds: weight of each kind of set, none for the engine's own mixture.
        versions: 0 for ranked sets; else each set is a region and so many versions of it in no order, see
            `VersionsDataset`.
        weakest: of versions, the lowest of the five levels that is drawn.
        without_families: families of algorithms that are left out of restoration outputs.

    Raises:
        UsageError: for values out of range.
    """

    sets: int
    seed: int = 0
    size_px: int = SIZE_PX
    split: str = "all"
    sets_per_shard: int = SETS_PER_SHARD
    dense: bool = False
    image_format: str = "png"
    distortions: tuple[str, ...] = ()
    min_scale: float = MIN_SCALE
    mask_share: float = MASK_SHARE
    kinds: Mapping[str, float] = field(default_factory=dict)
    versions: int = 0
    weakest: float = LEVELS[0]
    without_families: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        least = {"sets": 1, "seed": 0, "size_px": MIN_SIDE_PX, "sets_per_shard": 1, "versions": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise UsageError(f"{name} {value!r}: expected a whole number of {low} or more")
        for name, choices in (("split", SPLITS), ("image_format", IMAGE_FORMATS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} {getattr(self, name)!r}: expected one of {', '.join(choices)}")
        if self.image_format == "npy" and self.size_px % CELL_PX:
            raise UsageError(f"size_px {self.size_px}: expected a multiple of {CELL_PX} for the format npy")
        if not 0 < self.min_scale <= 1:
            raise UsageError(f"min_scale {self.min_scale!r}: expected a number above 0, up to 1")
        if not 0 <= self.mask_share <= 1:
            raise UsageError(f"mask_share {self.mask_share!r}: expected a number from 0 to 1")
        types = sum(spec.trained for spec in DISTORTIONS.values())
        if self.versions > types:
            raise UsageError(f"versions {self.versions}: expected {types} or fewer, the types there are")
        if self.versions and (self.kinds or self.distortions):
            raise UsageError("kinds and distortions are for ranked sets: leave them out, or versions")
        if self.weakest not in LEVELS:
            raise UsageError(f"weakest {self.weakest!r}: expected one of {', '.join(map(str, LEVELS))}")
        check_names(self.distortions)
        check_kinds(self.kinds)
        if self.without_families:
            if not self.restores:
                raise UsageError(
                    f"without_families {', '.join(self.without_families)}: is for sets of restoration outputs; "
                    f"give {RESTORATION_OUTPUTS} a weight among the kinds"
                )
            check_families(self.without_families)

    @property
    def restores(self) -> bool:
        """Whether restoration outputs are among the kinds that are drawn."""
        return not self.versions and self.kinds.get(RESTORATION_OUTPUTS, 0) > 0

    def check_installed(self) -> None:
        """Raises UsageError where a library that the sets need is not installed."""
        if self.restores and not {"total_variation", "wavelets"} <= set(self.without_families):
            scikit_image_restoration()

    @property
    def shards(self) -> int:
        """The number of tars."""
        return math.ceil(self.sets / self.sets_per_shard)

    @property
    def least_side_px(self) -> int:
        """Side below which a photograph would have to be enlarged."""
        return self.size_px if self.versions else self.size_px + GRID_MARGIN_PX

    def indices(self, shard: int) -> range:
        """The sets of a shard."""
        first = shard * self.sets_per_shard
        return range(first, min(first + self.sets_per_shard, self.sets))

    def sampling(self) -> SamplingConfig:
        """What is drawn. Ties differ in nothing but seeds, so they need a distortion that has one."""
        weights = self.kinds or DEFAULT_SAMPLING.kinds
        kinds = {kind: weights[kind] for kind in SET_KINDS if kind in weights}  # whatever their order in a config
        if self.distortions and not any(DISTORTIONS[name].seeded for name in self.distortions):
            kinds.pop("tie", None)
        return replace(
            DEFAULT_SAMPLING, kinds=kinds, distortions=self.distortions, mask_share=self.mask_share,
            without_families=self.without_families,
        )  # fmt: skip

    def dataset(self, photos: Sequence[Path], judge: Judge | None) -> Dataset[RankedItem]:
        """The sets, rendered when they are asked for."""
        if self.versions:
            return VersionsDataset(
                photos, self.size_px, self.seed, self.sets, self.versions, self.weakest, self.min_scale
            )
        sampling = self.sampling()
        return RankedSetDataset(photos, self.size_px, self.seed, self.sets, sampling, judge, self.min_scale)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `without_families` only where some are left out."""
        plain = {**asdict(self), "distortions": list(self.distortions), "kinds": dict(self.kinds)}
        left_out = list(plain.pop("without_families"))
        return plain | ({"without_families": left_out} if left_out else {})


def check_names(names: Sequence[str]) -> None:
    """Raises UsageError for a name that is no distortion of the catalogue, or one given twice."""
    for number, name in enumerate(names):
        if name not in DISTORTIONS:
            raise UsageError(f"distortion {name!r} is unknown; {_did_you_mean(name)}")
        if name in names[:number]:
            raise UsageError(f"distortion {name!r} is given twice; name each once")


def check_kinds(kinds: Mapping[str, float]) -> None:
    """Raises UsageError for an unknown kind of set, a weight below 0, or weights that are all 0."""
    for kind, weight in kinds.items():
        if kind not in SET_KINDS or not 0 <= weight < math.inf:
            raise UsageError(f"kinds: {kind}: {weight} is not valid; expected 0 or more for some of {_KINDS}")
    if kinds and not any(kinds.values()):
        raise UsageError(f"kinds: all weights are 0; expected more than 0 for one of {_KINDS}")


_KINDS = ", ".join(SET_KINDS)


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(name, DISTORTIONS, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"expected some of {', '.join(DISTORTIONS)}"
