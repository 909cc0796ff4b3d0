"""Which of two images is better, by how much, where, and in what way; learned without any human score.

model = relational_iqa.load()
result = model.compare("a.png", "b.jpg", reference="ref.png")
result.margin, result.better, result.maps["sharpness"].full(), result.summary()
"""

from __future__ import annotations

from distortion_engine.former_paths import keep_importable
from relational_iqa.version import __version__

TYPE_CHECKING = False  # without `typing`, which `riqa` would import before it can be interrupted in one line
if TYPE_CHECKING:
    from typing import Any

    from relational_iqa.results.comparison import Comparison, Ranking, Score
    from relational_iqa.results.map import Map
    from relational_iqa.systems import pmos, reiqa, spips
    from relational_iqa.systems.pixel_perfect import RelationalIQA, load
    from relational_iqa.systems.relational_loss import RelationalLoss

__all__ = [
    "Comparison",
    "Map",
    "Ranking",
    "RelationalIQA",
    "RelationalLoss",
    "Score",
    "__version__",
    "load",
    "pmos",
    "reiqa",
    "spips",
]

# Name -> module it is taken from; "" where the module itself is meant.
_HOMES = {
    "load": ("relational_iqa.systems.pixel_perfect", "load"),
    "RelationalIQA": ("relational_iqa.systems.pixel_perfect", "RelationalIQA"),
    "RelationalLoss": ("relational_iqa.systems.relational_loss", "RelationalLoss"),
    "Comparison": ("relational_iqa.results.comparison", "Comparison"),
    "Map": ("relational_iqa.results.map", "Map"),
    "Score": ("relational_iqa.results.comparison", "Score"),
    "Ranking": ("relational_iqa.results.comparison", "Ranking"),
    "pmos": ("relational_iqa.systems.pmos", ""),
    "reiqa": ("relational_iqa.systems.reiqa", ""),
    "spips": ("relational_iqa.systems.spips", ""),
}

keep_importable(
    {
        "relational_iqa.model": "relational_iqa.systems.pixel_perfect",
        "relational_iqa.pmos": "relational_iqa.systems.pmos",
        "relational_iqa.reiqa": "relational_iqa.systems.reiqa",
        "relational_iqa.spips": "relational_iqa.systems.spips",
        "relational_iqa.loss": "relational_iqa.systems.relational_loss",
        "relational_iqa.onnx_export": "relational_iqa.systems.onnx_export",
        "relational_iqa.comparison": "relational_iqa.results.comparison",
        "relational_iqa.score": "relational_iqa.results.score",
        "relational_iqa.ranking": "relational_iqa.results.ranking",
        "relational_iqa.training.judge": "relational_iqa.training.data.judge",
        "relational_iqa.training.spips_fit": "relational_iqa.training.spips.fit",
    }
)


def __getattr__(name: str) -> Any:
    """Loads torch only when something that needs it is asked for, so that `riqa --help` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'relational_iqa' has no attribute {name!r}")
    import importlib

    module, attribute = _HOMES[name]
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
