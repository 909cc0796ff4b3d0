"""riqa fit-spips: SPIPS trained without labels, on 2AFC triplets, or on opinion scores."""

from jsonargparse import ArgumentParser

from relational_iqa.commands.config_file import read_config


def fit_spips(config: str, overrides: list[str], resume: str = "auto") -> None:
    """Train SPIPS on ranked sets, on 2AFC triplets (mode=triplets) or on opinion scores (mode=mos)."""
    settings = read_config(config, overrides)
    from relational_iqa.storage.cards import read_card
    from relational_iqa.training.spips.fit import fit, parse_config

    path = fit(parse_config(settings), resume)
    results = read_card(path)["results"]
    for name, medians in results.get("splits", {}).items():
        print(
            f"{name}: SRCC {medians['srcc']:.3f}, KRCC {medians['krcc']:.3f}, PLCC {medians['plcc']:.3f}; "
            f"medians over {medians['splits']} splits by reference"
        )
    print(f"weights: {path.resolve()}")


def add_options(parser: ArgumentParser) -> None:
    """The options of `fit-spips`."""
    parser.add_argument("overrides", nargs="*", type=str, metavar="key=value", help="replace single values of the file")
    parser.add_argument("--config", type=str, required=True, metavar="C", help="YAML file of the run")
    parser.add_argument("--resume", choices=("auto", "never"), default="auto", help="go on from the last checkpoint")
