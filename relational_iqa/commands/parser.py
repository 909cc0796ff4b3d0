"""The parser of the command `riqa`, built from its table of commands; errors of usage are one line."""

from argparse import SUPPRESS, Action, _SubParsersAction
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from distortion_engine.errors import UsageError
from relational_iqa.commands.complaints import expected, in_words_of_options, usage_line
from relational_iqa.commands.options import add_options, named, options_of
from relational_iqa.commands.paths import check_paths
from relational_iqa.commands.yaml_text import MAX_WHOLE, read_yaml
from relational_iqa.version import __version__

Options = TypeVar("Options")

ABOUT = "Which of two processed images is better, by how much, where and why."
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
    """Help with the default values that say something, without the types; paragraphs of a description stay apart."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (super(HelpFormatter, self)._fill_text(each, width, indent) for each in text.split("\n\n"))
        return "\n\n".join(paragraphs)

    def _format_action(self, action: Action) -> str:
        if not isinstance(action, _SubParsersAction):
            return super()._format_action(action)
        return "".join(self._format_action(each) for each in action._get_subactions())  # commands, without a headline

    def _get_help_string(self, action: Action) -> str:
        told = action.help or ""
        if isinstance(action.choices, tuple) and action.metavar:
            told += " One of " + ", ".join(action.choices) + "."
        if action.default is None or action.default is False or action.default in ((), [], SUPPRESS):
            return told
        return f"{told} (default: {action.default})"


class Parser(ArgumentParser):
    """A parser whose errors are one line and exit code 2.

    Args:
        commands: the commands that it parses.
        name: the only one of them; None where it is not known which is asked for.
        options: those of ArgumentParser.
    """

    def __init__(
        self, commands: Mapping[str, Command[Any]] | None = None, name: str | None = None, **options: Any
    ) -> None:
        super().__init__(formatter_class=HelpFormatter, print_config=None, **options)
        self._kinds = {each: command.options for each, command in (commands or {}).items()}
        self._name = name

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises UsageError; `main` prints it."""
        said = in_words_of_options(" ".join(message.split()), self._kinds, self._name)
        raise UsageError(f"{said}; see riqa {'' if self._name is None else self._name + ' '}--help")


def build_parser(commands: Mapping[str, Command[Any]], with_options: bool = True) -> Parser:
    """The parser of all `commands` (name -> command); destinations are the fields of their options.

    with_options=False: of their names and summaries alone, which is all that `riqa --help` shows.
    """
    only = next(iter(commands)) if len(commands) == 1 else None
    parser = Parser(commands, only, prog="riqa", usage="riqa COMMAND ...", description=ABOUT, version=__version__)
    group = parser.add_subcommands(
        required=True, dest="command", metavar="COMMAND", title="commands", description="riqa COMMAND --help says more."
    )
    for name, command in commands.items():
        about = str(command.run.__doc__)
        subparser = Parser({name: command}, name, description=about)
        group.add_subcommand(name, subparser, help=about.split("\n\n")[0].rstrip("."))
        if not with_options:
            continue
        subparser.usage = usage_line(name, command.options)
        command.add_options(subparser)
        if not has_own_config(command):
            subparser.add_argument("--config", action="config", metavar="F.yaml", help=CONFIG_HELP)
    return parser


def parse(commands: Mapping[str, Command[Any]], argv: Sequence[str]) -> tuple[str, Any]:
    """The name of the command that `argv` asks for, and its options. Raises UsageError for what does not fit, and for
    outputs that are inputs or cannot be written (`check_paths`).

    Only the options of that command are built: those of all cost ten times as much.
    """
    asked = {argv[0]: commands[argv[0]]} if argv and argv[0] in commands else commands
    parser = build_parser(asked, with_options=any(word in commands for word in argv))
    if len(asked) == 1 and not any(map(has_own_config, asked.values())):
        for path in config_files(argv):
            if Path(path).is_file() or not Path(path).exists():  # a pipe can be read once
                read_yaml(path)
    chosen = parser.parse_args(list(argv)).as_dict()
    name = chosen["command"]
    kind, given = commands[name].options, chosen[name]
    values = {field.name: _plain(given[field.name]) for field in fields(kind) if field.name in given}
    for option in options_of(kind):
        if option.takes_several and isinstance(values.get(option.name), str):
            values[option.name] = [values[option.name]]  # one word of a YAML file
        if option.takes_several and values.get(option.name) == []:
            values[option.name] = option.default
    _check_values(name, kind, values)
    options = kind(**values)
    for name_of_option, value in vars(options).items():
        if isinstance(value, int) and abs(value) > MAX_WHOLE:
            flag = f"--{name_of_option.replace('_', '-')}"
            raise UsageError(f"{flag}: has {len(str(value))} digits; expected less than {MAX_WHOLE:.3g}")
    check_paths(options, [] if hasattr(options, "config") else list(map(str, given.get("config") or ())))
    return name, options


def _check_values(name: str, kind: type, values: Mapping[str, Any]) -> None:
    """Raises UsageError for what the parser takes from a YAML file and no option is: a switch that is neither true nor
    false, and nothing for an option that has a value by default."""
    for option in options_of(kind):
        value = values.get(option.name, option.default)
        empty = value is None and option.default is not None
        if empty or option.is_switch and not isinstance(value, bool):
            given = "is empty in the file of --config" if value is None else value
            raise UsageError(f"{named(option)} {given}: expected {expected(option)}; see riqa {name} --help")


def _plain(value: Any) -> Any:
    """The number itself where the parser gives one of its own kinds (PositiveInt), which not every library takes."""
    return next((kind(value) for kind in (int, float) if isinstance(value, kind) and type(value) is not bool), value)


def config_files(argv: Sequence[str]) -> list[str]:
    """The files that `--config`, or an abbreviation of it, names."""
    found = []
    for word, after in zip(argv, [*argv[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if len(name) > len("--c") and "--config".startswith(name):
            found.append(value if equals else after)
    return found


def has_own_config(command: Command[Any]) -> bool:
    """Whether `--config` names a file that the command reads by itself, as those that train do."""
    return "config" in (field.name for field in fields(command.options))
