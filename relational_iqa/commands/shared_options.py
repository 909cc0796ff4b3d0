"""Options that several commands share, each once; a command inherits those that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from distortion_engine.errors import UsageError
from distortion_engine.generation.choices import SIZE_PX, WorkerKind
from distortion_engine.jobs.resume import Resume
from relational_iqa.commands.options import JSON, Metavar, NonNegativeInt, Positional, PositiveInt
from relational_iqa.systems.devices import Precision
from relational_iqa.tiling.rectangles import parse_rectangle
from relational_iqa.viewing.alignment import Alignment

if TYPE_CHECKING:
    from relational_iqa.tiling.regions_of_interest import Region, RegionOfInterest
    from relational_iqa.tiling.stored_image import StoredImage


@dataclass(frozen=True, kw_only=True)
class ReferenceOption:
    """The pristine image."""

    reference: Annotated[str | None, Metavar("R")] = None
    """The pristine image, if there is one."""


@dataclass(frozen=True, kw_only=True)
class JsonOption:
    """The result as JSON."""

    json: Annotated[str | None, Metavar("PATH|-"), JSON] = None
    """Writes the result as JSON; - writes it to stdout."""


@dataclass(frozen=True, kw_only=True)
class AlignOption:
    """Images of different sizes."""

    align: Alignment | None = None
    """How to make images comparable: auto registers them on the reference or, without one, on the first image (shift,
    scale, turn) and crops to what all show; resize enlarges to the largest size; crop cuts the smallest from the
    middle. Without this option images of different sizes are refused."""


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
class RegionOptions(AlignOption, MaxPixelsOption):
    """Regions of interest."""

    roi: Annotated[Sequence[str], Metavar("X,Y,W,H")] = ()
    """A rectangle that is answered by itself too, as if there were nothing else: its upper left pixel, width and
    height, in pixels of the pictures as they are compared. May be given several times."""
    mask: Annotated[Sequence[str], Metavar("M")] = ()
    """An image of a region that is answered by itself too: white pixels count, black ones do not, grey ones in part.
    What is black has no influence. May be given several times."""

    def found_regions(self, image: "StoredImage") -> "list[RegionOfInterest]":
        """The rectangles, then the masks, in pictures of the size of `image`. Raises UsageError and ImageError."""
        from distortion_engine.reading.image_io import MAX_PIXELS
        from relational_iqa.tiling.regions_of_interest import find_region

        limit = self.max_pixels or MAX_PIXELS
        regions: list[Region] = [*map(parse_rectangle, self.roi), *self.mask]
        return [find_region(region, image, self.align, max_pixels=limit) for region in regions]


@dataclass(frozen=True, kw_only=True)
class OneRegionOptions(AlignOption, MaxPixelsOption):
    """A region that alone is compared. Raises UsageError for two of them and for what is no rectangle."""

    roi: Annotated[str | None, Metavar("X,Y,W,H")] = None
    """Compares this rectangle alone, as if there were nothing else: its upper left pixel, width and height, in pixels
    of the pictures as they are compared."""
    mask: Annotated[str | None, Metavar("M")] = None
    """Compares what an image shows alone: white pixels count, black ones do not, grey ones in part. What is black has
    no influence."""

    def __post_init__(self) -> None:
        if self.roi is not None and self.mask is not None:
            raise UsageError(f"--roi {self.roi} and --mask {self.mask}: give one of them; only one region is compared")
        if self.roi is not None:
            parse_rectangle(self.roi)

    @property
    def region(self) -> "Region | None":
        """The rectangle or the file of the mask; None for the whole picture."""
        return parse_rectangle(self.roi) if self.roi is not None else self.mask


@dataclass(frozen=True, kw_only=True)
class CropSizeOption:
    """The size of what is cut from photographs."""

    size: Annotated[PositiveInt, Metavar("PX")] = SIZE_PX
    """Side of the square crops in pixels."""


@dataclass(frozen=True, kw_only=True)
class QuietOption:
    """Progress."""

    quiet: bool = False
    """Does not say how far a job is. Otherwise a line on a terminal does for all that takes over two seconds."""


@dataclass(frozen=True, kw_only=True)
class ThreadsOption:
    """How much of the processor is used."""

    threads: Annotated[PositiveInt | None, Metavar("N")] = None
    """Most threads that compute or decode at once; as many as there are processors if not given."""


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Who works on many images."""

    workers: Annotated[NonNegativeInt, Metavar("W")] = 0
    """Number of processes; 0 works in this one. With Ray: CPUs of a cluster that is started here, 0 for all."""
    engine: WorkerKind = "local"
    """Who works: processes of this machine, or a Ray cluster (extra [ray])."""
    address: Annotated[str | None, Metavar("A")] = None
    """Address of the Ray cluster; RAY_ADDRESS if not given. Without either a cluster is started here."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(ThreadsOption, QuietOption):
    """Where and how precisely the networks compute."""

    device: Annotated[str | None, Metavar("D")] = None
    """Device that computes: cpu, cuda or mps; cpu if not given."""
    precision: Precision | None = None
    """Number format of the networks; float32 if not given. The 16-bit formats change margins by some hundredths of a
    level and need a GPU to be fast."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions(JsonOption, AlignOption, WeightsOption, MaxPixelsOption):
    """What every command takes that loads images of one scene and compares them."""


@dataclass(frozen=True, kw_only=True)
class GainMapOption:
    """JPEGs that hold an SDR and an HDR picture."""

    gain_map: bool = False
    """Reads a JPEG with a gain map (Ultra HDR, ISO 21496-1) as the HDR picture that it describes, not as its SDR
    picture."""


@dataclass(frozen=True, kw_only=True)
class ViewingOption:
    """How the pictures are looked at."""

    viewing: Annotated[str | None, Metavar("CONDITION")] = None
    """At which scale differences count: phone or desktop (a picture that is larger than the screen is fitted to it),
    how many pixels of the pictures lie in a degree of the visual field, or pixel-peep, where every pixel counts;
    pixel-peep if not given."""


@dataclass(frozen=True, kw_only=True)
class SeveralImagesOptions(ReferenceOption, GainMapOption, ViewingOption, ModelOptions, DeviceOptions):
    """What commands take that judge any number of images of one scene."""

    images: Annotated[Sequence[str], Positional("IMAGES")]
    """Images of one scene."""

    @property
    def inputs(self) -> list[str]:
        """What is read: the images, then the reference where there is one."""
        return [*self.images, *([] if self.reference is None else [self.reference])]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What changes a training run that a YAML file describes."""

    overrides: Annotated[Sequence[str], Positional("key=value")] = ()
    """Replaces single values of the YAML file; dots stand for sections, as in train.steps=100."""
    resume: Resume = "auto"
    """Goes on from the last checkpoint of the run (auto), or starts anew over it (never)."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(RunOptions):
    """What every command takes that trains from a YAML file."""

    config: Annotated[str, Metavar("C")]
    """YAML file that describes the run."""
