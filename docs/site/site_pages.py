"""Which pages the documentation site has beside those of `docs/`, and what is in them. Plain functions, without MkDocs.

- The repository's own pages (CHANGELOG, CONTRIBUTING, `experiments/*/README.md` ...) are pages of the site, at the path
  that they have in the repository. Their links are translated, so that they work on GitHub and on the site.
- Every package has a page with the docstrings of its modules.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = "README.md"
"""The repository's README stands for the front page of the site, which is docs/README.md."""
OUTSIDE_PAGES = (
    "AGENTS.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "THIRD_PARTY.md",
    "distortion_engine/README.md",
    "experiments/NOTES.md",
    "experiments/*/README.md",
    "tests/images/CREDITS.md",
)
PACKAGES = ("relational_iqa", "distortion_engine")
API_FOLDER = "api"

_LINK = re.compile(r"(\]\(|<img src=\")([^)\s\"#]+)(#[^)\s\"]*)?(?=[)\s\"])")
_CODE = re.compile(r"^```.*?^```[^\n]*$|`[^`\n]+`", re.M | re.S)
_LOADED_FROM_ELSEWHERE = re.compile(
    r"<(?:script|img|iframe)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'\s>]+"
    r"|<link\b[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|icon)[^>]*\bhref=[\"']?(?:https?:)?//[^\"'\s>]+"
)


# -- pages outside docs/ -----------------------------------------------------------------------------------------------


def site_path(repository_path: str) -> str:
    """The path on the site of a file of the repository."""
    return repository_path.removeprefix("docs/")


def repository_path(site_path: str) -> str:
    """The inverse of `site_path`."""
    return site_path if site_path != HOME and (ROOT / site_path).is_file() else f"docs/{site_path}"


def translate_links(markdown: str, page: str) -> tuple[str, set[str]]:
    """Rewrites the relative links of a page from paths in the repository to paths on the site.

    Args:
        markdown: text of the page.
        page: path of the page on the site.

    Returns:
        The new text, and the paths in the repository of all files that it links to.
    """
    folder = posixpath.dirname(repository_path(page))
    targets: set[str] = set()

    def translate(link: re.Match[str]) -> str:
        before, path, anchor = link[1], link[2], link[3] or ""
        if re.match(r"[a-z]+:|/", path):
            return link[0]
        target = posixpath.normpath(posixpath.join(folder, path))
        targets.add(target)
        return before + posixpath.relpath(site_path(target), posixpath.dirname(page) or ".") + anchor

    pieces, end = [], 0
    for code in _CODE.finditer(markdown):
        pieces += [_LINK.sub(translate, markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*pieces, _LINK.sub(translate, markdown[end:])]), targets


def outside_pages() -> list[str]:
    found = {path.relative_to(ROOT).as_posix() for pattern in OUTSIDE_PAGES for path in ROOT.glob(pattern)}
    return sorted(found)


# -- pages of the API --------------------------------------------------------------------------------------------------


def packages() -> list[str]:
    """Dotted names of all packages of the product."""
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")}
    return sorted(".".join(folder.relative_to(ROOT).parts) for folder in folders)


def api_page(package: str) -> str:
    """Markdown of the page of one package: its docstring, its public names or its modules, its sub-packages."""
    folder = ROOT.joinpath(*package.split("."))
    lines = [f"# {package}", "", *_described(folder / "__init__.py"), ""]
    below = [name for name in packages() if name.rpartition(".")[0] == package]
    lines += [f"- [`{name}`]({name}.md): {_summary(name)}" for name in below] + [""]
    for home, name in _public_names(folder / "__init__.py"):
        lines += [f"::: {home}.{name}", "    options:", f"      heading: {package}.{name}", ""]
    modules = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    lines += [f"::: {package}.{module}\n" for module in modules if _has_docstring(folder / f"{module}.py")]
    return "\n".join(lines) + "\n"


def _has_docstring(module: Path) -> bool:
    return ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) is not None


def _described(module: Path) -> Iterator[str]:
    """The docstring of a package; its table of modules, `name   purpose`, becomes a list."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    in_list = False
    for line in text.splitlines():
        entry = re.match(r"([\w, ]+?)(?: {2,})(\S.*)$", line)
        if entry:
            if not in_list:
                yield ""
            names = ", ".join(f"`{name.strip()}`" for name in entry[1].split(","))
            yield f"- {names}: {entry[2]}"
        else:
            yield f"    {line.strip()}" if in_list and line.startswith(" ") else line
        in_list = bool(entry) or in_list and line.startswith(" ")


def _summary(package: str) -> str:
    """The first line of the docstring of a package."""
    text = (ROOT.joinpath(*package.split(".")) / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]


def _public_names(module: Path) -> list[tuple[str, str]]:
    """Module and name of what `__getattr__` of the front door offers; empty for a package without a table of homes."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOMES":
            homes: dict[str, tuple[str, str]] = ast.literal_eval(node.value)
            return [(home, name) for home, name in homes.values() if name]
    return []


# -- the finished site -------------------------------------------------------------------------------------------------


def loaded_from_elsewhere(html: str) -> str | None:
    """The first tag that loads a script, style sheet, picture or frame from another host; None where there is none."""
    found = _LOADED_FROM_ELSEWHERE.search(html)
    return found[0] if found else None
