"""Colours and text of the sheets and pictures that are drawn with PIL."""

from PIL import ImageDraw, ImageFont

PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
EMPTY = (222, 222, 222)
"""Of a cell that has no picture."""
FONT_PX = 12


def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of all text, that which comes with PIL."""
    return ImageFont.load_default(FONT_PX)


def write_text(pen: ImageDraw.ImageDraw, left: int, top: int, text: str, colour: tuple[int, int, int] = INK) -> None:
    """Writes a line of text whose upper left corner lies at (left, top), px."""
    pen.text((left, top), text, fill=colour, font=font())
