"""Size of a WebP file from its first chunk (RFC 9649): Pillow's decoder takes memory for the canvas when it opens."""

_CHUNK, _CONTENT = 12, 20  # offsets of the first chunk's name and of its content


def read_webp_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels, or None where the first chunk is none that a WebP file may begin with."""
    kind, content = data[_CHUNK : _CHUNK + 4], data[_CONTENT : _CONTENT + 10]
    if len(content) < 10:
        return None
    if kind == b"VP8X":  # flags, then width - 1 and height - 1 in 24 bits
        return int.from_bytes(content[4:7], "little") + 1, int.from_bytes(content[7:10], "little") + 1
    if kind == b"VP8L" and content[0] == 0x2F:  # signature, then width - 1 and height - 1 in 14 bits
        bits = int.from_bytes(content[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":  # frame tag, start code, then 14 bits and a scale each
        width, height = (int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return width, height
    return None
