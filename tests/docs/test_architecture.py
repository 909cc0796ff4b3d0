"""Imports go one way, and no human score can reach what trains the core: as docs/architecture.md says."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("distortion_engine", "relational_iqa")
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in OURS
    for path in (ROOT / package).rglob("*.py")
)


@cache
def imported(module: str) -> frozenset[str]:
    """Modules of ours that a module imports, at its top or inside functions."""
    path = ROOT.joinpath(*module.split("."))
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names & set(MODULES))


def reached(module: str) -> set[str]:
    """All modules of ours behind a module, itself included."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += imported(name)
    return seen


def within(names: set[str] | frozenset[str], *packages: str) -> list[str]:
    return sorted(name for name in names for package in packages if name == package or name.startswith(package + "."))


def test_the_graph_of_imports_is_not_empty():
    assert len(MODULES) > 100 and "distortion_engine.render" in reached(
        "relational_iqa.training.pixel_perfect.pretrain"
    )


@pytest.mark.parametrize("module", within(set(MODULES), "distortion_engine"))
def test_the_engine_never_imports_the_networks(module: str):
    assert not within(imported(module), "relational_iqa")


@pytest.mark.parametrize("module", within(set(MODULES), "relational_iqa.networks", "relational_iqa.conventional"))
def test_networks_and_metrics_import_no_training_benchmarks_or_report(module: str):
    forbidden = ("training", "benchmarks", "report", "commands", "cli", "model")
    assert not within(imported(module), *(f"relational_iqa.{name}" for name in forbidden))


def test_nothing_imports_the_command_line():
    assert [name for name in MODULES if "relational_iqa.cli" in imported(name)] == []


@pytest.mark.parametrize(
    "module",
    ["relational_iqa.training.pixel_perfect.pretrain", "relational_iqa.training.pmos.pretrain",
     "relational_iqa.training.reiqa.stage",
     "relational_iqa.training.data.judge", "relational_iqa.training.data.set_cache", "distortion_engine.severity",
     "relational_iqa.systems.pixel_perfect", "relational_iqa.systems.relational_loss"],
)  # fmt: skip
def test_what_is_called_pretrained_never_reaches_a_reader_of_human_scores(module: str):
    assert not within(reached(module), "relational_iqa.benchmarks")


def test_the_check_sees_an_import_that_is_forbidden():
    assert within(reached("relational_iqa.training.pmos.fit_mos"), "relational_iqa.benchmarks")
