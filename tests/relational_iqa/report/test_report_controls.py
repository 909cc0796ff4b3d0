"""Controls of the report: everything the script asks for is in the page, and all of it has a name."""

import re
from pathlib import Path

import numpy as np

from tests.relational_iqa.report.pages import Page, comparison, flat, written


def test_the_slider_works_by_pointer_and_keyboard(tmp_path: Path, photo: np.ndarray) -> None:
    inputs = Page(written(tmp_path, comparison(), photo)).all("input")
    assert [(field["type"], field["id"], bool(field["aria-label"])) for field in inputs] == [
        ("range", "divider", True),
        ("range", "opacity", True),
    ]


def test_every_part_the_script_asks_for_is_in_the_page(tmp_path: Path, photo: np.ndarray) -> None:
    text = written(tmp_path, comparison(noise=flat(-0.4)), photo, reference=photo)
    script = text[text.rindex("<script>") :]
    page = Page(text)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    asked = set(re.findall(r'byId\("([\w-]+)"\)', script)) | set(re.findall(r'onClick\("(\w+)"', script))
    assert len(asked) >= 14 and asked <= ids
    assert len(ids) == len([1 for _, attributes in page.tags if "id" in attributes])
    modes = {tag["data-mode"] for tag in page.all("button") if "data-mode" in tag}
    assert modes == {"slider", "side", "flicker"} and all(f'"{mode}"' in script for mode in modes)
    layers = {tag["data-layer"] for tag in page.all("img") if "data-layer" in tag}
    assert {tag["value"] for tag in page.all("option")} <= layers | {""}


def test_without_a_reference_the_script_finds_what_it_needs(tmp_path: Path, photo: np.ndarray) -> None:
    text = written(tmp_path, comparison(noise=flat(-0.4)), photo)
    ids = {attributes["id"] for _, attributes in Page(text).tags if "id" in attributes}
    missing = set(re.findall(r'byId\("([\w-]+)"\)', text[text.rindex("<script>") :])) - ids
    assert missing == {"photo-reference"} and 'id="pairs"' not in text


def test_every_control_has_a_name_and_every_pane_can_be_focused(tmp_path: Path, photo: np.ndarray) -> None:
    page = Page(written(tmp_path, comparison(noise=flat(-0.4)), photo, reference=photo))
    panes = [tag for tag in page.all("div") if "pane" in (tag.get("class") or "").split()]
    assert len(panes) == 3 and all(pane["tabindex"] == "0" and pane["aria-label"] for pane in panes)
    assert "prefers-color-scheme: dark" in written(tmp_path, comparison(), photo)
