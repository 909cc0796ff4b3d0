"""What a door of the package is to the fuzzer: a name, a maker of hostile cases, and what is run on one."""

from __future__ import annotations

import base64
import json
import random
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tests" / "images"
CORPUS = Path(__file__).parent / "corpus"
_ROOT_MARK = "<root>"  # in kept cases, which are to run in other checkouts


@dataclass(frozen=True)
class Case:
    """One input.

    Args:
        kind: what is hostile about it.
        files: content by path below the folder in which it is run.
        arguments: of what the door runs; of `riqa`, if it says nothing else.
    """

    kind: str
    files: dict[str, bytes]
    arguments: Sequence[str]

    def write(self, folder: Path) -> None:
        """Writes the files below `folder`."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def riqa(arguments: Sequence[str]) -> int:
    """The program, in this process; returns its exit code."""
    from relational_iqa.cli import main

    return main(arguments)


@dataclass(frozen=True)
class Door:
    """One way by which data of others enters.

    Args:
        name: of the door.
        whole: makes the case that is not hostile, which must end with 0.
        make: makes a hostile case; the same one for the same state of its generator.
        run: what is run with the arguments of a case, in a folder with its files; returns the exit code.
        ends: exit codes that are documented. 2 must come with one line on stderr.
        progress: how the lines on stderr begin that may stand before that one.
    """

    name: str
    whole: Callable[[], Case]
    make: Callable[[random.Random], Case]
    run: Callable[[Sequence[str]], int] = riqa
    ends: frozenset[int] = field(default=frozenset({0, 2}))
    progress: tuple[str, ...] = ()

    def case(self, seed: str) -> Case:
        """The hostile case of a seed."""
        return self.make(random.Random(f"{self.name} {seed}"))


def refuse(error: Exception) -> int:
    """What `riqa` does with an error of usage, for doors that call a reader directly; returns 2."""
    print(f"riqa: {error}", file=sys.stderr)
    return 2


def write_found(path: Path, door: str, seed: str, found: str, case: Case) -> None:
    """Keeps a case as JSON text."""
    arguments = [word.replace(str(ROOT), _ROOT_MARK) for word in case.arguments]
    packed = {name: base64.b85encode(zlib.compress(data, 9)).decode() for name, data in case.files.items()}
    content = {"door": door, "seed": seed, "found": found, "kind": case.kind, "arguments": arguments}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, "files": packed}, indent=1) + "\n", encoding="utf-8")


def read_found(path: Path) -> tuple[str, Case]:
    """The door and the case of a file that `write_found` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    files = {name: zlib.decompress(base64.b85decode(data)) for name, data in content["files"].items()}
    arguments = [word.replace(_ROOT_MARK, str(ROOT)) for word in content["arguments"]]
    return content["door"], Case(content["kind"], files, arguments)
