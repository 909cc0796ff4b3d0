"""An invented comparison, its report, and a parser for what stands in the page."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from distortion_engine.catalog import AXES
from relational_iqa.report import write_report
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map

HEIGHT, WIDTH = 40, 64


def flat(value: float = 0.0) -> np.ndarray:
    """A map of one value, (HEIGHT, WIDTH)."""
    return np.full((HEIGHT, WIDTH), value, np.float32)


def comparison(margin: float = -1.3, names: tuple[str, str] = ("A", "B"), **maps: np.ndarray) -> Comparison:
    """A result with these relation maps; the others are 0."""
    full = {name: Map.from_array(values) for name, values in ({axis.name: flat() for axis in AXES} | maps).items()}
    meta = {"version": "0.1", "weights_sha256": "ab" * 32, "note": "</script><b>"}
    local, weight = Map.from_array(flat(margin)), Map.from_array(flat(1.0))
    return Comparison(margin, full, local, weight, True, -2.0, -0.7, names, meta)


class Page(HTMLParser):
    """The tags of a page, their text, and whether they are balanced."""

    VOID = {"meta", "img", "input", "link", "br", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def written(tmp_path: Path, result: Comparison, photo: np.ndarray, reference: np.ndarray | None = None) -> str:
    """The text of the report of `result`, with one photograph in the places of A and B."""
    path = write_report(result, photo, photo, tmp_path / "new" / "report.html", reference)
    assert path == tmp_path / "new" / "report.html"
    return path.read_text(encoding="utf-8")
