"""File names and messages as text that a terminal can show: no control characters, nothing that has no encoding."""

import re

_LONGEST = 1500  # letters of a message


def printable(name: str) -> str:
    """A file name as valid text on one line: bytes that are no UTF-8 and control characters become escapes."""
    return _escaped(name, "")


def printable_lines(text: str) -> str:
    """The same for text of several lines, whose ends stay."""
    return _escaped(text, "\n")


def one_line(message: str) -> str:
    """A message of an error on one line: ends of lines between sentences, or before an indent, are blanks; all others
    are in names, and become escapes as in `printable`. Of what is longer than a screen, the middle is left out: it
    quotes a file."""
    text = printable(re.sub(r"(?<=[.,:;!?)])\s*\n\s*|\s*\n\s+", " ", message.strip()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST * 2 // 3]} [...] {text[-_LONGEST // 3 :]}"


def _escaped(text: str, kept: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in kept else char.encode("unicode_escape").decode() for char in text
    )
