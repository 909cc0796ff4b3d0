"""Which of two images is better, by how much, where, and in what way; learned without any human score.

model = relational_iqa.load()
result = model.compare("a.png", "b.jpg", reference="ref.png")
result.margin, result.better, result.maps["sharpness"], result.local_margin, result.summary()
"""

from typing import TYPE_CHECKING, Any

from relational_iqa.version import __version__

if TYPE_CHECKING:
    from relational_iqa.comparison import Comparison, Ranking, Score
    from relational_iqa.loss import RelationalLoss
    from relational_iqa.model import RelationalIQA, load

__all__ = ["Comparison", "Ranking", "RelationalIQA", "RelationalLoss", "Score", "__version__", "load"]

_HOMES = {
    "load": "relational_iqa.model",
    "RelationalIQA": "relational_iqa.model",
    "RelationalLoss": "relational_iqa.loss",
    "Comparison": "relational_iqa.comparison",
    "Score": "relational_iqa.comparison",
    "Ranking": "relational_iqa.comparison",
}


def __getattr__(name: str) -> Any:
    """Loads torch only when something that needs it is asked for, so that `riqa --help` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'relational_iqa' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
