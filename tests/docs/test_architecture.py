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


# Lowest first. A module may import its own room and rooms of lower rows, never its neighbours in the same row.
ROWS = (
    ("distortion_engine",),
    ("relational_iqa.version", "relational_iqa.conventional", "relational_iqa.viewing"),
    ("relational_iqa.networks",),
    ("relational_iqa.storage", "relational_iqa.tiling"),
    ("relational_iqa.results",),
    ("relational_iqa.systems", "relational_iqa.report"),
    (
        "relational_iqa",
        "relational_iqa.folders",
        "relational_iqa.integrations",
        "relational_iqa.retrieval",
        "relational_iqa.web",
    ),
    ("relational_iqa.benchmarks", "relational_iqa.curves", "relational_iqa.gate", "relational_iqa.sequences"),
    ("relational_iqa.training",),
    ("relational_iqa.commands",),
    ("relational_iqa.cli",),
    ("relational_iqa.program",),
)


def room(module: str) -> str:
    """The engine as a whole, else the package of `relational_iqa` that a module lies in; `relational_iqa` alone is the
    public front, `relational_iqa/__init__.py`."""
    return OURS[0] if module.startswith(OURS[0]) else ".".join(module.split(".")[:2])


def level(module: str) -> int:
    """The row of `ROWS` that a module lies in."""
    return next(number for number, rooms in enumerate(ROWS) if room(module) in rooms)


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
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            # `from package import module` needs the module; what else is named stands in the package itself.
            names |= members if members <= set(MODULES) else members | {node.module}
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


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_rooms_below_its_own_only(module: str):
    upward = [name for name in imported(module) if room(name) != room(module) and level(name) >= level(module)]
    assert upward == []


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_itself_through_others(module: str):
    assert [name for name in imported(module) if module in reached(name)] == []


def test_every_room_stands_in_the_table_once():
    named = [name for rooms in ROWS for name in rooms]
    assert sorted(named) == sorted({room(module) for module in MODULES})


@pytest.mark.parametrize(
    "module",
    ["relational_iqa.training.pixel_perfect.pretrain", "relational_iqa.training.pmos.pretrain",
     "relational_iqa.training.reiqa.stage",
     "relational_iqa.training.data.judge", "relational_iqa.training.data.training_sets", "distortion_engine.severity",
     "relational_iqa.systems.pixel_perfect", "relational_iqa.systems.relational_loss"],
)  # fmt: skip
def test_what_is_called_pretrained_never_reaches_a_reader_of_human_scores(module: str):
    assert not within(reached(module), "relational_iqa.benchmarks")


def test_the_check_sees_an_import_that_is_forbidden():
    assert within(reached("relational_iqa.training.pmos.fit_mos"), "relational_iqa.benchmarks")
