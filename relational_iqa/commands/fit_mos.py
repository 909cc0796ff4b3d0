"""riqa fit-mos: pMOS fitted to people's scores."""

import sys
from dataclasses import dataclass

from relational_iqa.commands.common import full_path
from relational_iqa.commands.config_file import read_config
from relational_iqa.commands.shared_options import TrainingOptions


@dataclass(frozen=True, kw_only=True)
class FitMosOptions(TrainingOptions):
    """Options of `riqa fit-mos`."""


def fit_mos(options: FitMosOptions) -> None:
    """Fit the pMOS of single images to people's scores, measured on ten splits beside a linear head."""
    settings = read_config(options.config, options.overrides)

    from relational_iqa.training.loop.distributed import is_first_process
    from relational_iqa.training.pmos.fit_mos import fit_mos as fit
    from relational_iqa.training.pmos.fit_mos_config import parse_fit_config

    def log(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    path, results = fit(parse_fit_config(settings), options.resume, log)
    if not is_first_process():
        return
    for name, verdict in results.items():
        medians = verdict.medians()
        print(
            f"{name}: SRCC {medians['srcc']:.3f} (std {medians['srcc_std']:.3f}), PLCC {medians['plcc']:.3f}, "
            f"KRCC {medians['krcc']:.3f}; medians over {medians['splits']} splits"
        )
    print(f"weights: {full_path(path)}")
