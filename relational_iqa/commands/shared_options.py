"""Options that several commands share, each once; a command inherits those that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from relational_iqa.commands.options import Metavar, Positional, PositiveInt
from relational_iqa.systems.devices import Precision
from relational_iqa.viewing.alignment import Alignment


@dataclass(frozen=True, kw_only=True)
class ImagesOption:
    """The images of one scene."""

    images: Annotated[Sequence[str], Positional("IMAGES")]
    """Images of one scene."""


@dataclass(frozen=True, kw_only=True)
class ReferenceOption:
    """The pristine image."""

    reference: Annotated[str | None, Metavar("R")] = None
    """The pristine image, if there is one."""


@dataclass(frozen=True, kw_only=True)
class JsonOption:
    """The result as JSON."""

    json: Annotated[str | None, Metavar("PATH|-")] = None
    """Writes the result as JSON; - writes it to stdout."""


@dataclass(frozen=True, kw_only=True)
class AlignOption:
    """Images of different sizes."""

    align: Alignment | None = None
    """Brings images of different sizes to one size: shrinks them to the smallest, or cuts its size from the middle.
    Without this option they are refused."""


@dataclass(frozen=True, kw_only=True)
class WeightsOption:
    """Other weights."""

    weights: Annotated[str | None, Metavar("W")] = None
    """Other weights than the shipped ones: a file, or the name of shipped weights."""


@dataclass(frozen=True, kw_only=True)
class MaxPixelsOption:
    """The limit of what is decoded."""

    max_pixels: Annotated[PositiveInt | None, Metavar("N")] = None
    """Largest width x height of an image to decode."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Where and how precisely the networks compute."""

    device: Annotated[str | None, Metavar("D")] = None
    """Device that computes: cpu, cuda or mps; cpu if not given."""
    precision: Precision | None = None
    """Number format of the networks; float32 if not given. The 16-bit formats change margins by some hundredths of a
    level and need a GPU to be fast."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions(JsonOption, AlignOption, WeightsOption, MaxPixelsOption):
    """What every command takes that loads images of one scene and compares them."""
