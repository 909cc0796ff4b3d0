"""A frozen dataclass as the options of a command: each field is read once, with its type, default and docstring.

    @dataclass(frozen=True, kw_only=True)
    class RankOptions(ReferenceOption, JsonOption):
        images: Annotated[Sequence[str], Positional("IMAGES")]
        "Images of one scene."
        csv: Annotated[str | None, Metavar("PATH")] = None
        "Writes the table here."

The docstring below a field is its help. A field is the option `--field-name`, a `bool` a flag without a value, a
`Literal` an option with choices. `Positional` makes it an argument without a name.
"""

import ast
import inspect
import sys
import types
from argparse import SUPPRESS
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from jsonargparse import ArgumentParser

if TYPE_CHECKING:  # jsonargparse makes these classes at run time, which a type checker cannot follow
    NonNegativeInt = int
    PositiveInt = int
    PositiveFloat = float
else:
    from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

__all__ = [
    "CSV",
    "HTML",
    "JSON",
    "Metavar",
    "NonNegativeInt",
    "Option",
    "Positional",
    "PositiveFloat",
    "PositiveInt",
    "ShortFlag",
    "Writes",
    "add_options",
    "named",
    "options_of",
]


@dataclass(frozen=True)
class Metavar:
    """What stands for the value of an option in help and documentation: `--reference R`."""

    name: str


@dataclass(frozen=True)
class Positional:
    """Marks an argument that is given by its position alone.

    Args:
        name: what stands for the argument in help and documentation.
    """

    name: str


@dataclass(frozen=True)
class ShortFlag:
    """A second, short name of an option: `-k`."""

    name: str


@dataclass(frozen=True)
class Writes:
    """Marks a path that the command writes to; every other path is one that it reads.

    Args:
        what: "file", "folder", or "either" where that depends on other options.
        suffixes: that the name of a file may have, lower case; the first is the usual one. Empty for any.
    """

    what: Literal["file", "folder", "either"] = "file"
    suffixes: tuple[str, ...] = ()


CSV, HTML, JSON = Writes(suffixes=(".csv",)), Writes(suffixes=(".html", ".htm")), Writes(suffixes=(".json",))


@dataclass(frozen=True)
class Option:
    """One field of a dataclass of options, as parser, help and documentation need it.

    Args:
        name: name of the field.
        value_type: its type without `None` and without markers.
        default: its default, or `MISSING` where a value is required.
        help: the docstring below the field, on one line.
        flags: names on the command line; empty for a positional argument.
        metavar: what stands for the value, "" for choices and for flags without a value.
        writes: whether the value is a path that is written to, and as what; "" where not.
        suffixes: that the name of a file that is written may have; empty for any.
    """

    name: str
    value_type: Any
    default: Any
    help: str
    flags: tuple[str, ...]
    metavar: str
    writes: str = ""
    suffixes: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a `Literal`, else nothing."""
        return get_args(self.value_type) if get_origin(self.value_type) is Literal else ()

    @property
    def is_switch(self) -> bool:
        """Whether the option takes no value."""
        return self.value_type is bool

    @property
    def takes_several(self) -> bool:
        """Whether the argument takes any number of values."""
        return get_origin(self.value_type) is Sequence

    @property
    def shown_value(self) -> str:
        """The value as help and documentation show it: its placeholder, or {a,b,c} for choices without one."""
        return self.metavar or ("{" + ",".join(map(str, self.choices)) + "}" if self.choices else "")


def options_of(kind: type) -> list[Option]:
    """The options of a dataclass: positional arguments first, and own fields before those of the bases, in their order.

    Raises TypeError for a field without a docstring.
    """
    hints = get_type_hints(kind, include_extras=True)
    known = {field.name: field for field in fields(kind)}
    found = []
    for base in kind.__mro__:
        for name in [name for name in vars(base).get("__annotations__", {}) if name in known]:
            field = known.pop(name)
            docs = _field_docs(base.__module__).get(base.__name__, {})
            if name not in docs:
                raise TypeError(f"{base.__name__}.{name}: write a docstring below the field; it is the help")
            default = field.default if field.default_factory is MISSING else field.default_factory()
            found.append(_option(name, hints[name], default, docs[name]))
    return sorted(found, key=lambda option: bool(option.flags))


def named(option: Option) -> str:
    """An option as people write it: its long flag, or the placeholder of an argument."""
    return option.flags[-1] if option.flags else option.metavar


def add_options(parser: ArgumentParser, kind: type) -> None:
    """Adds the options of the dataclass `kind` to a parser; the destinations are the names of the fields. An optional
    positional argument that is not given has no value there: the default of its field counts."""
    for option in options_of(kind):
        given: dict[str, Any] = {"help": option.help}
        if option.flags and option.default is not MISSING:
            given["default"] = option.default
        if option.is_switch:
            given["action"] = "store_true"
        else:
            if option.choices:
                given["choices"] = option.choices
            else:
                given["type"] = get_args(option.value_type)[0] if option.takes_several else option.value_type
            if option.metavar:
                given["metavar"] = option.metavar
            if option.takes_several and option.flags:
                given |= {"action": "append", "default": [], "type": _one_or_several}
        if option.flags:
            if option.default is MISSING:
                given["required"] = True
            parser.add_argument(*option.flags, **given)
            continue
        if option.takes_several:
            given["nargs"] = "+" if option.default is MISSING else "*"
        elif option.default is not MISSING:
            given["nargs"] = "?"
            given["default"] = SUPPRESS  # else argparse writes it over the value of a YAML file
        parser.add_argument(option.name, **given)


def _one_or_several(value: Any) -> Any:
    """What an option that may be repeated is given: a word on the command line, a word or a list of words in a YAML
    file. Raises ValueError for anything else."""
    words = value if isinstance(value, list) else [value]
    if not all(isinstance(word, str) for word in words):
        raise ValueError(f"Got value: {value}")
    return value


def _option(name: str, hint: Any, default: Any, help: str) -> Option:
    markers: Sequence[Any] = ()
    if get_origin(hint) is Annotated:
        hint, *markers = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):  # X | None: None is the default and is never typed
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    metavar = writes = ""
    suffixes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ("--" + name.replace("_", "-"),)
    for marker in markers:
        if isinstance(marker, Positional):
            metavar, flags = marker.name, ()
        elif isinstance(marker, ShortFlag):
            flags = (marker.name, *flags)
        elif isinstance(marker, Writes):
            writes, suffixes = marker.what, marker.suffixes
        else:
            metavar = marker.name
    return Option(name, hint, default, help, flags, metavar, writes, suffixes)


@cache
def _field_docs(module: str) -> dict[str, dict[str, str]]:
    """Class of a module -> field -> the docstring below it, on one line.

    By hand, since docstring_parser reads and parses the whole file again for each class: 40 ms for `riqa compare`.
    """
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _docs_of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _docs_of_class(node: ast.ClassDef) -> dict[str, str]:
    docs = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            docs[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return docs
