"""Errors of usage in the words of the command line: the option, what was given and what was expected.

The parser speaks of its own parts ("compare.b", "Not of type PositiveInt"). What it says is taken apart here, and said
again by the options of the command. What is not recognised is handed on.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from relational_iqa.commands.options import NonNegativeInt, Option, PositiveFloat, PositiveInt, named, options_of

_EXPECTED: tuple[tuple[Any, str], ...] = (
    (NonNegativeInt, "a whole number, 0 or more"),
    (PositiveInt, "a whole number, 1 or more"),
    (PositiveFloat, "a number above 0"),
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text; put numbers into quotes in a YAML file"),
)
_VALUE = (
    r"Got value: (.*)$", r"Given value: (.*)$", r"with base 10: '(.*)'", r"string to float: '(.*)'",
    r": (\S+) does not conform", r"^'?(.*?)'? not among choices",
)  # fmt: skip


def usage_line(name: str, kind: type) -> str:
    """How a command is called: "riqa explain A B --index OUT [options]"."""
    words = ["riqa", name]
    for option in options_of(kind):
        needed = option.default is MISSING
        if not option.flags:
            shown = option.metavar + (" ..." if option.takes_several else "")
            words.append(shown if needed else f"[{shown}]")
        elif needed:
            words.append(f"{option.flags[-1]} {option.shown_value}")
    return " ".join([*words, "[options]"])


def expected(option: Option) -> str:
    """What an option takes, in words."""
    if option.choices:
        return f"one of {', '.join(map(str, option.choices))}"
    return next((said for kind, said in _EXPECTED if option.value_type is kind), "one or several words")


def in_words_of_options(message: str, commands: Mapping[str, type], name: str | None) -> str:
    """An error of the parser for people.

    Args:
        message: what the parser says, on one line.
        commands: command -> dataclass of its options.
        name: the command that was asked for; None where that is unknown.
    """
    options = {} if name is None else {option.name: option for option in options_of(commands[name])}
    for pattern, told in _TOLD:
        found = re.search(pattern, message)
        if found is not None:
            said = told(found, options, name, list(commands))
            if said:
                return said
    return re.sub(r"<class '(\w+)'>", r"\1", message)


def _missing(found: re.Match[str], options: Mapping[str, Option], name: str | None, _: Sequence[str]) -> str:
    absent = [options.get(key.split(".")[-1]) for key in found[1].split(", ")]
    shown = [f"{named(one)} {one.shown_value}" if one.flags else one.metavar for one in absent if one is not None]
    return f"{name} needs {_listed(shown, 'and')}" if shown else ""


def _wrong_value(found: re.Match[str], options: Mapping[str, Option], *_: Any) -> str:
    option = options.get(found[1].split(".")[-1])
    if option is None:
        return ""
    value = next((match[1] for pattern in _VALUE if (match := re.search(pattern, found[2]))), None)
    return f"{named(option)}{'' if value is None else ' ' + value}: expected {expected(option)}"


def _wrong_choice(found: re.Match[str], options: Mapping[str, Option], _: Any, commands: Sequence[str]) -> str:
    given = found[2].strip("'\"")
    if found[1] == "COMMAND":
        return f"{given}: no such command{_close(given, commands)}; commands: {', '.join(commands)}"
    for option in options.values():
        if found[1] in (*option.flags, option.metavar, option.name, "/".join(option.flags)):
            return f"{named(option)} {given}: expected {expected(option)}"
    return ""


def _no_value(found: re.Match[str], options: Mapping[str, Option], *_: Any) -> str:
    for option in options.values():
        if found[1] in (*option.flags, "/".join(option.flags), option.metavar):
            shown = "" if option.choices else f" {option.shown_value}"
            more = "" if option.value_type is str or option.takes_several else f": {expected(option)}"
            return f"{named(option)} needs a value{shown}{more}"
    return f"{found[1]} needs a value"


def _unknown(found: re.Match[str], options: Mapping[str, Option], name: str | None, _: Any) -> str:
    word = found[1].split()[0]
    if not word.startswith("-"):
        return f"{found[1]}: more than riqa {name} takes" if name is not None else ""
    flags = [flag for option in options.values() for flag in option.flags]
    return f"{word}: no such option{_close(word.split('=')[0], flags)}"


def _unknown_in_file(found: re.Match[str], options: Mapping[str, Option], name: str | None, _: Any) -> str:
    return f"{found[1]!r} in the file of --config: no such option of riqa {name}{_close(found[1], list(options))}"


def _ambiguous(found: re.Match[str], *_: Any) -> str:
    return f"{found[1]}: may be {_listed(found[2].split(', '), 'or')}; write the whole option"


def _takes_none(found: re.Match[str], *_: Any) -> str:
    return f"{found[1]}: takes no value, got {found[2]}"


def _no_mapping(*_: Any) -> str:
    return "the file of --config holds no options; write a line for each, as quiet: true"


_Told = Callable[[re.Match[str], Mapping[str, Option], str | None, Sequence[str]], str]
_TOLD: tuple[tuple[str, _Told], ...] = (
    (r"arguments are required: (.*?)\.?$", _missing),
    (r"does not accept option '(.*?)'", _unknown_in_file),
    (r'(?:Parser key|[Oo]ption) "([\w.]+)": (.*)$', _wrong_value),
    (r"argument ([^:]+): invalid choice: (.*?) \(choose from", _wrong_choice),
    (r"argument ([^:]+): expected (?:one|at least one) argument", _no_value),
    (r"argument ([^:]+): ignored explicit argument (.*)$", _takes_none),
    (r"[Uu]nrecognized arguments: (.*)$", _unknown),
    (r"ambiguous option: (\S+) could match (.*)$", _ambiguous),
    (r"Unexpected config", _no_mapping),
)


def _close(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _listed(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
