"""The plug-in of pytest: a test fails where a picture is worse than the accepted one.

    def test_portrait(riqa):
        riqa.assert_not_worse(denoise(photo), "portrait", reference="portrait.png")

`pytest --riqa-accept` takes the pictures of today as the accepted ones. They lie in the folder `__riqa__` beside the
test file and belong in the repository. Nothing but pytest is imported before a test uses the fixture.
"""

import os
import re
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from relational_iqa.gate.snapshots import Snapshots
    from relational_iqa.gate.tolerances import Tolerance

_NAME = re.compile(r"[\w][\w .,=+()\[\]-]*")
_MODEL = pytest.StashKey[Any]()
_TAKEN = pytest.StashKey[dict[tuple[Path, str], str]]()


class UndecidedWarning(UserWarning):
    """A picture may be worse than the accepted one, and it cannot be told surely enough."""


class Riqa:
    """The fixture `riqa` of one test.

    Args:
        request: the test that asks for it.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._config, self._test = request.config, request.node

    def assert_not_worse(
        self,
        image: Any,
        name: str,
        *,
        reference: Any = None,
        margin: float | None = None,
        confidence: float | None = None,
        strength: Mapping[str, float] | None = None,
    ) -> None:
        """Passes where an image is not worse than the accepted one of that name, and fails with its evidence else.

        Without an accepted picture it fails, too; with `pytest --riqa-accept` the image becomes the accepted one.

        Args:
            image: a path (a relative one: from the working folder, else from that of the test file), a PIL image, an
                array (H, W, 3) or (H, W) of uint8, uint16 or floats in [0, 1], or a tensor (3, H, W) in [0, 1].
            name: of the picture, unique within the test file.
            reference: the pristine image, as `image`; the verdict is more certain with it.
            margin: levels by which it may be worse, in place of what `__riqa__/<test file>/riqa.toml` says.
            confidence: least probability, .5 to 1, that it is worse; below it a warning says "cannot tell".
            strength: axis -> largest strength of a defect that the accepted picture has not, 0 to 1.

        Raises:
            AssertionError: where it is worse.
            ImageError: for an image that cannot be used.
            UsageError: for a name or a value that cannot be.
        """
        __tracebackhide__ = True
        image, reference = self._there(image, name), self._there(reference, f"the reference of {name}")
        snapshots = self._snapshots(name)
        if self._config.getoption("riqa_accept"):
            snapshots.accept(name, image, reference)
            return
        given = {"margin": margin, "confidence": confidence, "strength": strength}
        values = {key: value for key, value in given.items() if value is not None}
        verdict, lines = snapshots.verdict(name, image, reference, lambda tolerance: _changed(tolerance, values))
        said = f"{name}: {'; '.join(verdict.problems)}"
        if verdict.status == "failed":
            accept = f"if this is meant: pytest --riqa-accept {shlex.quote(self._test.nodeid)}"
            raise AssertionError("\n  ".join([said, *lines, accept]))
        if verdict.status == "undecided":
            warnings.warn(UndecidedWarning("\n  ".join([said, *lines])), stacklevel=2)

    def _there(self, image: Any, what: str) -> Any:
        """What was given; of a relative path, the file below the working folder or else beside the test file. Raises
        ImageError for a file that is in neither."""
        if not isinstance(image, str | os.PathLike):
            return image
        path, test = Path(image), Path(self._test.path)
        found = next((place for place in (path, test.parent / path) if place.is_file()), None)
        if found is None:
            from distortion_engine.errors import ImageError

            beside = "" if path.is_absolute() else f", neither in {Path.cwd()} nor beside {test.name}"
            raise ImageError(f"{what}: {path}: no such file{beside}")
        return found

    def _snapshots(self, name: str) -> "Snapshots":
        from distortion_engine.errors import UsageError
        from relational_iqa.gate.snapshots import FOLDER, Snapshots

        if not _NAME.fullmatch(str(name)) or name.endswith((".", " ")):
            raise UsageError(f"{name!r}: is no name of a picture; use letters, digits and any of _ . , = + - ( ) [ ]")
        test: Path = self._test.path
        taken = self._config.stash.setdefault(_TAKEN, {})
        owner = taken.setdefault((test, name.lower()), self._test.nodeid)
        if owner != self._test.nodeid:
            raise UsageError(f"{name}: is the name of a picture of {owner}, too; give each its own")
        evidence = self._config.rootpath / self._config.getoption("riqa_evidence")
        return Snapshots(test.parent / FOLDER / test.stem, self._model, evidence)

    def _model(self) -> Any:
        """One model for all tests."""
        if _MODEL not in self._config.stash:
            import relational_iqa

            self._config.stash[_MODEL] = relational_iqa.load()
        return self._config.stash[_MODEL]


def _changed(tolerance: "Tolerance", values: Mapping[str, Any]) -> "Tolerance":
    """The tolerance with the values of a call. Raises UsageError for those that cannot be."""
    from relational_iqa.gate.tolerances import changed_tolerance

    return changed_tolerance(tolerance, values, "riqa.assert_not_worse")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plug-in."""
    group = parser.getgroup("riqa", "image quality: relational-iqa")
    group.addoption(
        "--riqa-accept", action="store_true", help="take the pictures of the tests that run as the accepted ones"
    )
    group.addoption(
        "--riqa-evidence", default="riqa-evidence", metavar="DIR",
        help="folder for reports and pictures of what is worse (default: riqa-evidence, below the root)",
    )  # fmt: skip


@pytest.fixture
def riqa(request: pytest.FixtureRequest) -> Riqa:
    """`riqa.assert_not_worse(image, "name", reference=...)`: fails where an image is worse than the accepted one."""
    return Riqa(request)
