"""A link at the top of a page, to where the reader came from."""

from typing import NamedTuple


class Link(NamedTuple):
    """Where a link leads, and what it says.

    Attributes:
        address: as it stands in the page: relative, with what a URL does not allow percent-encoded.
        text: what is read.
    """

    address: str
    text: str


NEW_COMPARISON = Link("/", "New comparison")
