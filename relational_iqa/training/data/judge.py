"""The judge of generated sets (see `distortion_engine.dataset.Judge`): fast conventional metrics, each on the common
severity scale. No human score."""

from __future__ import annotations

import torch
from torch import Tensor

from distortion_engine.severity import CONSENSUS_METRICS, at_viewing_scales, consensus
from relational_iqa.conventional import METRICS

JUDGE_COLUMNS = len(CONSENSUS_METRICS)


def metric_judge(test: Tensor, reference: Tensor) -> Tensor:
    """(B, 3, H, W) twice -> severities (B, M), column m according to metric m of `CONSENSUS_METRICS`."""
    values = {name: at_viewing_scales(name, METRICS[name].function, test, reference) for name in CONSENSUS_METRICS}
    return torch.stack([consensus({name: value}) for name, value in values.items()], 1)
