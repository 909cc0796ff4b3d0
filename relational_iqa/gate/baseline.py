"""The baseline of a gate as a TOML file: tolerances by hand above a line, accepted states by the command below it.

Only what stands below the line is ever written again, sorted and in a fixed form, so that a diff shows what changed.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, make_folder_of
from relational_iqa.gate.accepted import DIGITS, Accepted, Files
from relational_iqa.gate.tolerances import Tolerances, read_tolerances

TABLE = "accepted"
LINE = "# ---- Accepted states, written by `riqa check --accept`; what stands below is replaced. ----"
_START = """\
# Tolerances of riqa check: https://toml.io. These are the defaults; remove the # in front of what you change.

# [tolerance]
# margin = 0.1              # levels by which a picture may be worse; 1 is one level of a five-level distortion ladder
# confidence = 0.8          # least probability that it is worse; below it the picture is undecided
# # region = 1.0            # levels by which it may be worse in any small region; no limit if not given
# fail_undecided = false    # whether an undecided picture fails
# strength = {}             # largest strength (0 to 1) of a new defect, as { blocking = 0.3, noise = 0.5 }

# [[pair]]                  # replaces values for the pictures whose names match
# name = "night/*"
# margin = 0.3
"""
_MOST_BYTES = 64_000_000
_HASH = re.compile(r"[0-9a-f]{64}")
_HASH_KEYS = {"new": "sha256", "against": "against_sha256", "reference": "reference_sha256"}


@dataclass(frozen=True)
class Baseline:
    """Tolerances and accepted states.

    Args:
        tolerances: what may change.
        accepted: name of the picture -> accepted state.
        head: text above the line, as it stands in the file.
    """

    tolerances: Tolerances = Tolerances()
    accepted: Mapping[str, Accepted] = field(default_factory=dict)
    head: str = _START

    @property
    def text(self) -> str:
        """The file."""
        tables = [_table_text(name, state) for name, state in sorted(self.accepted.items())]
        return "\n".join([self.head.rstrip("\n") + "\n", LINE, *tables])

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, whole or not at all. Raises UsageError where that cannot be done."""
        make_folder_of(Path(path))
        with atomic_file(Path(path)) as stream:
            stream.write(self.text.encode())


def read_baseline(path: str | os.PathLike[str]) -> Baseline:
    """The baseline of a file. Raises UsageError for what is no such file, and OSError where it cannot be read."""
    if Path(path).stat().st_size > _MOST_BYTES:
        raise UsageError(f"{path}: is larger than {_MOST_BYTES / 1e6:.0f} MB; give the TOML file of a baseline")
    try:
        text = Path(path).read_bytes().decode().replace("\r\n", "\n")
        content = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: is no TOML ({error}); correct it, or write a new one with --accept") from error
    unknown = [key for key in content if key not in ("tolerance", "pair", TABLE)]
    if unknown:
        raise UsageError(f"{path}: unknown table {unknown[0]!r}; known: tolerance, pair, {TABLE}")
    head, line, _ = text.partition(LINE)
    if TABLE in content and (not line or TABLE in tomllib.loads(head)):
        raise UsageError(f"{path}: [{TABLE}] stands above the line that begins {LINE[:22]!r}; move it below")
    if line and set(content) - set(tomllib.loads(head)) - {TABLE}:
        raise UsageError(f"{path}: tolerances stand below the line that begins {LINE[:22]!r}; move them above")
    states = content.get(TABLE, {})
    if not isinstance(states, dict):
        raise UsageError(f"{path}: {TABLE} is {states!r}, expected a table for each picture")
    accepted = {name: _state(table, f'{path}: [{TABLE}."{name}"]') for name, table in states.items()}
    return Baseline(read_tolerances(content, str(path)), accepted, head)


def _state(table: Any, where: str) -> Accepted:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is no table; write it again with --accept")
    known = {"margin", "confidence", "region", "strength", "weights", "removed", *_HASH_KEYS.values()}
    unknown = [key for key in table if key not in known]
    if unknown:
        raise UsageError(f"{where}: unknown key {unknown[0]!r}; write it again with --accept")
    hashes = {name: table.get(key, "") for name, key in _HASH_KEYS.items()}
    removed, weights = table.get("removed", False), table.get("weights", "")
    if not isinstance(removed, bool):
        raise UsageError(f"{where}: removed is {removed!r}, expected true or false")
    if not isinstance(weights, str):
        raise UsageError(f"{where}: weights is {weights!r}, expected text")
    for name, value in hashes.items():
        needed = name == ("against" if removed else "new")
        if not isinstance(value, str) or (value or needed) and not _HASH.fullmatch(value):
            raise UsageError(f"{where}: {_HASH_KEYS[name]} is {value!r}, expected 64 hexadecimal digits")
    strengths = table.get("strength", {})
    if not isinstance(strengths, dict):
        raise UsageError(f"{where}: strength is {strengths!r}, expected a table")
    own = {"margin": table.get("margin"), "confidence": table.get("confidence"), "region": table.get("region", 0.0)}
    for key, value in [*own.items(), *strengths.items()]:
        absent = value is None and key in own
        if not absent and (isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 100):
            raise UsageError(f"{where}: {key} is {value!r}, expected a number; write it again with --accept")
    return Accepted(Files(**hashes), own["margin"], own["confidence"], dict(strengths), weights, own["region"])


def _table_text(name: str, state: Accepted) -> str:
    """One table; keys in a fixed order."""
    lines = [f"[{TABLE}.{_quoted(name)}]"]
    if not state.files.new:
        lines.append("removed = true")
    if state.margin is not None:
        lines.append(f"margin = {state.margin:.{DIGITS}f}")
    if state.confidence is not None:
        lines.append(f"confidence = {state.confidence:.{DIGITS}f}")
    if state.region > 0:
        lines.append(f"region = {state.region:.{DIGITS}f}")
    if state.strengths:
        values = ", ".join(f"{axis} = {value:.{DIGITS}f}" for axis, value in sorted(state.strengths.items()))
        lines.append(f"strength = {{ {values} }}")
    if state.weights:
        lines.append(f"weights = {_quoted(state.weights)}")
    for role, key in _HASH_KEYS.items():
        if value := getattr(state.files, role):
            lines.append(f'{key} = "{value}"')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML: that of JSON, where U+007F must be escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
