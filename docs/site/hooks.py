"""The hooks of MkDocs (`mkdocs.yml`): they add the pages of `site_pages` and refuse a site that needs other hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from site_pages import (
    API_FOLDER,
    ROOT,
    api_page,
    loaded_from_elsewhere,
    outside_pages,
    packages,
    site_path,
    translate_links,
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts a page for every package where the navigation has the entry API."""
    pages = [{package: f"{API_FOLDER}/{package}.md"} for package in packages()]

    def filled(entry: Any) -> Any:
        if isinstance(entry, list):
            return [filled(item) for item in entry]
        if isinstance(entry, dict):
            return {title: pages if title == "API" else filled(below) for title, below in entry.items()}
        return entry

    config.nav = filled(config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages outside docs/, the files that pages link to, and the pages of the API."""
    for path in outside_pages():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    for package in packages():
        files.append(File.generated(config, f"{API_FOLDER}/{package}.md", content=api_page(package)))
    for file in list(files.documentation_pages()):
        if file.src_uri.endswith(".md"):
            _, targets = translate_links(file.content_string, file.src_uri)
            for target in sorted(targets):
                if (ROOT / target).is_file() and files.get_file_from_path(site_path(target)) is None:
                    files.append(File.generated(config, site_path(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Translates the links of a page; MkDocs then checks them."""
    return translate_links(markdown, page.file.src_uri)[0]


def on_post_build(config: MkDocsConfig) -> None:
    """Raises PluginError where a page loads something from another host."""
    for path in sorted(Path(config.site_dir).rglob("*.html")):
        found = loaded_from_elsewhere(path.read_text(encoding="utf-8"))
        if found:
            raise PluginError(f"{path}: {found}: ship it with the site; pages must work without a network")
