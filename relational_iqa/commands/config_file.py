"""The YAML file of a training run, and single values that replace its own on the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from distortion_engine.errors import UsageError


def read_config(path: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The options of a YAML file as plain data, single values replaced by `key=value` (dots for sections). UsageError
    for a file that is missing or no mapping, and for an override that does not fit."""
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such file; give a YAML file, for example experiments/pixel_perfect/cpu.yaml"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
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
            raise UsageError(f"{override!r}: the value is not YAML ({' '.join(str(error).split())})") from error
    return settings
