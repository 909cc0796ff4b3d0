"""riqa fit-spips: SPIPS trained without labels, on 2AFC triplets, or on opinion scores."""

from dataclasses import dataclass

from relational_iqa.commands.common import full_path
from relational_iqa.commands.config_file import read_config
from relational_iqa.commands.shared_options import TrainingOptions


@dataclass(frozen=True, kw_only=True)
class FitSpipsOptions(TrainingOptions):
    """Options of `riqa fit-spips`."""


def fit_spips(options: FitSpipsOptions) -> None:
    """Train SPIPS on ranked sets, on 2AFC triplets (mode=triplets) or on opinion scores (mode=mos)."""
    settings = read_config(options.config, options.overrides)

    from relational_iqa.storage.cards import read_card
    from relational_iqa.training.loop.distributed import is_first_process
    from relational_iqa.training.spips.fit import fit, parse_config

    path = fit(parse_config(settings), options.resume)
    if not is_first_process():
        return
    results = read_card(path)["results"]
    for name, medians in results.get("splits", {}).items():
        print(
            f"{name}: SRCC {medians['srcc']:.3f}, KRCC {medians['krcc']:.3f}, PLCC {medians['plcc']:.3f}; "
            f"medians over {medians['splits']} splits by reference"
        )
    print(f"weights: {full_path(path)}")
