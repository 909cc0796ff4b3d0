"""All pictures of a run checked against a baseline."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from distortion_engine.errors import ImageError
from distortion_engine.jobs.printable import printable
from relational_iqa.gate.accepted import Accepted, Files, Measured, weights_said
from relational_iqa.gate.baseline import Baseline
from relational_iqa.gate.pictures import Picture
from relational_iqa.gate.verdicts import Outcome, Verdict, accepted_floor, judge

if TYPE_CHECKING:
    from relational_iqa.folders.compared_files import ComparedFiles
    from relational_iqa.folders.comparison import FolderComparison

Evidence = Callable[[Outcome, "ComparedFiles"], Outcome]
"""Called with the outcome of a picture that does not pass while its images are held; the outcome with evidence."""


@dataclass
class Checking:
    """Judges pictures one by one; the model is loaded where a picture has changed.

    Args:
        baseline: tolerances and accepted states.
        comparing: makes what compares files.
        labels: what to call the new outputs and what they are compared with.
        against_reference: whether they are compared with their references alone.
        evidence: keeps what a person wants to see of a picture that does not pass.
        viewing: the condition of viewing; numbers under another one are not comparable.
        region: that alone is compared, in words; "" for whole pictures. Numbers of another one are not comparable.
        max_pixels: largest width x height of a picture that has nothing to be compared with; None for the usual limit.
        anew: whether a picture whose file is the accepted one is measured, too, where other weights measured it.
    """

    baseline: Baseline
    comparing: Callable[[], "FolderComparison"]
    labels: tuple[str, str]
    against_reference: bool = False
    evidence: Evidence | None = None
    anew: bool = False
    viewing: str | None = None
    region: str = ""
    max_pixels: int | None = None
    loaded: bool = field(default=False, init=False)

    @cached_property
    def _comparison(self) -> "FolderComparison":
        self.loaded = True
        return self.comparing()

    @property
    def weights(self) -> str:
        """What compares: name and hash of the weights, the condition of viewing and the region where there are such."""
        said = weights_said(self._comparison.model.meta)
        said += "" if self.viewing is None else f", viewing {self.viewing}"
        return said + (f", {self.region}" if self.region else "")

    def outcome(self, picture: Picture) -> Outcome:
        """The outcome of one picture. What is wrong with its files is in it; raises UsageError for weights and
        device."""
        start = time.perf_counter()
        accepted = self.baseline.accepted.get(picture.name)
        try:
            files = picture.hashes(self.against_reference)
        except OSError as error:
            reason = f"{printable(str(error.filename))}: {error.strerror}; give a file that can be read"
            return Outcome(picture.name, Verdict("error", (reason,)), accepted=accepted)
        found = self._judged(picture, files, accepted)
        return replace(found, seconds=time.perf_counter() - start)

    def _judged(self, picture: Picture, files: Files, accepted: Accepted | None) -> Outcome:
        known = Outcome(picture.name, Verdict("unchanged"), files, accepted=accepted)
        if accepted is not None and accepted.files == files:
            if not self.anew or accepted.margin is None or accepted.weights == self.weights:
                return known
        if picture.problem:
            return replace(known, verdict=Verdict("error", (picture.problem,)))
        if picture.new is None:
            return replace(known, verdict=Verdict("failed", (f"{self.labels[1]} has it, {self.labels[0]} does not",)))
        if picture.other is None:
            unreadable = _unreadable(picture.new, self.max_pixels)
            return replace(known, verdict=Verdict("error", (unreadable,)) if unreadable else Verdict("new"))
        if accepted is None and files.new == files.against:
            return replace(known, verdict=Verdict("passed"))
        found: list[Outcome] = []

        def use(_: object, compared: "ComparedFiles") -> None:
            measured, weights = Measured.of(compared.result), self.weights
            comparable = accepted if accepted is not None and accepted.measures(files, weights) else None
            tolerance = self.baseline.tolerances.of(picture.name)
            refused = ""
            if self.against_reference and comparable is None:
                refused = _why_not(accepted, files, weights)
            verdict = judge(measured, comparable, tolerance, self.labels[1], refused)
            outcome = replace(
                known, verdict=verdict, measured=measured, floor=accepted_floor(comparable), weights=weights
            )
            wanted = self.evidence is not None and verdict.status in ("failed", "undecided")
            found.append(self.evidence(outcome, compared) if wanted and self.evidence is not None else outcome)

        row = self._comparison.row(picture.pair, use)
        return found[0] if found else replace(known, verdict=Verdict("error", (row.error,)))

    def gone(self, name: str) -> Outcome:
        """The outcome of an accepted picture that is there no more."""
        verdict = Verdict("failed", (f"is accepted, but {self.labels[0]} does not have it",))
        return Outcome(name, verdict, accepted=self.baseline.accepted[name])


def _unreadable(path: Path, max_pixels: int | None) -> str:
    """Why a file is no usable image, one line; "" where it is one."""
    from distortion_engine.reading.image_io import MAX_PIXELS
    from relational_iqa.tiling.stored_image import open_image

    try:
        open_image(path, max_pixels=max_pixels or MAX_PIXELS)
    except OSError as error:
        return printable(f"{path}: {error.strerror or error}")
    except (ImageError, MemoryError) as error:
        return printable(" ".join(str(error).split())) or type(error).__name__
    return ""


def _why_not(accepted: Accepted | None, files: Files, weights: str) -> str:
    """Why there is no accepted state to compare a picture with that is compared with its reference."""
    if accepted is None or accepted.margin is None:
        return "has no accepted state"
    if accepted.files.others != files.others:
        return "was accepted beside other files"
    return f"was accepted with other weights ({accepted.weights}, now {weights})"


def accept(baseline: Baseline, outcomes: Sequence[Outcome], gone: Sequence[str] = ()) -> tuple[Baseline, list[str]]:
    """The baseline with the state of all pictures that could be compared, and the names whose state is another.

    Args:
        baseline: the former one.
        outcomes: of the pictures.
        gone: names of accepted pictures that are there no more.
    """
    states: dict[str, Accepted] = {name: state for name, state in baseline.accepted.items() if name not in gone}
    for outcome in outcomes:
        if outcome.files is not None and outcome.status not in ("error", "unchanged"):
            states[outcome.name] = Accepted.of(outcome.files, outcome.measured, outcome.weights)
    before: Mapping[str, Accepted] = baseline.accepted
    changed = [name for name in sorted({*states, *before}) if states.get(name) != before.get(name)]
    return replace(baseline, accepted=states), changed
