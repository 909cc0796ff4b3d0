"""riqa fit-reiqa: train Re-IQA's two encoders, fit its regressor to rated images, or both."""

from dataclasses import dataclass
from typing import Annotated

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import full_path, load_system
from relational_iqa.commands.config_file import read_config
from relational_iqa.commands.options import Metavar, Writes
from relational_iqa.commands.shared_options import RunOptions
from relational_iqa.systems.choices import Experts


@dataclass(frozen=True, kw_only=True)
class FitReiqaOptions(RunOptions):
    """Options of `riqa fit-reiqa`. Raises UsageError for options that do not go together."""

    config: Annotated[str | None, Metavar("C")] = None
    """YAML file of a run that trains both encoders."""
    rated: Annotated[str | None, Metavar("DATA")] = None
    """Folder or CSV of rated images to fit the regressor to."""
    out: Annotated[str | None, Metavar("R.safetensors"), Writes(suffixes=(".safetensors",))] = None
    """The file that the regressor is written to."""
    weights: Annotated[str | None, Metavar("W")] = None
    """Encoders that give the features for the regressor, instead of the shipped ones."""
    experts: Experts = "both"
    """Which of the two encoders give features for the regressor."""

    def __post_init__(self) -> None:
        if self.config is None and self.rated is None:
            raise UsageError("fit-reiqa needs --config C to train encoders, --rated DATA to fit a regressor, or both")
        if (self.rated is None) != (self.out is None):
            raise UsageError("--rated DATA and --out R.safetensors go together: what to fit to, and where to write")
        if self.config is None and self.overrides:
            raise UsageError(f"{self.overrides[0]!r} replaces a value of a file: give --config C")
        if self.config is not None and self.weights is not None:
            raise UsageError("--weights and --config exclude each other: the regressor belongs to the trained encoders")


def fit_reiqa(options: FitReiqaOptions) -> None:
    """Train Re-IQA's encoders from one YAML file, fit its regressor to rated images, or both."""
    from relational_iqa.training.loop.distributed import is_first_process
    from relational_iqa.training.reiqa.fit import fit_encoders, fit_to_opinions, parse_config

    weights = options.weights
    if options.config is not None:
        settings = read_config(options.config, options.overrides)
        weights = str(fit_encoders(parse_config(settings), options.resume))
        if not is_first_process():
            return
        print(f"encoders: {full_path(weights)}")
    if options.rated is not None and options.out is not None:
        regressor = fit_to_opinions(load_system("reiqa", weights), options.rated, options.experts)
        regressor.save(options.out)
        print(f"{regressor.facts['fitted_to']}: {regressor.facts['agreement']}")
        print(f"regressor: {full_path(options.out)} (fitted to all of them, alpha {regressor.facts['alpha']:.3g})")
