"""The YAML file of a training run, and single values that replace its own on the command line."""

from collections.abc import Sequence
from typing import Any

from distortion_engine.errors import UsageError
from relational_iqa.commands.yaml_text import parse_yaml, read_yaml


def read_config(path: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The options of a YAML file as plain data, single values replaced by `key=value` (dots for sections). UsageError
    for a file that is missing or no mapping, and for an override that does not fit."""
    settings = parse_yaml(read_yaml(path), path)
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
        place[last] = parse_yaml(value, f"the value of {key}")
    return settings
