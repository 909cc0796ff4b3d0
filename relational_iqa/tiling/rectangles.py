"""Rectangles of pixels as people write them; loads without torch."""

from distortion_engine.errors import UsageError

Rectangle = tuple[int, int, int, int]
"""x and y of the upper left pixel, width and height, px."""


def parse_rectangle(text: str) -> Rectangle:
    """ "x,y,w,h" as whole numbers of pixels. Raises UsageError."""
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"--roi {text}: expected x,y,width,height in whole pixels, as 120,40,256,256")
    x, y, width, height = (int(part) for part in parts)
    return x, y, width, height
