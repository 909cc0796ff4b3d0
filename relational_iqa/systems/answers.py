"""What the answers of all systems have in common: what to call an image, and the facts about how it was answered."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from relational_iqa.version import __version__


def name_of(source: object, otherwise: str) -> str:
    """The file name of a path, `otherwise` for an image that has none."""
    return Path(source).name if isinstance(source, str | os.PathLike) else otherwise


def facts_of_answer(
    weights: Mapping[str, Any],
    size: tuple[int, int],
    device: torch.device,
    start: float,
    *,
    opinions: str | None = None,
    preprocessing: str | None = None,
    precision: str | None = None,
) -> dict[str, Any]:
    """The `meta` of a result.

    Args:
        weights: {"name", "sha256"} of the weights.
        size: height and width that were judged, px.
        device: where the networks ran.
        start: `time.perf_counter()` when the question came.
        opinions: whose scores the weights were fitted to, for systems that can be fitted.
        preprocessing: what happened to the images before the networks saw them.
        precision: of the networks, where it can be chosen.
    """
    facts = {
        "version": __version__,
        "weights": weights.get("name"),
        "weights_sha256": weights.get("sha256"),
        "opinions": opinions,
        "size": f"{size[1]} x {size[0]}",
        "preprocessing": preprocessing,
        "device": str(device),
        "precision": precision,
        "seconds": round(time.perf_counter() - start, 3),
    }
    optional = ("opinions", "preprocessing", "precision")
    return {key: value for key, value in facts.items() if value is not None or key not in optional}
