"""docs/adding-a-system.md shows what there is: parts of files word for word, symbols where it says, the stage as the
trainer asks for it."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from relational_iqa.training.loop.stage import Stage
from relational_iqa.training.spips.stage import SpipsStage

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/adding-a-system.md").read_text(encoding="utf-8")
SHOWN = [
    (match[1], match[2].splitlines()) for match in re.finditer(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE, re.S)
]
TABLE = [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", PAGE, re.M) if not row.startswith("---")]


def missing_part(shown: list[str], text: str) -> str | None:
    """The first part of an excerpt that a file does not hold, None if it holds all: the lines between two `...` follow
    one another there, and part follows part. Empty lines do not count."""
    lines, place = [line for line in text.splitlines() if line.strip()], 0
    for part in re.split(r"^ *\.\.\.$", "\n".join(shown), flags=re.M):
        wanted = [line for line in part.splitlines() if line.strip()]
        starts = range(place, len(lines) - len(wanted) + 1)
        found = next((start for start in starts if lines[start : start + len(wanted)] == wanted), None)
        if found is None:
            return part
        place = found + len(wanted)
    return None


@pytest.mark.parametrize(("path", "shown"), SHOWN, ids=[path for path, _ in SHOWN])
def test_what_is_shown_of_a_file_stands_there_word_for_word(path: str, shown: list[str]) -> None:
    assert len(shown) > 1 and missing_part(shown, (ROOT / path).read_text(encoding="utf-8")) is None


def test_a_network_a_stage_a_config_a_run_weights_a_command_and_both_tables_are_shown() -> None:
    assert len(SHOWN) == PAGE.count("```") // 2  # every block names its file
    written = {re.findall(r"`(.+?)`", row[1])[0] for row in TABLE if row[0] in ("a network", "a stage", "a config")}
    shown = {path for path, _ in SHOWN}
    assert len(written) == 3 and written < shown
    assert {"relational_iqa/cli.py", "relational_iqa/benchmarks/metrics.py"} < shown and len(shown) == 9


def test_a_line_that_is_elsewhere_or_in_another_order_is_noticed() -> None:
    text = "a\nb\n\na\nc\n"
    assert all(missing_part(shown.split(), text) is None for shown in ("a b a", "a c", "a ... a c", "b ... c"))
    assert missing_part(["b", "c"], text) == "b\nc"  # a is left out unsaid
    assert missing_part(["c", "...", "b"], text) == "\nb" and missing_part(["x"], text) == "x"


def test_every_file_exists_and_holds_the_symbols_that_stand_beside_it() -> None:
    files = re.findall(r"`((?:relational_iqa|distortion_engine|experiments|tests)/[\w/.-]+)`", PAGE)
    assert len(set(files)) > 30 and not [name for name in files if not (ROOT / name).exists()]
    beside = re.findall(r"`((?:relational_iqa|distortion_engine)/[\w/]+)\.py`: ((?:`[^`]+`(?:, )?)+)", PAGE)
    assert len(beside) > 12
    for path, names in beside:
        module = importlib.import_module(path.replace("/", "."))
        for name in re.findall(r"`(\w+)", names):
            assert hasattr(module, name), (path, name)
    calls = {"training_sets(data)", "train(stage, config.train, out)",
             "one_at_a_time(folder)"}  # fmt: skip
    assert all(f"`{call}`" in PAGE for call in calls)
    for path, names in beside:
        for name, arguments in re.findall(r"`(\w+)\(([^)]*)\)`", names):
            call = inspect.signature(getattr(importlib.import_module(path.replace("/", ".")), name))
            call.bind(*arguments.split(", "))  # TypeError for too few or too many


def test_the_stage_has_what_the_trainer_asks_for_and_the_page_says_all_of_it() -> None:
    methods = {name for name, value in vars(Stage).items() if inspect.isfunction(value) and not name.startswith("_")}
    attributes = set(Stage.__annotations__) | {
        name for name, value in vars(Stage).items() if isinstance(value, property)
    }
    assert (len(attributes), len(methods)) == (4, 3) and "four attributes and three methods" in PAGE
    for name in methods:
        asked, given = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (Stage, SpipsStage))
        assert asked == given, name
    told = set(re.findall(r"^- `(\w+)`", PAGE, re.M))
    assert told == methods | attributes


def test_the_lines_in_files_of_others_are_all_that_speak_of_the_system() -> None:
    """No other module of the product imports what belongs to SPIPS."""
    own = set(re.findall(r"`relational_iqa/([\w/]*(?:spips|error_maps|stage_features)[\w/]*)\.py`", PAGE))
    modules = {f"relational_iqa.{name.replace('/', '.')}" for name in own}
    assert len(modules) >= 8
    others = set()
    for path in (ROOT / "relational_iqa").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if name in modules:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                meant = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
                if meant & modules:
                    others.add(path.relative_to(ROOT).as_posix())
    told = {"cli.py", "benchmarks/metrics.py", "integrations/named.py"}
    assert others == {f"relational_iqa/{name}" for name in {"__init__.py", *told}}
    assert all(f"relational_iqa/{name}" in PAGE for name in told)
