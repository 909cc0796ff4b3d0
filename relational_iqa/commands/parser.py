"""The parser of the command `riqa`, built from its table of commands; errors of usage are one line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from jsonargparse import ArgumentParser

from distortion_engine.errors import UsageError
from relational_iqa.commands.options import add_options

Options = TypeVar("Options")


@dataclass(frozen=True)
class Command(Generic[Options]):
    """run: a function of one dataclass of options; its docstring is the help. options: that dataclass."""

    run: Callable[..., None]
    options: type[Options] | Callable[[ArgumentParser], None]  # the second until all commands have a dataclass

    def add_options(self, parser: ArgumentParser) -> None:
        """Adds the options of the command to `parser`; the destinations are the fields of the dataclass."""
        if isinstance(self.options, type):
            add_options(parser, self.options)
        else:
            self.options(parser)

    def call(self, chosen: dict[str, Any]) -> None:
        """Runs the command with the values that the parser found."""
        if isinstance(self.options, type):
            self.run(self.options(**chosen))
        else:
            self.run(**chosen)


class Parser(ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises UsageError; `main` prints it."""
        said = " ".join(message.replace("Parser key ", "option ").split())
        raise UsageError(f"{said}; see {self.prog.replace(' [options]', '')} --help")


def build_parser(commands: Mapping[str, Command[Any]]) -> Parser:
    """The parser of all `commands` (name -> command); destinations are the fields of their options."""
    parser = Parser(prog="riqa", description="Which of two processed images is better, by how much, where and why.")
    group = parser.add_subcommands(required=True, dest="command", metavar="COMMAND")
    for name, command in commands.items():
        about = str(command.run.__doc__)
        subparser = Parser(description=about)
        group.add_subcommand(name, subparser, help=about.split("\n\n")[0].rstrip("."))
        command.add_options(subparser)
    return parser


def parse(commands: Mapping[str, Command[Any]], argv: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The name of the command that `argv` asks for, and what its options are. Raises UsageError for what does not fit.

    Only the parser of that command is built where the command comes first: the parsers of all cost ten times as much.
    """
    asked = {argv[0]: commands[argv[0]]} if argv and argv[0] in commands else commands
    chosen = build_parser(asked).parse_args(list(argv)).as_dict()
    name = chosen["command"]
    return name, chosen[name]
