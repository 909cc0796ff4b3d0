"""How a dataclass becomes the options of a command."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from relational_iqa import cli
from relational_iqa.commands.options import Metavar, Positional, PositiveInt, add_options, options_of
from relational_iqa.commands.parser import Command, Parser, build_parser, parse


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A group of options."""

    weights: Annotated[str | None, Metavar("W")] = None
    """Weights, of 100 % or
    less."""


@dataclass(frozen=True, kw_only=True)
class Example(Shared):
    """Options of an example."""

    count: PositiveInt = 2
    """How many."""
    files: Annotated[Sequence[str], Positional("FILES")] = ()
    """Any files."""
    kind: Literal["a", "b"]
    """Which kind."""


def test_a_dataclass_with_a_shared_group_is_a_parser() -> None:
    assert [option.name for option in options_of(Example)] == ["files", "count", "kind", "weights"]
    files, count, kind, weights = options_of(Example)
    assert (files.flags, files.takes_several, kind.choices) == ((), True, ("a", "b"))
    assert (count.shown_value, kind.shown_value, weights.shown_value) == ("", "{a,b}", "W")
    assert weights.help == "Weights, of 100 % or less."
    parser = Parser()
    add_options(parser, Example)
    assert Example(**parser.parse_args(["x", "y", "--kind", "b"]).as_dict()) == Example(files=["x", "y"], kind="b")
    assert "100 % or less" in " ".join(parser.format_help().split())


def test_a_field_without_a_docstring_is_refused() -> None:
    @dataclass(frozen=True)
    class Bare:
        count: int = 1

    with pytest.raises(TypeError, match=r"Bare\.count: write a docstring"):
        options_of(Bare)


def test_only_the_parser_of_the_command_that_is_asked_for_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []
    monkeypatch.setattr(Command, "add_options", lambda self, parser: built.append(self.options))
    with pytest.raises(Exception, match="a.png"):
        parse(cli.COMMANDS, ["compare", "a.png"])
    assert built == [cli.COMMANDS["compare"].options]
    build_parser(cli.COMMANDS)
    assert len(built) == 1 + len(cli.COMMANDS)
