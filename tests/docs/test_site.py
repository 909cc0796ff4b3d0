"""The site has every page of the repository, its links are right there too, and it needs no other host.

`make docs` builds it, and MkDocs checks each link and docstring; these tests hold what can be said without MkDocs.
"""

import importlib.util
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import griffe
import pytest
import yaml

import distortion_engine
import relational_iqa

ROOT = Path(__file__).resolve().parents[2]


def load_site_pages() -> ModuleType:
    """The module as MkDocs finds it: beside the hooks, in no package."""
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs/site/site_pages.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


site = load_site_pages()


class ConfigLoader(yaml.SafeLoader):
    """Reads mkdocs.yml; what a Python tag makes is left out."""


ConfigLoader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)


def pages_in(entry: Any) -> list[str]:
    """All pages below an entry of the navigation."""
    if isinstance(entry, str):
        return [entry]
    below = entry.values() if isinstance(entry, dict) else entry
    return [page for item in below for page in pages_in(item)]


def navigation() -> list[str]:
    return pages_in(yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), ConfigLoader)["nav"])


def test_every_page_is_in_the_navigation_once() -> None:
    own = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    notebooks = [path.name for path in (ROOT / "docs").glob("*.ipynb")]
    assert sorted(navigation()) == sorted([*own, *notebooks, *site.outside_pages()])


def test_links_lead_to_the_same_files_on_the_site() -> None:
    text = (
        "[a](../CHANGELOG.md#engine) ![b](gallery/jpeg.jpg) [c](concepts.md) [d](https://x.org/) [e](#here) `[f](g.md)`"
    )
    assert site.translate_links(text, "folders.md") == (
        "[a](CHANGELOG.md#engine) ![b](gallery/jpeg.jpg) [c](concepts.md) [d](https://x.org/) [e](#here) `[f](g.md)`",
        {"CHANGELOG.md", "docs/gallery/jpeg.jpg", "docs/concepts.md"},
    )
    text = "[a](../../docs/concepts.md) [b](table.csv) [c](../../README.md) [d](../NOTES.md)"
    assert site.translate_links(text, "experiments/loss/README.md") == (
        "[a](../../concepts.md) [b](table.csv) [c](../../README.md) [d](../NOTES.md)",
        {"docs/concepts.md", "experiments/loss/table.csv", "README.md", "experiments/NOTES.md"},
    )
    fenced = "```\n[a](../CHANGELOG.md)\n```"
    assert site.translate_links(fenced, "folders.md") == (fenced, set())


def test_the_api_has_a_page_for_every_package_and_an_entry_for_every_module() -> None:
    found = {
        module.name
        for package in (relational_iqa, distortion_engine)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    } | {"relational_iqa", "distortion_engine"}
    packages = {name for name in found if (ROOT / Path(*name.split(".")) / "__init__.py").is_file()}
    assert set(site.packages()) == packages
    entries = {name for package in packages for name in re.findall(r"^::: (\S+)$", site.api_page(package), re.M)}
    assert found - packages <= entries
    front = site.api_page("relational_iqa")
    for name in ("load", "RelationalIQA", "RelationalLoss", "Comparison"):
        assert re.search(rf"^::: relational_iqa\.\w+\.\w+\.{name}$", front, re.M), name


def test_the_table_of_modules_of_a_package_becomes_a_list() -> None:
    page = site.api_page("relational_iqa.results")
    assert page.startswith("# relational_iqa.results\n") and "- `league`: " in page


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://cdn.org/a.js">',
        '<link rel="stylesheet" href="//fonts.org/a.css">',
        "<img src='http://a/b.png'>",
    ],
)
def test_what_comes_from_another_host_is_noticed(tag: str) -> None:
    assert site.loaded_from_elsewhere(f"<p>{tag}</p>")
    assert (
        site.loaded_from_elsewhere('<a href="https://x.org"><script src="a.js"></script><img src="data:image/png"></a>')
        is None
    )


@pytest.mark.parametrize("package", ["distortion_engine", "relational_iqa"])
def test_the_sections_of_docstrings_name_real_parameters(package: str, caplog: pytest.LogCaptureFixture) -> None:
    loaded = griffe.load(package, search_paths=[ROOT], docstring_parser="google")
    waiting, parsed = [loaded], 0
    while waiting:
        found = waiting.pop()
        if found.is_alias:
            continue
        parsed += bool(found.docstring and found.docstring.parsed)
        waiting += [member for member in found.members.values() if not member.name.startswith("_")]
    assert parsed > 200 and [record.getMessage() for record in caplog.records] == []
