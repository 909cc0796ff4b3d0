"""What was noticed about the images before any verdict: other scenes, images that do not lie on each other, and what
reading or aligning changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from distortion_engine.reading.notes import Note
from relational_iqa.results.words.sentences import join_words
from relational_iqa.viewing.registration import Motion

Role = Literal["a", "b", "reference"]
ROLES: tuple[Role, ...] = ("a", "b", "reference")
_IF_DIFFERENT = ("profile",)  # told where not every image has it


@dataclass(frozen=True)
class Placed:
    """How one image lies on another.

    Args:
        image: role of the image.
        on: role of the image that it is held against: the reference or, without one, a.
        motion: from `on` to `image`; None where nothing was found that most of the picture agrees on.
        same_scene: False where the two seem to show different scenes; None where that cannot be told.
    """

    image: Role
    on: Role
    motion: Motion | None
    same_scene: bool | None

    @property
    def is_moved(self) -> bool:
        """Whether the image does not lie on the other one."""
        return self.motion is not None and not self.motion.is_none

    def to_json(self) -> dict[str, Any]:
        """As plain data; shift, scale and angle are None where they are not known."""
        motion = self.motion
        return {
            "image": self.image,
            "on": self.on,
            "same_scene": self.same_scene,
            "moved": None if motion is None else self.is_moved,
            "shift_px": None if motion is None else list(motion.shift_px),
            "scale": None if motion is None else motion.scale,
            "angle_deg": None if motion is None else motion.angle_deg,
        }


@dataclass(frozen=True)
class Noticed:
    """What was noticed about the images of one comparison.

    Args:
        placed: how images lie on each other; empty where that was not looked at.
        notes: what reading and aligning changed, by the role of the image.
    """

    placed: tuple[Placed, ...] = ()
    notes: Mapping[Role, tuple[Note, ...]] = field(default_factory=dict)

    def before(self, labels: tuple[str, str]) -> str:
        """Sentences that belong before the verdict; "" where there is nothing to say."""
        names = _names(labels)
        said = []
        for one in self.placed:
            if one.same_scene is False:
                said.append(
                    f"{_first(names[one.on])} and {names[one.image]} seem to show different "
                    "scenes, so the verdict means little."
                )
            elif one.is_moved and one.motion is not None:
                said.append(
                    f"{names[one.image]} is {one.motion.said()}, compared with {names[one.on]}: register them with "
                    "--align auto (align= in Python)."
                )
        return " ".join(said)

    def after(self, labels: tuple[str, str]) -> str:
        """A line on what was converted, for behind the verdict; "" where nothing matters."""
        names = _names(labels)
        texts: dict[str, list[str]] = {}
        for role in ROLES:
            for note in self.notes.get(role, ()):
                if note.tell or (note.kind in _IF_DIFFERENT and not self._all_have(note)):
                    texts.setdefault(note.text, []).append(names[role])
        said = "; ".join(f"{join_words(who)}: {text}" for text, who in texts.items())
        return f"{_first(said)}." if said else ""

    def to_json(self, labels: tuple[str, str]) -> dict[str, Any]:
        """As plain data, with the sentences."""
        return {
            "before": self.before(labels),
            "after": self.after(labels),
            "placed": [one.to_json() for one in self.placed],
            "notes": {
                role: [{"kind": note.kind, "text": note.text} for note in notes] for role, notes in self.notes.items()
            },
        }

    def _all_have(self, note: Note) -> bool:
        return all(note in notes for notes in self.notes.values())


def _names(labels: tuple[str, str]) -> dict[Role, str]:
    return {"a": labels[0], "b": labels[1], "reference": "the reference"}


def _first(text: str) -> str:
    """At the beginning of a sentence; file names stay as they are."""
    return f"The{text[3:]}" if text.startswith("the reference") else text
