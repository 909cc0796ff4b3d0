"""The parser of the command `riqa`, built from its table of commands; errors of usage are one line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from jsonargparse import ArgumentParser

from distortion_engine.errors import UsageError


@dataclass(frozen=True)
class Command:
    """run: the typed function, its docstring the help. add_options: adds to a parser what sets its parameters."""

    run: Callable[..., None]
    add_options: Callable[[ArgumentParser], None]


class Parser(ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises UsageError; `main` prints it."""
        said = " ".join(message.replace("Parser key ", "option ").split())
        raise UsageError(f"{said}; see {self.prog.replace(' [options]', '')} --help")


def build_parser(commands: Mapping[str, Command]) -> Parser:
    """The parser of all `commands` (name -> command); destinations are the parameters of their functions."""
    parser = Parser(prog="riqa", description="Which of two processed images is better, by how much, where and why.")
    group = parser.add_subcommands(required=True, dest="command", metavar="COMMAND")
    for name, command in commands.items():
        about = str(command.run.__doc__)
        subparser = Parser(description=about)
        group.add_subcommand(name, subparser, help=about.split("\n\n")[0].rstrip("."))
        command.add_options(subparser)
    return parser
