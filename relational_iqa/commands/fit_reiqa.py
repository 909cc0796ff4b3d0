"""riqa fit-reiqa: train Re-IQA's two encoders, fit its regressor to rated images, or both."""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from distortion_engine.errors import UsageError


def fit_reiqa(
    overrides: list[str],
    config: str | None = None,
    resume: str = "auto",
    rated: str | None = None,
    weights: str | None = None,
    experts: Literal["both", "quality", "content"] = "both",
    out: str | None = None,
) -> None:
    """Train Re-IQA's encoders from one YAML file, fit its regressor to rated images, or both."""
    if config is None and rated is None:
        raise UsageError("fit-reiqa needs --config C to train encoders, --rated DATA to fit a regressor, or both")
    if (rated is None) != (out is None):
        raise UsageError("--rated DATA and --out R.safetensors go together: what to fit to, and where to write")
    if config is None and overrides:
        raise UsageError(f"{overrides[0]!r} replaces a value of a file: give --config C")
    if config is not None and weights is not None:
        raise UsageError("--weights and --config exclude each other: the regressor belongs to the trained encoders")
    from relational_iqa.systems import reiqa
    from relational_iqa.training.reiqa.fit import fit_encoders, fit_to_opinions, parse_config

    if config is not None:
        from relational_iqa.commands.config_file import read_config

        weights = str(fit_encoders(parse_config(read_config(config, overrides)), resume))
        print(f"encoders: {Path(weights).resolve()}")
    if rated is not None and out is not None:
        regressor = fit_to_opinions(reiqa.load(weights), rated, experts)
        regressor.save(out)
        print(f"{regressor.facts['fitted_to']}: {regressor.facts['agreement']}")
        print(f"regressor: {Path(out).resolve()} (fitted to all of them, alpha {regressor.facts['alpha']:.3g})")


def add_options(parser: ArgumentParser) -> None:
    """The options of `fit-reiqa`."""
    add = parser.add_argument
    add("overrides", nargs="*", type=str, metavar="key=value", help="replace single values of the config")
    add("--config", type=str, metavar="C", help="YAML file of a run that trains both encoders")
    add("--resume", choices=("auto", "never"), default="auto", help="go on from the last checkpoint")
    add("--rated", type=str, metavar="DATA", help="folder or CSV of rated images to fit the regressor to")
    add("--weights", type=str, metavar="W", help="encoders to fit on, instead of the shipped ones")
    add("--experts", choices=("both", "quality", "content"), default="both", help="which features the regressor sees")
    add("--out", type=str, metavar="R.safetensors", help="where to write the regressor")
