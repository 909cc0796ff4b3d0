"""Where the bytes of a folder come from: options, photographs, versions; and how two such records differ."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

from distortion_engine import ENGINE_VERSION
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.restoration.neural import shipped_hash
from distortion_engine.severity import provenance_hash

LAYOUT = "ranked sets in WebDataset shards, 2"
# Other releases of these may round or compress in another way.
_LIBRARIES = ("torch", "numpy", "pillow", "imagecodecs", "opencv-python-headless", "albumentations", "kornia")
_RESTORATION_LIBRARIES = ("scipy", "scikit-image", "pywavelets")
_NAMED = 3  # photographs that are named in a difference


def libraries(restoration: bool = False) -> dict[str, str]:
    """The version of each library that makes pixels or files, as installed here.

    restoration: also of those that make restoration outputs, and the hash of the shipped restoration networks.
    """
    versions = {}
    for name in (*_LIBRARIES, *(_RESTORATION_LIBRARIES if restoration else ())):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # installed under another name, as the GUI build of OpenCV
            versions[name] = "unknown"
    return versions | ({"restoration networks": shipped_hash()} if restoration else {})


def header(options: GenerateOptions, photos: Sequence[tuple[str, str]], judge: str | None) -> dict[str, Any]:
    """The first line of the manifest.

    photos: (name, sha256) of the usable photographs, in order. judge: name of the function, or None.
    """
    return {
        "layout": LAYOUT,
        "engine": ENGINE_VERSION,
        "severity": provenance_hash(),
        "judge": judge,
        "options": options.to_dict(),
        "shards": options.shards,
        "libraries": libraries(options.restores),
        "photos": [{"name": name, "sha256": sha256} for name, sha256 in photos],
    }


def differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Names the differences of two headers in words; empty where they are the same."""
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
    if isinstance(value, list):
        text = ",".join(map(str, value)) or "all"
    elif isinstance(value, Mapping):
        text = ",".join(f"{name}={weight}" for name, weight in value.items()) or "default"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _photos(head: Mapping[str, Any]) -> dict[str, str]:
    listed = head.get("photos")
    if not isinstance(listed, list):
        return {}
    return {str(photo.get("name")): str(photo.get("sha256")) for photo in listed if isinstance(photo, Mapping)}
