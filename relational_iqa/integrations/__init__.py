"""The scores of this package in the form that other programs expect. Nothing is loaded before it is used.

create_metric, METRIC_NAMES    named: a metric by its name, called with tensors or paths, one value an image
RelationalMetric               torchmetrics_metric: the same as a `torchmetrics.Metric`
PerceptualDistance             distance: two tensors to one scalar, differentiable, for synthesis of stimuli (plenoptic)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from relational_iqa.integrations.distance import PerceptualDistance
    from relational_iqa.integrations.named import METRIC_NAMES, NamedMetric, create_metric
    from relational_iqa.integrations.torchmetrics_metric import RelationalMetric

__all__ = ["METRIC_NAMES", "NamedMetric", "PerceptualDistance", "RelationalMetric", "create_metric"]

# Name -> module it is taken from.
_HOMES = {
    "METRIC_NAMES": ("relational_iqa.integrations.named", "METRIC_NAMES"),
    "NamedMetric": ("relational_iqa.integrations.named", "NamedMetric"),
    "create_metric": ("relational_iqa.integrations.named", "create_metric"),
    "PerceptualDistance": ("relational_iqa.integrations.distance", "PerceptualDistance"),
    "RelationalMetric": ("relational_iqa.integrations.torchmetrics_metric", "RelationalMetric"),
}


def __getattr__(name: str) -> Any:
    """Loads torch, and torchmetrics where it is asked for, not before."""
    if name not in _HOMES:
        raise AttributeError(f"module 'relational_iqa.integrations' has no attribute {name!r}")
    import importlib

    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
