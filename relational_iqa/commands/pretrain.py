"""riqa pretrain: train the networks from one YAML file."""

from dataclasses import dataclass
from pathlib import Path

from relational_iqa.commands.config_file import read_config
from relational_iqa.commands.shared_options import TrainingOptions


@dataclass(frozen=True, kw_only=True)
class PretrainOptions(TrainingOptions):
    """Options of `riqa pretrain`."""


def pretrain(options: PretrainOptions) -> None:
    """Train the networks from one YAML file; key=value (dots for sections) replaces single values."""
    settings = read_config(options.config, options.overrides)
    if settings.get("system") == "pmos":
        from relational_iqa.training.pmos.pretrain import parse_pmos_config, pretrain_pmos

        print(f"weights: {pretrain_pmos(parse_pmos_config(settings), options.resume).resolve()}")
        return
    from relational_iqa.training.pixel_perfect.pretrain import parse_config
    from relational_iqa.training.pixel_perfect.pretrain import pretrain as train

    weights = Path(train(parse_config(settings), resume=options.resume)).resolve()
    from relational_iqa.training.loop.distributed import is_first_process

    if is_first_process():
        print(f"weights: {weights}")
