"""Boxes of the ISO base media file format (ISO/IEC 14496-12), in which JPEG XL, JPEG 2000 and AVIF lie."""

from collections.abc import Iterator

_MOST = 100_000


def read_boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of the content of each box in data[start:end]; the last one may be cut short.

    Raises ValueError where a box is shorter than its head, or where there are more than any image has.
    """
    at, stop = start, len(data) if end is None else min(end, len(data))
    for _ in range(_MOST):
        if at + 8 > stop:
            return
        length, kind, content = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == 1:  # 64 bit length after the type
            length, content = int.from_bytes(data[content : content + 8], "big"), content + 8
        after = stop if length == 0 else at + length  # 0: to the end of the file
        if after < content:
            raise ValueError(f"box at {at} is shorter than its head")
        yield kind, content, after
        at = after
    raise ValueError(f"more than {_MOST} boxes")
