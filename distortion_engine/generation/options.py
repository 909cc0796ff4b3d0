"""What the bytes of `riqa generate` follow from: options, photographs, versions; and how two such runs differ."""

from __future__ import annotations

import difflib
import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from distortion_engine import ENGINE_VERSION
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import MIN_SIDE_PX
from distortion_engine.reading.photos import SPLITS
from distortion_engine.sampling import DEFAULT_SAMPLING, SamplingConfig
from distortion_engine.severity import provenance_hash

IMAGE_FORMATS = ("png", "webp")
LAYOUT = "ranked sets in WebDataset shards, 1"
# Other releases of these may round or compress in another way.
_LIBRARIES = ("torch", "numpy", "pillow", "imagecodecs", "opencv-python-headless", "albumentations", "kornia")
_NAMED = 3


@dataclass(frozen=True)
class GenerateOptions:
    """sets: how many. size_px: side of the square crops. split: "train", "held_out" or "all" photographs.
    sets_per_shard: sets in a tar. dense: write fields and validity too. image_format: "png" or "webp", both lossless.
    distortions: names to draw from, none for all that are trained on.

    Raises UsageError for values out of range.
    """

    sets: int
    seed: int = 0
    size_px: int = 256
    split: str = "all"
    sets_per_shard: int = 64
    dense: bool = False
    image_format: str = "png"
    distortions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        least = {"sets": 1, "seed": 0, "size_px": MIN_SIDE_PX, "sets_per_shard": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise UsageError(f"{name} {value!r}: expected a whole number of {low} or more")
        for name, choices in (("split", SPLITS), ("image_format", IMAGE_FORMATS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} {getattr(self, name)!r}: expected one of {', '.join(choices)}")
        check_names(self.distortions)

    @property
    def shards(self) -> int:
        """How many tars there will be."""
        return math.ceil(self.sets / self.sets_per_shard)

    def indices(self, shard: int) -> range:
        """The sets of a shard."""
        first = shard * self.sets_per_shard
        return range(first, min(first + self.sets_per_shard, self.sets))

    def sampling(self) -> SamplingConfig:
        """What is drawn. Ties differ in nothing but seeds, so they need a distortion that has one."""
        kinds = dict(DEFAULT_SAMPLING.kinds)
        if self.distortions and not any(DISTORTIONS[name].seeded for name in self.distortions):
            del kinds["tie"]
        return replace(DEFAULT_SAMPLING, kinds=kinds, distortions=self.distortions)


def check_names(names: Sequence[str]) -> None:
    """Raises UsageError for a name that is no distortion of the catalogue, or one given twice."""
    for number, name in enumerate(names):
        if name not in DISTORTIONS:
            raise UsageError(f"distortion {name!r} is unknown; {_did_you_mean(name)}")
        if name in names[:number]:
            raise UsageError(f"distortion {name!r} is given twice; name each once")


def libraries() -> dict[str, str]:
    """Version of each library that makes pixels or files, as installed here."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # installed under another name, as the GUI build of OpenCV
            versions[name] = "unknown"
    return versions


def header(options: GenerateOptions, photos: Sequence[tuple[str, str]], judge: str | None) -> dict[str, Any]:
    """First line of the manifest. photos: (name, sha256) of the usable ones, in order."""
    return {
        "layout": LAYOUT,
        "engine": ENGINE_VERSION,
        "severity": provenance_hash(),
        "judge": judge,
        "options": {**asdict(options), "distortions": list(options.distortions)},
        "shards": options.shards,
        "libraries": libraries(),
        "photos": [{"name": name, "sha256": sha256} for name, sha256 in photos],
    }


def differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """How two headers differ, in words; empty where they are the same."""
    said = []
    for key in ("layout", "engine", "severity", "judge"):
        said += _differ(key, there.get(key), asked.get(key))
    for key in ("options", "libraries"):
        one, other = _mapping(there.get(key)), _mapping(asked.get(key))
        for name in dict.fromkeys([*other, *one]):
            said += _differ(name, one.get(name), other.get(name))
    one, other = _photos(there), _photos(asked)
    changed = [name for name in other if name in one and one[name] != other[name]]
    for word, names in (
        ("new", [name for name in other if name not in one]),
        ("missing or no longer usable", [name for name in one if name not in other]),
        ("changed", changed),
    ):
        if names:
            more = ", ..." if len(names) > _NAMED else ""
            said.append(f"{len(names)} photographs {word} ({', '.join(names[:_NAMED])}{more})")
    return said or _differ("header", dict(there), dict(asked))


def _differ(name: str, there: Any, asked: Any) -> list[str]:
    return [] if there == asked else [f"{name} {_short(there)} there, {_short(asked)} asked for"]


def _short(value: Any) -> str:
    text = ",".join(map(str, value)) or "all" if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _photos(head: Mapping[str, Any]) -> dict[str, str]:
    listed = head.get("photos")
    if not isinstance(listed, list):
        return {}
    return {str(photo.get("name")): str(photo.get("sha256")) for photo in listed if isinstance(photo, Mapping)}


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(name, DISTORTIONS, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"expected some of {', '.join(DISTORTIONS)}"
