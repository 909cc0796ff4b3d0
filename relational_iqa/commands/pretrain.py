"""riqa pretrain: train the networks from one YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distortion_engine.jobs.resume import Resume
from relational_iqa.commands.common import full_path
from relational_iqa.commands.config_file import read_config
from relational_iqa.commands.shared_options import TrainingOptions


@dataclass(frozen=True, kw_only=True)
class PretrainOptions(TrainingOptions):
    """Options of `riqa pretrain`."""


def pretrain(options: PretrainOptions) -> None:
    """Train the networks from one YAML file; key=value (dots for sections) replaces single values."""
    weights = _train(read_config(options.config, options.overrides), options.resume)
    from relational_iqa.training.loop.distributed import is_first_process

    if is_first_process():
        print(f"weights: {full_path(weights)}")


def _train(settings: Mapping[str, Any], resume: Resume) -> Path:
    """Trains the system that the settings name and returns the path of its weights."""
    if settings.get("system") == "pmos":
        from relational_iqa.training.pmos.pretrain import parse_pmos_config, pretrain_pmos

        return pretrain_pmos(parse_pmos_config(settings), resume)
    if settings.get("system") == "judgement":
        from relational_iqa.training.pixel_perfect.judgement_pretrain import parse_judgement_config, pretrain_judgement

        return pretrain_judgement(parse_judgement_config(settings), resume)
    from relational_iqa.training.pixel_perfect.pretrain import parse_config
    from relational_iqa.training.pixel_perfect.pretrain import pretrain as pretrain_core

    return pretrain_core(parse_config(settings), resume)
