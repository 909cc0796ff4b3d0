"""The parser of the command `riqa`, built from its table of commands; errors of usage are one line."""

from argparse import SUPPRESS, Action
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, NoReturn, TypeVar

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from distortion_engine.errors import UsageError
from relational_iqa.commands.options import add_options
from relational_iqa.commands.paths import check_paths

Options = TypeVar("Options")

CONFIG_HELP = "Reads options from a YAML file, such as fail_below: -0.1; options after it replace those of the file."
"""Of `--config`, which every command has whose options do not name a file of their own so."""


@dataclass(frozen=True)
class Command(Generic[Options]):
    """One command of `riqa`.

    Args:
        run: what it does with its options; the docstring of this function is the help.
        options: dataclass of the options.
    """

    run: Callable[[Options], None]
    options: type[Options]

    def add_options(self, parser: ArgumentParser) -> None:
        """Adds the options of the command to `parser`; the destinations are the fields of the dataclass."""
        add_options(parser, self.options)


class HelpFormatter(DefaultHelpFormatter):
    """Help with the default values that say something, without the types."""

    def _get_help_string(self, action: Action) -> str:
        told = action.help or ""
        if isinstance(action.choices, tuple) and action.metavar:
            told += " One of " + ", ".join(action.choices) + "."
        if action.default is None or action.default is False or action.default in ((), SUPPRESS):
            return told
        return f"{told} (default: {action.default})"


class Parser(ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=HelpFormatter, print_config=None, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises UsageError; `main` prints it."""
        said = " ".join(message.replace("Parser key ", "option ").split())
        raise UsageError(f"{said}; see {self.prog.replace(' [options]', '')} --help")


def build_parser(commands: Mapping[str, Command[Any]], with_options: bool = True) -> Parser:
    """The parser of all `commands` (name -> command); destinations are the fields of their options.

    with_options=False: of their names and summaries alone, which is all that `riqa --help` shows.
    """
    parser = Parser(prog="riqa", description="Which of two processed images is better, by how much, where and why.")
    group = parser.add_subcommands(required=True, dest="command", metavar="COMMAND")
    for name, command in commands.items():
        about = str(command.run.__doc__)
        subparser = Parser(description=about)
        group.add_subcommand(name, subparser, help=about.split("\n\n")[0].rstrip("."))
        if not with_options:
            continue
        command.add_options(subparser)
        if "config" not in (field.name for field in fields(command.options)):
            subparser.add_argument("--config", action="config", metavar="F.yaml", help=CONFIG_HELP)
    return parser


def parse(commands: Mapping[str, Command[Any]], argv: Sequence[str]) -> tuple[str, Any]:
    """The name of the command that `argv` asks for, and its options. Raises UsageError for what does not fit, and for
    outputs that are inputs or cannot be written (`check_paths`).

    Only the options of that command are built: those of all cost ten times as much.
    """
    asked = {argv[0]: commands[argv[0]]} if argv and argv[0] in commands else commands
    parser = build_parser(asked, with_options=any(word in commands for word in argv))
    chosen = parser.parse_args(list(argv)).as_dict()
    name = chosen["command"]
    kind, given = commands[name].options, chosen[name]
    options = kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})
    check_paths(options, [] if hasattr(options, "config") else list(map(str, given.get("config") or ())))
    return name, options
