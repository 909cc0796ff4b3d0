"""The options of the command `riqa`, and errors of usage as one line."""

from collections.abc import Callable, Mapping
from typing import NoReturn

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt, PositiveInt

from distortion_engine.errors import UsageError

SPLITS = ("all", "train", "held_out")


class Parser(ArgumentParser):
    """A parser whose errors are one line and exit code 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises UsageError; `main` prints it."""
        said = " ".join(message.replace("Parser key ", "option ").split())
        raise UsageError(f"{said}; see {self.prog.replace(' [options]', '')} --help")


def build_parser(commands: Mapping[str, Callable[..., None]]) -> Parser:
    """The parser of all `commands` (name -> function, its docstring the help); destinations are their parameters."""
    parser = Parser(prog="riqa", description="Which of two processed images is better, by how much, where and why.")
    group = parser.add_subcommands(required=True, dest="command", metavar="COMMAND")
    subparsers = {}
    for name, function in commands.items():
        subparsers[name] = Parser(description=function.__doc__)
        group.add_subcommand(name, subparsers[name], help=str(function.__doc__).rstrip("."))
    for name in ("compare", "rank", "score"):
        _add_image_options(subparsers[name], name)
    _add_generate_options(subparsers["generate"])
    training = subparsers["pretrain"]
    training.add_argument(
        "overrides", nargs="*", type=str, metavar="key=value", help="replace single values of the file"
    )
    training.add_argument("--config", type=str, required=True, metavar="C", help="YAML file of the run")
    training.add_argument("--resume", choices=("auto", "never"), default="auto", help="go on from the last checkpoint")
    return parser


def _add_generate_options(parser: Parser) -> None:
    add = parser.add_argument
    add("photos", type=str, metavar="PHOTOS", help="folder of pristine photographs")
    add("out", type=str, metavar="OUT", help="folder to write, or to complete after a kill")
    add("--sets", type=PositiveInt, required=True, metavar="N", help="how many ranked sets")
    add("--seed", type=NonNegativeInt, default=0, metavar="S", help="same seed, same bytes")
    add("--size", type=PositiveInt, default=256, metavar="PX", help="side of the square crops")
    add("--split", choices=SPLITS, default="all", help="which share of the photographs")
    add("--distortions", type=str, metavar="A,B,...", help="draw from these alone")
    add("--sets-per-shard", type=PositiveInt, default=64, metavar="M", help="sets in a tar")
    add("--format", choices=("png", "webp"), default="png", help="of the images, lossless")
    add("--dense", action="store_true", help="write fields and validity as arrays too")
    add("--workers", type=NonNegativeInt, default=2, metavar="W", help="processes; same bytes for any")
    add("--engine", choices=("local", "ray"), default="local", help="this machine, or a Ray cluster (extra [ray])")
    add("--address", type=str, metavar="A", help="of the Ray cluster; else RAY_ADDRESS; else one is started here")
    add("--resume", choices=("auto", "never"), default="auto", help="complete what lies in OUT, or refuse it")


def _add_image_options(parser: Parser, command: str) -> None:
    if command == "compare":
        parser.add_argument("a", type=str, metavar="A", help="one image")
        parser.add_argument("b", type=str, metavar="B", help="the other image of the same scene")
        parser.add_argument("--out", type=str, metavar="REPORT.html", help="write a report with maps, one HTML file")
        parser.add_argument("--mask", type=str, metavar="M", help="image: white counts, black does not, grey in part")
    else:
        parser.add_argument("images", nargs="+", type=str, metavar="IMAGES", help="images of one scene")
    parser.add_argument("--reference", type=str, metavar="R", help="the pristine image, if there is one")
    parser.add_argument("--json", type=str, metavar="PATH|-", help="write the result as JSON, - for stdout")
    parser.add_argument("--align", choices=("resize", "crop"), help="what to do with images of different sizes")
    parser.add_argument("--weights", type=str, metavar="W", help="other weights than the shipped ones")
    parser.add_argument("--max-pixels", type=PositiveInt, metavar="N", help="largest width x height to decode")
