"""riqa pretrain: train the networks from one YAML file."""

from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from distortion_engine.errors import UsageError


def pretrain(config: str, overrides: list[str], resume: str = "auto") -> None:
    """Train the networks from one YAML file; key=value (dots for sections) replaces single values."""
    settings = _read_config(config, overrides)
    if settings.get("system") == "pmos":
        from relational_iqa.training.pmos_pretrain import parse_pmos_config, pretrain_pmos

        print(f"weights: {pretrain_pmos(parse_pmos_config(settings), resume).resolve()}")
        return
    from relational_iqa.training.pretrain import parse_config
    from relational_iqa.training.pretrain import pretrain as train

    weights = Path(train(parse_config(settings), resume=resume)).resolve()
    from relational_iqa.training.distributed import is_first_process

    if is_first_process():
        print(f"weights: {weights}")


def _read_config(path: str, overrides: list[str]) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such file; give a YAML file, for example experiments/pixel_perfect/cpu.yaml"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: is not YAML ({error})") from error
    if not isinstance(settings, dict):
        raise UsageError(f"{path}: holds {type(settings).__name__}, expected a YAML mapping of options")
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise UsageError(f"{override!r}: expected key=value, for example train.steps=100")
        *sections, last = key.split(".")
        place: Any = settings
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise UsageError(
                f"{override!r}: {path} has no section {'.'.join(sections)!r}; sections: {', '.join(settings)}"
            )
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"{override!r}: the value is not YAML ({error})") from error
    return settings


def add_options(parser: ArgumentParser) -> None:
    """The options of `pretrain`."""
    parser.add_argument("overrides", nargs="*", type=str, metavar="key=value", help="replace single values of the file")
    parser.add_argument("--config", type=str, required=True, metavar="C", help="YAML file of the run")
    parser.add_argument("--resume", choices=("auto", "never"), default="auto", help="go on from the last checkpoint")
