"""riqa pretrain: train the networks from one YAML file."""

from pathlib import Path

from jsonargparse import ArgumentParser

from relational_iqa.commands.config_file import read_config


def pretrain(config: str, overrides: list[str], resume: str = "auto") -> None:
    """Train the networks from one YAML file; key=value (dots for sections) replaces single values."""
    settings = read_config(config, overrides)
    if settings.get("system") == "pmos":
        from relational_iqa.training.pmos.pretrain import parse_pmos_config, pretrain_pmos

        print(f"weights: {pretrain_pmos(parse_pmos_config(settings), resume).resolve()}")
        return
    from relational_iqa.training.pixel_perfect.pretrain import parse_config
    from relational_iqa.training.pixel_perfect.pretrain import pretrain as train

    weights = Path(train(parse_config(settings), resume=resume)).resolve()
    from relational_iqa.training.loop.distributed import is_first_process

    if is_first_process():
        print(f"weights: {weights}")


def add_options(parser: ArgumentParser) -> None:
    """The options of `pretrain`."""
    parser.add_argument("overrides", nargs="*", type=str, metavar="key=value", help="replace single values of the file")
    parser.add_argument("--config", type=str, required=True, metavar="C", help="YAML file of the run")
    parser.add_argument("--resume", choices=("auto", "never"), default="auto", help="go on from the last checkpoint")
