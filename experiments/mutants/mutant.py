"""What a mutant is: one place of one file, changed, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distortion_engine.errors import UsageError


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Args:
        path: of the file, from the root of the repository.
        old: the text that is replaced; it stands in the file exactly once.
        new: what takes its place.
        tests: files or folders of tests, or node ids, of which one must fail.
    """

    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def title(self) -> str:
        """One line that tells it from the others."""
        return f"{self.path}: {_one_line(self.old)} -> {_one_line(self.new)}"

    def applied_to(self, text: str) -> str:
        """The changed text of the file. Raises UsageError where `old` does not stand in it exactly once."""
        count = text.count(self.old)
        if count != 1:
            raise UsageError(f"{self.path}: {_one_line(self.old)!r} stands there {count} times, expected once")
        if self.old == self.new:
            raise UsageError(f"{self.path}: {_one_line(self.old)!r} is replaced by itself")
        return text.replace(self.old, self.new)

    def check(self, root: Path) -> None:
        """Raises UsageError where the file, the place or a test is missing in the repository at `root`."""
        file = root / self.path
        if not file.is_file():
            raise UsageError(f"{self.path}: no such file")
        self.applied_to(file.read_text(encoding="utf-8"))
        missing = [test for test in self.tests if not (root / test.split("::")[0]).exists()]
        if missing or not self.tests:
            raise UsageError(f"{self.path}: tests that are not there: {', '.join(missing) or 'none are named'}")


def _one_line(text: str, limit: int = 70) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
