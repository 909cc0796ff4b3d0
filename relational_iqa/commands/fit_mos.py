"""riqa fit-mos: pMOS fitted to people's scores."""

from jsonargparse import ArgumentParser

from relational_iqa.commands.config_file import read_config


def fit_mos(config: str, overrides: list[str], resume: str = "auto") -> None:
    """Fit the pMOS of single images to people's scores, measured on ten splits beside a linear head."""
    settings = read_config(config, overrides)
    import sys

    from relational_iqa.training.pmos.fit_mos import fit_mos as run
    from relational_iqa.training.pmos.fit_mos import summary
    from relational_iqa.training.pmos.fit_mos_config import parse_fit_config

    path, results = run(parse_fit_config(settings), resume, lambda text: print(text, file=sys.stderr, flush=True))
    for name, rows in results.items():
        medians = summary(rows)
        print(
            f"{name}: SRCC {medians['srcc']:.3f} (std {medians['srcc_std']:.3f}), PLCC {medians['plcc']:.3f}, "
            f"KRCC {medians['krcc']:.3f}; medians over {medians['splits']} splits"
        )
    print(f"weights: {path.resolve()}")


def add_options(parser: ArgumentParser) -> None:
    """The options of `fit-mos`."""
    parser.add_argument("overrides", nargs="*", type=str, metavar="key=value", help="replace single values of the file")
    parser.add_argument("--config", type=str, required=True, metavar="C", help="YAML file of the fit")
    parser.add_argument("--resume", choices=("auto", "never"), default="auto", help="go on from the last checkpoint")
