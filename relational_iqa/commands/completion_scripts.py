"""Scripts that complete the command line in bash, zsh and fish, from the options of the commands.

Where a value is a file or a folder, the shell completes it as it always does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from relational_iqa.commands.options import options_of
from relational_iqa.version import __version__


@dataclass(frozen=True)
class Described:
    """One option, or an argument by its place, as a shell completes it.

    Args:
        flag: "--align"; "" for an argument by its place.
        about: what it is for, one sentence.
        value: placeholder of its value; "" where it takes none.
        choices: the values that it takes; empty where any.
        files: whether a value is a file or a folder.
        several: whether it may be given several times.
    """

    flag: str
    about: str
    value: str = ""
    choices: tuple[str, ...] = ()
    files: bool = True
    several: bool = False


@dataclass(frozen=True)
class DescribedCommand:
    """One command.

    Args:
        name: of it.
        about: what it is for, one sentence.
        options: those with a flag.
        places: the arguments by their place.
    """

    name: str
    about: str
    options: tuple[Described, ...]
    places: tuple[Described, ...]


def described(name: str, about: str, kind: type, more: Sequence[Described] = ()) -> DescribedCommand:
    """A command from the dataclass of its options.

    Args:
        name: of it.
        about: its help.
        kind: the dataclass.
        more: options that it has beside.
    """
    options, places = [], []
    for option in options_of(kind):
        said = _sentence(option.help)
        choices = tuple(map(str, option.choices))
        files = not choices and (option.value_type is str or option.takes_several)
        for flag in option.flags:
            options.append(
                Described(
                    flag, said, "" if option.is_switch else option.shown_value, choices, files, option.takes_several
                )
            )
        if not option.flags:
            places.append(Described("", said, option.metavar, choices, files, option.takes_several))
    options += [*more, Described("--help", "Shows all options.")]
    return DescribedCommand(name, _sentence(about), tuple(options), tuple(places))


def bash(commands: Sequence[DescribedCommand]) -> str:
    """The script for bash 3.2 and later."""
    values, options, places = [], [], []
    for command in commands:
        flags = " ".join(option.flag for option in command.options)
        options.append(f"        {command.name}) words='{flags}' ;;")
        for option in command.options:
            if option.choices:
                values.append(f"        \"{command.name} {option.flag}\") words='{' '.join(option.choices)}' ;;")
            elif option.value:
                files = "files=1" if option.files else "files=0"
                values.append(f'        "{command.name} {option.flag}") {files} ;;')
        if command.places and command.places[0].choices:
            places.append(f"        {command.name}) words='{' '.join(command.places[0].choices)}' ;;")
    names = " ".join(command.name for command in commands)
    lines = [
        f"# bash completion of riqa {__version__}: eval \"$(riqa completion bash)\"",
        "_riqa() {",
        "    local word=${COMP_WORDS[COMP_CWORD]} before='' command=${COMP_WORDS[1]} words='' files=''",
        "    [ \"$COMP_CWORD\" -gt 0 ] && before=${COMP_WORDS[COMP_CWORD-1]}",
        "    if [ \"$word\" = '=' ]; then word=''",
        "    elif [ \"$before\" = '=' ] && [ \"$COMP_CWORD\" -gt 1 ]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi",
        "    COMPREPLY=()",
        "    if [ \"$COMP_CWORD\" -le 1 ]; then",
        f"        COMPREPLY=($(compgen -W '{names} --help --version' -- \"$word\"))",
        "        return",
        "    fi",
        "    case \"$command $before\" in",
        *values,
        "    esac",
        "    if [ -z \"$words$files\" ] && [ \"${word:0:1}\" != '-' ] && [ \"$COMP_CWORD\" -eq 2 ]; then",
        "        case \"$command\" in",
        *[f"    {line}" for line in places],
        "        esac",
        "    fi",
        "    if [ -z \"$words$files\" ] && [ \"${word:0:1}\" = '-' ]; then",
        "        case \"$command\" in",
        *[f"    {line}" for line in options],
        "        esac",
        "    fi",
        "    if [ \"$files\" = 0 ]; then compopt +o default 2>/dev/null; return; fi",
        "    [ -n \"$words\" ] && COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))",
        "    return 0",
        "}",
        "complete -o default -F _riqa riqa",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def zsh(commands: Sequence[DescribedCommand]) -> str:
    """The script for zsh."""
    cases = []
    for command in commands:
        specs = []
        for option in command.options:
            told = option.about.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
            several = "'*'" if option.several else ""
            value = f":{_zsh_word(option.value)}:{_zsh_action(option)}" if option.value else ""
            specs.append(f"{several}{_zsh_quoted(f'{option.flag}[{told}]{value}')}")
        for number, place in enumerate(command.places, start=1):
            where = "*" if place.several else number
            specs.append(_zsh_quoted(f"{where}:{_zsh_word(place.value)}:{_zsh_action(place)}"))
        cases += [f"    {command.name})", "      _arguments \\", *[f"        {spec} \\" for spec in specs[:-1]],
                  f"        {specs[-1]}", "      ;;"]  # fmt: skip
    names = [_zsh_quoted(f"{command.name}:{command.about}") for command in commands]
    lines = [
        "#compdef riqa",
        f"# zsh completion of riqa {__version__}: eval \"$(riqa completion zsh)\"",
        "_riqa() {",
        "  local -a commands",
        "  commands=(",
        *[f"    {name}" for name in names],
        "  )",
        "  if (( CURRENT == 2 )); then",
        "    _describe -t commands 'command of riqa' commands",
        "    [[ $PREFIX == -* ]] && compadd -- --help --version",
        "    return",
        "  fi",
        "  local command=$words[2]",
        "  shift words",
        "  (( CURRENT-- ))",
        "  case $command in",
        *cases,
        "  esac",
        "}",
        "if [[ $funcstack[1] == _riqa ]]; then _riqa \"$@\"; else compdef _riqa riqa; fi",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def fish(commands: Sequence[DescribedCommand]) -> str:
    """The script for fish."""
    lines = [
        f"# fish completion of riqa {__version__}: riqa completion fish > ~/.config/fish/completions/riqa.fish",
        "complete -c riqa -e",
        "complete -c riqa -f -n __fish_use_subcommand -l help -d 'Shows all commands.'",
        "complete -c riqa -f -n __fish_use_subcommand -l version -d 'Shows the version.'",
    ]
    for command in commands:
        lines.append(f"complete -c riqa -f -n __fish_use_subcommand -a {command.name} -d {_fish_quoted(command.about)}")
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        for option in command.options:
            name = f"-l {option.flag[2:]}" if option.flag.startswith("--") else f"-s {option.flag[1:]}"
            value = "" if not option.value else " -r" if option.files else " -x"
            choices = f" -a {_fish_quoted(' '.join(option.choices))}" if option.choices else ""
            lines.append(f"complete -c riqa {seen} {name}{value}{choices} -d {_fish_quoted(option.about)}")
        for place in command.places[:1]:
            if place.choices:
                lines.append(f"complete -c riqa -f {seen} -a {_fish_quoted(' '.join(place.choices))}")
    return "\n".join(lines) + "\n"


SCRIPTS: Mapping[str, Callable[[Sequence[DescribedCommand]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def _sentence(text: str) -> str:
    """The first sentence of a help text, on one line."""
    text = " ".join(text.split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".") + "."


def _zsh_action(option: Described) -> str:
    return f"({' '.join(option.choices)})" if option.choices else "_files" if option.files else " "


def _zsh_word(text: str) -> str:
    return text.replace("\\", "").replace(":", "\\:") or "value"


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
