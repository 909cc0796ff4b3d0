"""YAML from outside: bounded before anything is built from it.

A few lines of YAML can stand for gigabytes (aliases of aliases), for a value that holds itself, or for brackets without
end. Options need none of these, so that files with them are refused.
"""

from pathlib import Path
from typing import Any

import yaml

from distortion_engine.errors import UsageError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_WHOLE = 2**63 - 1
_NESTING = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_UNNESTING = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def read_yaml(path: str) -> str:
    """The text of a YAML file that was looked at by `check_yaml`. Raises UsageError."""
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: has more than {MAX_BYTES:,} bytes; is it a file of options?")
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: no such file; give a YAML file, for example experiments/pixel_perfect/cpu.yaml"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not YAML ({error})") from error
    parse_yaml(text, path)
    return text


def parse_yaml(text: str, what: str) -> Any:
    """Plain data of a YAML text. `what` is what errors call it. Raises UsageError for text that is no YAML, that nests
    deeper than any option, and that has aliases."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, _NESTING) - isinstance(event, _UNNESTING)
            if depth > MAX_DEPTH:
                raise UsageError(f"{what}: is nested deeper than {MAX_DEPTH} levels; no option is")
            if isinstance(event, yaml.AliasEvent):
                raise UsageError(f"{what}: has an alias (*{event.anchor}); write the values out")
        return _checked(yaml.safe_load(text), what)
    except UsageError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError: numbers and dates of no value
        raise UsageError(f"{what}: is not YAML ({' '.join(str(error).split())[:300]})") from error


def _checked(value: Any, what: str) -> Any:
    """The value, where no whole number in it is larger than any that is computed with, and no text has a NUL, which no
    path may have."""
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        _checked(part, what)
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise UsageError(f"{what}: has the number {str(value)[:20]}... of {len(str(value))} digits; expected less")
    if isinstance(value, str) and "\0" in value:
        raise UsageError(f"{what}: has a NUL character in {value[:20]!r}; expected none")
    return value
