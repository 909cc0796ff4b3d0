"""Options of every command, through the one path that they take: dataclass, parser, help, YAML file, function."""

import dataclasses
import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from relational_iqa import cli
from relational_iqa.benchmarks.readers.catalog import READERS
from relational_iqa.commands.compare_folders import WORST
from relational_iqa.commands.options import Option, named, options_of
from relational_iqa.commands.parser import Command, Parser
from relational_iqa.retrieval.near_duplicates import SAME_PHOTO
from relational_iqa.systems.devices import DEVICES
from tests.relational_iqa.commands.helpers import Refusal

OPTIONS = [(name, option) for name, command in cli.COMMANDS.items() for option in options_of(command.options)]


EACH = pytest.mark.parametrize(("name", "option"), OPTIONS, ids=[f"{name} {option.name}" for name, option in OPTIONS])


# A command line of each command that asks for as little as it can; then those that some options need beside them.
LEAST = {
    "compare": "a.png b.png",
    "check": "new.png --against old.png",
    "rank": "a.png b.png",
    "score": "a.png --reference r.png",
    "curve": "ENCODES --reference R",
    "sequence": "NEW OLD",
    "generate": "PHOTOS OUT --sets 3",
    "pretrain": "--config run.yaml",
    "evaluate": "csv ROOT --metric psnr",
    "fit-mos": "--config run.yaml",
    "fit-reiqa": "--config run.yaml",
    "fit-spips": "--config run.yaml",
    "index": "PHOTOS OUT",
    "explain": "a.png b.png --index INDEX",
    "export": "out.onnx",
    "serve": "",
    "doctor": "",
    "completion": "bash",
}


FOR_SOME = {
    ("score", "maps"): "a.png",
    ("generate", "catalog"): "",
    ("generate", "photo"): "--catalog s.png",
    ("generate", "judge"): "--catalog s.png",
    ("fit-reiqa", "rated"): "--out r.safetensors",
    ("fit-reiqa", "out"): "--rated DATA",
    ("fit-reiqa", "weights"): "--rated DATA --out r.safetensors",
    ("export", "runtime"): "--page PAGE",
    ("index", "near_duplicates"): "PHOTOS",
    ("index", "threshold"): "PHOTOS --near-duplicates OTHER",
    ("index", "json"): "PHOTOS --near-duplicates OTHER",
}


# Values that not every text can stand for.
VALUES: dict[str, tuple[str, Any]] = {
    "size": ("32x48", "32x48"),
    "kinds": ("tie=1", "tie=1"),
    "viewing": ("phone", "phone"),
    "roi": ("0,0,32,32", "0,0,32,32"),
}


def value_of(name: str, option: Option) -> tuple[str, Any]:
    """A value other than the default: as text of the command line, and as the function gets it."""
    if option.choices:
        choice = next(choice for choice in reversed(option.choices) if choice != option.default)
        return choice, choice
    if option.suffixes:
        return f"other{option.suffixes[0]}", f"other{option.suffixes[0]}"
    if option.name in VALUES and option.value_type is str and not option.takes_several:
        return VALUES[option.name]
    if option.takes_several:
        return "other", ["other"]
    if issubclass(option.value_type, int):
        return "7", 7
    if issubclass(option.value_type, float):
        return "0.25", 0.25
    return "other", "other"


def places_of(words: Sequence[str]) -> list[str]:
    """The words before the first option."""
    return list(takewhile(lambda word: not word.startswith("-"), words))


def line_with(name: str, option: Option) -> tuple[list[str], Any]:
    """The words after the command that set one option, and what the function gets for it."""
    words = FOR_SOME.get((name, option.name), LEAST[name]).split()
    if option.is_switch:
        return [*words, option.flags[0]], True
    if not option.flags:  # an argument by its place: what the least command line has there
        places = [other for other in options_of(cli.COMMANDS[name].options) if not other.flags]
        if option.takes_several:
            return ([*words, "train.steps=3"], ["train.steps=3"]) if option.default == () else (words, places_of(words))
        return words, places_of(words)[places.index(option)]
    text, value = value_of(name, option)
    return [*words, f"{option.flags[0]}={text}"], value


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the functions of the commands are called with; they do nothing."""
    calls: list[Any] = []
    for name, command in cli.COMMANDS.items():
        monkeypatch.setitem(cli.COMMANDS, name, Command(calls.append, command.options))
    return calls


@EACH
def test_an_option_reaches_the_function(name: str, option: Option, received: list[Any]) -> None:
    words, value = line_with(name, option)
    assert cli.main([name, *words]) == 0
    (options,) = received
    found = getattr(options, option.name)
    assert isinstance(options, cli.COMMANDS[name].options)
    assert (list(found) if option.takes_several else found) == value


@EACH
def test_an_option_is_in_the_help_with_its_docstring(name: str, option: Option) -> None:
    parser = Parser()
    cli.COMMANDS[name].add_options(parser)
    help = "".join(parser.format_help().split())
    assert "".join(option.help.split()) in help and len(option.help) > 8 and option.help.endswith(".")
    assert all(flag in help for flag in option.flags) and "".join(option.shown_value.split()) in help


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_without_an_option_the_function_gets_the_default_of_the_field(name: str, received: list[Any]) -> None:
    assert cli.main([name, *LEAST[name].split()]) == 0
    (options,) = received
    given = {word.split("=")[0] for word in LEAST[name].split()}
    for option in options_of(type(options)):
        if option.default is not dataclasses.MISSING and option.flags and option.flags[0] not in given:
            assert getattr(options, option.name) == option.default, option.name


WRONG = [
    (name, option, wrong)
    for name, option in OPTIONS
    for wrong in (
        ["no-such"] if option.choices
        else ["many", "-1"] if option.flags and option.value_type not in (str, bool, float, Sequence[str])
        else ["many"] if option.value_type is float else []
    )
]  # fmt: skip


@pytest.mark.parametrize(("name", "option", "wrong"), WRONG, ids=[f"{n} {o.name} {w}" for n, o, w in WRONG])
def test_a_wrong_value_is_one_line_that_names_the_option(
    name: str, option: Option, wrong: str, refusal: Refusal, received: list[Any]
) -> None:
    words = LEAST[name].split()
    if option.flags:
        words.append(f"{option.flags[0]}={wrong}")
    else:
        words[0] = wrong
    said = refusal(name, *words)
    assert (
        said.startswith(f"riqa: {named(option)} {wrong}: expected ")
        and f"see riqa {name} --help" in said
        and received == []
    )


@pytest.mark.parametrize("name", [name for name, command in cli.COMMANDS.items() if command.options])
def test_an_unknown_option_is_one_line(name: str, refusal: Refusal, received: list[Any]) -> None:
    assert "--no-such" in refusal(name, *LEAST[name].split(), "--no-such") and received == []


@EACH
def test_a_yaml_file_sets_what_the_command_line_sets(
    name: str, option: Option, received: list[Any], tmp_path: Path
) -> None:
    if "config" in (field.name for field in dataclasses.fields(cli.COMMANDS[name].options)):
        return  # the commands that train have files of another kind
    words, _ = line_with(name, option)
    assert cli.main([name, *words]) == 0
    (given,) = received
    changed = {
        field.name: getattr(given, field.name)
        for field in dataclasses.fields(given)
        if getattr(given, field.name) != field.default
    }
    (tmp_path / "options.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(changed))), encoding="utf-8")
    assert cli.main([name, "--config", str(tmp_path / "options.yaml")]) == 0
    assert received[1] == given


def test_options_after_a_file_replace_its_values_and_what_is_wrong_in_it_is_one_line(
    received: list[Any], refusal: Refusal, tmp_path: Path
) -> None:
    good, bad, unknown = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "unknown.yaml"
    good.write_text("fail_below: -0.1\nworst: 3\n")
    bad.write_text("align: stretch\n")
    unknown.write_text("worstt: 3\n")
    assert cli.main(["compare", "NEW", "OLD", "--config", str(good), "--worst", "5"]) == 0
    assert (received[0].fail_below, received[0].worst, received[0].a) == (-0.1, 5, "NEW")
    assert "--align stretch: expected one of" in refusal("compare", "a", "b", "--config", str(bad))
    assert "worstt" in refusal("compare", "a", "b", "--config", str(unknown))
    assert "no.yaml" in refusal("compare", "a", "b", "--config", "no.yaml")


def help_of(name: str, option: str) -> str:
    return next(found.help for command, found in OPTIONS if (command, found.name) == (name, option))


def test_values_that_a_docstring_tells_are_those_of_the_code() -> None:
    assert f"{WORST} if not given" in help_of("compare", "worst")
    assert f"{SAME_PHOTO} if not given" in help_of("index", "threshold")
    assert all(device in help_of("compare", "device") for device in DEVICES)


def test_the_data_sets_of_evaluate_are_those_that_have_a_reader() -> None:
    (dataset,) = (option for name, option in OPTIONS if (name, option.name) == ("evaluate", "dataset"))
    assert sorted(dataset.choices) == sorted(READERS)


def test_defaults_of_generate_are_those_of_the_generator() -> None:
    from distortion_engine.generation.options import GenerateOptions
    from distortion_engine.generation.workers import Workforce

    defaults = {option.name: option.default for name, option in OPTIONS if name == "generate"}
    names = {"size": "size_px", "format": "image_format", "engine": "kind"}
    own = {field.name: field.default for kind in (GenerateOptions, Workforce) for field in dataclasses.fields(kind)}
    same = (
        "seed",
        "size",
        "split",
        "sets_per_shard",
        "format",
        "dense",
        "min_scale",
        "mask_share",
        "engine",
        "workers",
    )
    assert {name: defaults[name] for name in same} == {name: own[names.get(name, name)] for name in same}


def test_every_choice_is_a_literal_of_the_room_that_knows_it() -> None:
    chosen = {f"{name} {option.name}" for name, option in OPTIONS if option.choices}
    assert chosen >= {"compare align", "compare precision", "generate split", "generate format", "export mode"}
    assert all(get_args(option.value_type) == option.choices for _, option in OPTIONS if option.choices)
