"""Damage to image files: blind (bits, runs, cuts, splices) and by someone who knows the format (sizes,
depths, chunks, boxes, colour profiles).

A mutant is a function of (samples, rng). Checksums of PNG are repaired half of the time, else no damage would get past
them.
"""

from __future__ import annotations

import copy
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from experiments.fuzz.samples import Sample

_NUMBERS = (0, 1, 2, 7, 15, 16, 255, 256, 4095, 16384, 32767, 32768, 65535, 65536, 1 << 24, (1 << 31) - 1, 1 << 31,
            (1 << 32) - 1)  # fmt: skip
_PNG_START = 8
Edit = Callable[[random.Random, Sample, Sequence[Sample]], bytes]


def mutant(rng: random.Random, samples: Sequence[Sample]) -> tuple[str, Sample, bytes]:
    """The kinds of damage (one to three of them), the sample that was damaged, and the bytes."""
    sample = rng.choice(samples)
    weights = [3 if name in ("header field", "box", "profile") else 1 for name in EDITS]
    kinds = rng.choices(list(EDITS), weights, k=rng.choice((1, 1, 1, 2, 3)))
    data = sample.data
    for kind in kinds:
        data = EDITS[kind](rng, Sample(sample.name, sample.format, data), samples) or b"\0"
    if sample.format == "png" and rng.random() < 0.5:
        data = repaired_png(data)
    return "+".join(kinds), sample, data


def repaired_png(data: bytes) -> bytes:
    """The same chunks with true checksums, as far as the chunk lengths can be followed."""
    out, at = bytearray(data), _PNG_START
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(out)


def field_offsets(sample: Sample) -> list[tuple[int, str]]:
    """(offset, struct format) of the numbers that say how large and how deep a file is, for its format."""
    data, find = sample.data, sample.data.find
    match sample.format:
        case "png":
            return [(16, ">I"), (20, ">I"), (24, ">B"), (25, ">B"), (28, ">B"), (8, ">I"), (33, ">I")]
        case "jpeg":
            starts = [at for marker in (0xC0, 0xC2) if (at := find(bytes((0xFF, marker)))) > 0]
            return [(at + o, f) for at in starts for o, f in ((2, ">H"), (4, ">B"), (5, ">H"), (7, ">H"), (9, ">B"),
                                                              (11, ">B"), (12, ">B"))]  # fmt: skip
        case "gif":
            frame = find(b"\x2c\0\0\0\0")
            frames = [(frame + o, "<H") for o in (1, 3, 5, 7)] if frame > 0 else []
            return [(6, "<H"), (8, "<H"), (10, "<B"), *frames]
        case "bmp":
            return [(10, "<I"), (14, "<I"), (18, "<I"), (22, "<I"), (26, "<H"), (28, "<H"), (30, "<I"), (46, "<I")]
        case "tiff":
            return _tiff_offsets(data)
        case "webp":
            chunk = max(find(b"VP8 "), find(b"VP8L"), find(b"VP8X"))
            return [(4, "<I"), (16, "<I"), (24, "<H"), (26, "<H"), (28, "<H"), (21, "<I"), (chunk + 4, "<I"),
                    (chunk + 14, "<H"), (chunk + 16, "<H")]  # fmt: skip
        case "avif":
            places = [(find(b"ispe") + 8, ">I"), (find(b"ispe") + 12, ">I"), (find(b"pixi") + 8, ">B")]
            return places + [(at - 4, ">I") for name in (b"meta", b"iprp", b"ipco", b"iloc", b"mdat", b"av1C")
                             if (at := find(name)) > 0]  # fmt: skip
        case "jxl":
            start = find(b"\xff\x0a")
            return [(start + o, "<B") for o in range(2, 14)] + ([(at - 4, ">I")] if (at := find(b"jxlc")) > 0 else [])
        case "jp2":
            size = find(b"\xff\x51")
            header = find(b"ihdr")
            return [(header + 4, ">I"), (header + 8, ">I"), (header + 12, ">H"), (size + 6, ">I"), (size + 10, ">I"),
                    (size + 22, ">I"), (size + 26, ">I"), (size + 38, ">H"), (size + 40, ">B")]  # fmt: skip
    return [(offset, "<B") for offset in range(16)]


def _tiff_offsets(data: bytes) -> list[tuple[int, str]]:
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 8:
        return []
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        return []
    (count,) = struct.unpack_from(order + "H", data, start)
    places = [(4, order + "I"), (start, order + "H")]
    for entry in range(start + 2, min(start + 2 + 12 * count, len(data) - 12), 12):
        kind = struct.unpack_from(order + "H", data, entry + 2)[0]
        value = (entry + 8, order + ("H" if kind == 3 else "I"))
        places += [(entry, order + "H"), (entry + 2, order + "H"), (entry + 4, order + "I"), value, value]
    return places


def _header_field(rng: random.Random, sample: Sample, _: Sequence[Sample]) -> bytes:
    out = bytearray(sample.data)
    places = [(at, kind) for at, kind in field_offsets(sample) if 0 <= at and at + struct.calcsize(kind) <= len(out)]
    for at, kind in rng.sample(places, k=min(len(places), rng.choice((1, 1, 2, 3)))):
        limit = (1 << 8 * struct.calcsize(kind)) - 1
        struct.pack_into(kind, out, at, (rng.choice(_NUMBERS) if rng.random() < 0.7 else rng.getrandbits(32)) & limit)
    return repaired_png(bytes(out)) if sample.format == "png" else bytes(out)


def _bits(rng: random.Random, sample: Sample, _: Sequence[Sample]) -> bytes:
    out = bytearray(sample.data)
    reach = len(out) if rng.random() < 0.5 else min(len(out), 200)
    for _flip in range(rng.choice((1, 2, 8, 40))):
        out[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _run(rng: random.Random, sample: Sample, _: Sequence[Sample]) -> bytes:
    at, length = _slice(rng, sample.data)
    fill = rng.choice((b"\0" * length, b"\xff" * length, b"\x80" * length, rng.randbytes(length)))
    return sample.data[:at] + fill + sample.data[at + length :]


def _cut(rng: random.Random, sample: Sample, _: Sequence[Sample]) -> bytes:
    return sample.data[: rng.randrange(len(sample.data))]


def _splice(rng: random.Random, sample: Sample, samples: Sequence[Sample]) -> bytes:
    kin = [other for other in samples if other.format == sample.format]
    other = rng.choice(kin if rng.random() < 0.7 else samples).data
    return sample.data[: rng.randrange(len(sample.data))] + other[rng.randrange(len(other)) :]


def _appended(rng: random.Random, sample: Sample, samples: Sequence[Sample]) -> bytes:
    return sample.data + (rng.randbytes(rng.choice((1, 100, 5000))) if rng.random() < 0.5 else rng.choice(samples).data)


def _dropped(rng: random.Random, sample: Sample, _: Sequence[Sample]) -> bytes:
    at, length = _slice(rng, sample.data)
    return sample.data[:at] + sample.data[at + length :]


def _inserted(rng: random.Random, sample: Sample, _: Sequence[Sample]) -> bytes:
    at, length = _slice(rng, sample.data)
    return sample.data[:at] + rng.randbytes(length) + sample.data[at:]


def _doubled(rng: random.Random, sample: Sample, _: Sequence[Sample]) -> bytes:
    """A chunk, box or marker segment twice, where the format is known by its chunks; else any slice."""
    chunks = _chunks(sample)
    at, length = _slice(rng, sample.data)
    start, end = rng.choice(chunks or [(at, at + length)])
    goal = rng.choice([end, *(at for at, _ in chunks)])
    return sample.data[:goal] + sample.data[start:end] + sample.data[goal:]


def _chunks(sample: Sample) -> list[tuple[int, int]]:
    """(start, end) of the top-level parts."""
    data, found = sample.data, []
    at = {"png": 8, "webp": 12, "jpeg": 2, "avif": 0, "jp2": 0}.get(sample.format, len(data))
    while at + 8 <= len(data):
        if sample.format == "png":
            end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        elif sample.format == "webp":
            end = at + 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
        elif sample.format == "jpeg":
            if data[at] != 0xFF or data[at + 1] == 0xDA:
                break
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        else:
            end = at + max(8, int.from_bytes(data[at : at + 4], "big"))
        if end > len(data):
            break
        found.append((at, end))
        at = end
    return found


_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"jp2h": 0, b"iinf": 6, b"iref": 4, b"grpl": 0}
"""Boxes that hold boxes, with the bytes before the first one (ISO/IEC 14496-12, 15444-1)."""


@dataclass
class _Box:
    kind: bytes
    content: bytes  # what comes before the boxes within it
    parts: list[_Box] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        within = self.content + b"".join(part.to_bytes() for part in self.parts)
        return struct.pack(">I", 8 + len(within)) + self.kind + within

    def lists(self) -> Iterator[list[_Box]]:
        yield self.parts
        for part in self.parts:
            yield from part.lists()


def _boxes(data: bytes) -> list[_Box]:
    found, at = [], 0
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big") or len(data) - at, data[at + 4 : at + 8]
        content = data[at + 8 : at + max(8, length)]
        before = _CONTAINERS.get(kind, len(content))
        found.append(_Box(kind, content[:before], _boxes(content[before:])))
        at += max(8, length)
    return found


def _box(rng: random.Random, sample: Sample, samples: Sequence[Sample]) -> bytes:
    """A box, at any depth, lost, doubled, moved, renamed, or with another number in it; the lengths above agree."""
    if sample.format not in ("avif", "jp2", "jxl") or sample.data[:3] != b"\0\0\0":  # a bare codestream
        return _doubled(rng, sample, samples)
    root = _Box(b"", b"", _boxes(sample.data))
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.choice([each for each in root.lists() if each] or [root.parts])
        if not place:
            break
        at = rng.randrange(len(place))
        match rng.randrange(6):
            case 0:
                del place[at]
            case 1:
                twin = copy.deepcopy(place[at])
                rng.choice(list(root.lists())).append(twin)
            case 2:
                moved = place.pop(at)  # before its goal is chosen: not into itself
                rng.choice(list(root.lists())).append(moved)
            case 3:
                place[at].kind = rng.choice(
                    (b"free", b"uuid", b"colr", b"ispe", b"pixi", b"clap", b"irot", b"auxC", b"jxlp")
                )
            case _:
                content = bytearray(place[at].content)
                for _number in range(min(len(content), rng.choice((1, 1, 3)))):
                    start = rng.randrange(len(content))
                    content[start : start + 4] = struct.pack(">I", rng.choice(_NUMBERS))[: len(content) - start]
                place[at].content = bytes(content)
    return b"".join(part.to_bytes() for part in root.parts)


def _profile(rng: random.Random, sample: Sample, samples: Sequence[Sample]) -> bytes:
    """Another number in the head or in the table of tags of an ICC profile (ICC.1:2022, section 7), or damage in it."""
    data, start, end = sample.data, sample.data.find(b"acsp") - 36, 0
    packed = data.find(b"iCCP") if sample.format == "png" else -1
    if packed > 0:
        length = int.from_bytes(data[packed - 4 : packed], "big")
        name_end = data.find(b"\0", packed + 4) + 2
        try:
            profile = zlib.decompress(data[name_end : packed + 4 + length])
        except zlib.error:
            return _bits(rng, sample, samples)
        chunk = data[packed + 4 : name_end] + zlib.compress(_other_profile(rng, profile))
        after = packed + 8 + length
        return repaired_png(
            data[: packed - 4] + struct.pack(">I", len(chunk)) + b"iCCP" + chunk + bytes(4) + data[after:]
        )
    if start < 0:
        return _header_field(rng, sample, samples)
    end = start + int.from_bytes(data[start : start + 4], "big")
    return data[:start] + _other_profile(rng, data[start:end]) + data[end:]


def _other_profile(rng: random.Random, profile: bytes) -> bytes:
    out = bytearray(profile)
    tags = min(int.from_bytes(profile[128:132], "big"), (len(profile) - 132) // 12)
    table = [132 + 12 * tag + place for tag in range(tags) for place in (0, 4, 8)]
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.choice((0, 8, 12, 16, 20, 64, 128, *table)) if rng.random() < 0.7 else rng.randrange(len(out) or 1)
        value = rng.choice(
            (*(struct.pack(">I", number) for number in _NUMBERS), b"GRAY", b"CMYK", b"Lab ", b"link", b"abst")
        )
        out[at : at + 4] = value[: max(0, len(out) - at)]
    return bytes(out)


def _slice(rng: random.Random, data: bytes) -> tuple[int, int]:
    at = rng.randrange(len(data))
    return at, min(len(data) - at, rng.choice((1, 2, 4, 16, 64, 400)))


EDITS: dict[str, Edit] = {
    "bit flips": _bits,
    "byte run": _run,
    "truncation": _cut,
    "splice": _splice,
    "appended": _appended,
    "dropped run": _dropped,
    "inserted run": _inserted,
    "doubled chunk": _doubled,
    "header field": _header_field,
    "box": _box,
    "profile": _profile,
}
