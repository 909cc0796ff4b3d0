"""The tutorial notebook runs from top to bottom, and it is stored without outputs."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CELLS = json.loads((ROOT / "docs/tutorial.ipynb").read_text(encoding="utf-8"))["cells"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_the_notebook_is_stored_without_outputs() -> None:
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert len(code) > 8 and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_links_of_the_notebook_lead_to_pages() -> None:
    text = "\n".join(source(cell) for cell in CELLS if cell["cell_type"] == "markdown")
    pages = [link.split(")")[0] for link in text.split("](")[1:]]
    assert len(pages) > 3 and all((ROOT / "docs" / page.replace(".html", ".md")).is_file() for page in pages)


def test_every_cell_runs_and_shows_what_the_text_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path))
    names: dict[str, Any] = {}
    shown = []
    for cell in (cell for cell in CELLS if cell["cell_type"] == "code"):
        tree = ast.parse(source(cell))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "tutorial.ipynb", "exec"), names)  # the notebook itself
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), "tutorial.ipynb", "eval"), names))
    said = capsys.readouterr().out
    assert "AVIF is slightly better" in said and names["result"].margin < 0
    truth, predicted = names["truth"], names["predicted"]
    assert predicted[truth < -0.1].mean() < -0.2 and abs(predicted[truth == 0].mean()) < 0.1
    assert (tmp_path / "sets/contact_sheet.png").is_file() and (tmp_path / "run/tiny.safetensors").is_file()
    assert sum(hasattr(value, "size") for value in shown) >= 5  # pictures
