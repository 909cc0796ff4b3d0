"""What the first directory of a TIFF says (TIFF 6.0, section 2; BigTIFF), independent of what a decoder supports."""

import struct
from dataclasses import dataclass

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # types of the tags that are read
_MOST_ENTRIES, _MOST_VALUES = 4096, 1 << 24


@dataclass(frozen=True)
class TiffHeader:
    """The first page.

    Args:
        width: in pixels, as stored.
        height: in pixels, as stored.
        bits: bits of each sample of a pixel.
        formats: 1 unsigned, 2 signed, 3 float, of each sample.
        compression: number of the scheme.
        photometric: number of the colour space.
        samples: samples a pixel.
        extra: meaning of the samples beyond the colours: 1 premultiplied alpha, 2 straight alpha, else none.
        separate: whether each sample has a plane of its own.
        orientation: as in EXIF.
        profile: ICC profile, None where there is none.
        several: whether more pages follow.
        preview: whether this page is a smaller version of another one, as in files of camera raw.
        covered: whether there are as many strips or tiles as the size asks for.
    """

    width: int
    height: int
    bits: tuple[int, ...]
    formats: tuple[int, ...]
    compression: int
    photometric: int
    samples: int
    extra: tuple[int, ...]
    separate: bool
    orientation: int
    profile: bytes | None
    several: bool
    preview: bool
    covered: bool


class TiffDirectory:
    """Values by tag of one image file directory."""

    def __init__(self, data: bytes) -> None:
        self._data, self._order = data, {b"II": "<", b"MM": ">"}[data[:2]]
        self._big = self._numbers("H", 1, 2)[0] == 43
        entry, count = (20, "Q") if self._big else (12, "H")
        (start,) = self._numbers("Q", 1, 8) if self._big else self._numbers("I", 1, 4)
        (entries,) = self._numbers(count, 1, start)
        first = start + struct.calcsize("=" + count)
        self._entries: dict[int, tuple[int, int, int]] = {}
        for at in range(first, first + entry * min(entries, _MOST_ENTRIES), entry):
            tag, kind = self._numbers("H", 2, at)
            (length,) = self._numbers("Q" if self._big else "I", 1, at + 4)
            place = at + (12 if self._big else 8)
            if length * _SIZES.get(kind, 1) > (8 if self._big else 4):
                (place,) = self._numbers("Q" if self._big else "I", 1, place)
            self._entries.setdefault(tag, (kind, length, place))
        after = first + entry * entries
        self.several = any(data[after : after + (8 if self._big else 4)])

    def _numbers(self, kind: str, count: int, at: int) -> tuple[int, ...]:
        return struct.unpack_from(f"{self._order}{count}{kind}", self._data, at)

    def all(self, tag: int) -> tuple[int, ...]:
        kind, length, place = self._entries.get(tag, (3, 0, 0))
        if kind not in _INTEGERS or length > _MOST_VALUES:
            raise ValueError(f"tag {tag} has type {kind} and {length} values")
        return self._numbers(_INTEGERS[kind], length, place)

    def one(self, tag: int, default: int) -> int:
        values = self.all(tag)
        return values[0] if values else default

    def count(self, tag: int) -> int:
        return self._entries.get(tag, (0, 0, 0))[1]

    def raw(self, tag: int) -> bytes | None:
        kind, length, place = self._entries.get(tag, (7, 0, 0))
        return self._data[place : place + length * _SIZES.get(kind, 1)] or None


def read_tiff_header(data: bytes) -> TiffHeader:
    """The header of a TIFF or BigTIFF. Raises ValueError where it makes no sense."""
    try:
        return _read(TiffDirectory(data))
    except (struct.error, KeyError, OverflowError, IndexError) as error:
        raise ValueError(f"no TIFF directory ({error})") from error


def _read(tags: TiffDirectory) -> TiffHeader:
    width, height, samples = tags.one(256, 0), tags.one(257, 0), tags.one(277, 1)
    if not 0 < samples <= 64 or width <= 0 or height <= 0:
        raise ValueError(f"{width}x{height} px of {samples} samples")
    photometric, separate = tags.one(262, 1), tags.one(284, 1) == 2 and samples > 1
    if tags.count(322):  # tiles
        across, down = max(1, tags.one(322, 1)), max(1, tags.one(323, 1))
        wanted, stored = -(-width // across) * -(-height // down), tags.count(324)
    else:
        rows = min(tags.one(278, height), height) or height
        wanted, stored = -(-height // rows), tags.count(273)
    colours = {2: 3, 5: 4, 6: 3, 8: 3}.get(photometric, 1)
    if samples < colours:
        raise ValueError(f"{samples} samples a pixel where its colour space has {colours}")
    extra = tags.all(338)[-(samples - colours) :] if samples > colours else ()
    return TiffHeader(
        width=width,
        height=height,
        bits=_each(tags.all(258), samples),
        formats=_each(tags.all(339), samples),
        compression=tags.one(259, 1),
        photometric=photometric,
        samples=samples,
        extra=tuple(extra) + (0,) * (max(0, samples - colours) - len(extra)),
        separate=separate,
        orientation=tags.one(274, 1),
        profile=tags.raw(34675),
        several=tags.several,
        preview=bool(tags.one(254, 0) & 1) or tags.count(50706) > 0,  # NewSubfileType; DNGVersion
        covered=stored >= wanted * (samples if separate else 1),
    )


def _each(values: tuple[int, ...], samples: int) -> tuple[int, ...]:
    """One value a sample; a single one counts for all, none is 1."""
    return values if len(values) == samples else (values or (1,))[:1] * samples
