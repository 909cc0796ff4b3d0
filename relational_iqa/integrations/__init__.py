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

_HOMES = {
    "METRIC_NAMES": "named",
    "NamedMetric": "named",
    "create_metric": "named",
    "PerceptualDistance": "distance",
    "RelationalMetric": "torchmetrics_metric",
}


def __getattr__(name: str) -> Any:
    """Loads torch, and torchmetrics where it is asked for, not before."""
    if name not in _HOMES:
        raise AttributeError(f"module 'relational_iqa.integrations' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"relational_iqa.integrations.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
