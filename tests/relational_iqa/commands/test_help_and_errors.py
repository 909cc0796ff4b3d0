"""Help and errors speak of options and values, never of classes or of the parser's own names."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from relational_iqa import __version__, cli
from relational_iqa.commands.complaints import in_words_of_options, usage_line
from relational_iqa.commands.options import options_of
from tests.relational_iqa.commands.helpers import Refusal

INNER = re.compile(
    r"NonNegativeInt|PositiveInt|PositiveFloat|<class|typing\.|Sequence|Literal|Union|NoneType|\bNone\b|\bnull\b|type: "
    r"|Parser key|jsonargparse|Namespace|\bsubcommand|invalid literal"
)
"""What is inside of the program."""
DOTTED = re.compile(rf"\b(?:{'|'.join(cli.COMMANDS)})\.(?!py\b)[a-z_]+")
"""compare.b"""


def shown(argv: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that ends with code 0 prints."""
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_of_a_command_names_its_options_and_nothing_inner(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown([name, "--help"], capsys)
    assert not INNER.search(text) and not DOTTED.search(text)
    assert text.startswith(f"usage: riqa {name} ") and "[options]" in text.split("\n\n")[0]
    told = [flag for option in options_of(cli.COMMANDS[name].options) for flag in option.flags]
    assert all(flag in text for flag in told)


def test_the_usage_has_what_must_be_given() -> None:
    of = {name: usage_line(name, command.options) for name, command in cli.COMMANDS.items()}
    assert of["explain"] == "riqa explain A B --index OUT [options]"
    assert of["rank"] == "riqa rank IMAGES ... [options]"
    assert of["generate"] == "riqa generate [PHOTOS] [OUT] [options]"
    assert of["pretrain"] == "riqa pretrain [key=value ...] --config C [options]"


def test_riqa_alone_and_riqa_help_show_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown([], capsys)
    assert text == shown(["--help"], capsys) and not INNER.search(text)
    assert all(re.search(rf"^  +{name} +\w", text, re.M) for name in cli.COMMANDS)


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(["--version"], capsys) == f"riqa {__version__}\n"


WRONG = {
    "compare": "compare needs A and B",
    "compare a.png": "compare needs B",
    "score": "score needs IMAGES",
    "pretrain": "pretrain needs --config C",
    "explain a.png b.png": "explain needs --index OUT",
    "compare a b --worst x": "--worst x: expected a whole number, 0 or more",
    "compare a b --worst -1": "--worst -1: expected a whole number, 0 or more",
    "compare a b --max-pixels 0": "--max-pixels 0: expected a whole number, 1 or more",
    "serve --max-mb none": "--max-mb none: expected a number above 0",
    "compare a b --fail-below x": "--fail-below x: expected a number",
    "compare a b --fail-below nan": "--fail-below nan: expected a number",
    "compare a b --align up": "--align up: expected one of auto, resize, crop",
    "evaluate tid2014 ROOT --metric psnr": "DATASET tid2014: expected one of kadid10k, tid2013",
    "completion ksh": "SHELL ksh: expected one of bash, zsh, fish",
    "compare a b --worst": "--worst needs a value N: a whole number, 0 or more",
    "compare a b --align": "--align needs a value: one of auto, resize, crop",
    "compare a b --json": "--json needs a value PATH|-",
    "compare a b --quiet=3": "--quiet: takes no value, got '3'",
    "compare a b --refrence r": "--refrence: no such option (did you mean --reference?)",
    "compare a b --frobnicate": "--frobnicate: no such option; see",
    "compare a b c d": "c d: more than riqa compare takes",
    "compare a b --fail 3": "--fail: may be --fail-below or --fail-unmatched; write the whole option",
    "compere a b": "compere: no such command (did you mean compare?); commands: compare, check",
    "--frobnicate": "--frobnicate: no such option; see riqa --help",
    "compare a b --max-pixels 99999999999999999999": "--max-pixels: has 20 digits",
    "compare a b --config wrong.yaml": "--worst x: expected a whole number",
    "compare a b --config unknown.yaml": "'worts' in the file of --config: no such option of riqa compare (did",
    "compare a b --config three.yaml": "--quiet 3: expected true or false",
    "compare a b --config yes.yaml": "--quiet yes: expected true or false",
    "compare a b --config nothing.yaml": "--engine is empty in the file of --config: expected one of local, ray",
    "compare a b --config number.yaml": "--mask ['m.png', 3]: expected one or several words",
    "compare --config list.yaml": "the file of --config holds no options; write a line for each",
}


@pytest.mark.parametrize(("line", "said"), WRONG.items(), ids=list(WRONG))
def test_an_error_says_the_option_and_what_was_expected(
    line: str, said: str, refusal: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"wrong": "worst: x", "unknown": "worts: 3", "list": "- 3", "three": "quiet: 3", "yes": 'quiet: "yes"',
             "nothing": "engine: null", "number": "mask: [m.png, 3]"}  # fmt: skip
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")
    message = refusal(*line.split())
    assert said in message and not INNER.search(message) and not DOTTED.search(message)
    name = line.split()[0] if line.split()[0] in cli.COMMANDS else ""
    assert f"see riqa {name + ' ' if name else ''}--help" in message or "has 20 digits" in message


def test_what_is_not_recognised_is_handed_on_without_classes() -> None:
    assert in_words_of_options("Odd <class 'int'> here", {}, None) == "Odd int here"


SUFFIXES = {
    "compare a b --out report.pdf": "--out report.pdf: ends in .pdf; end the name of the file in .html or .htm",
    "compare a b --out report": "--out report: has no suffix; end the name of the file in .html or .htm",
    "compare a b --json result.txt": "--json result.txt: ends in .txt; end the name of the file in .json",
    "compare A B --csv table.xlsx": "--csv table.xlsx: ends in .xlsx; end the name of the file in .csv",
    "compare A B --out reports.html": "--out reports.html: is a folder for several files; give a name that does not",
    "compare a b --maps maps.png": "--maps maps.png: is a folder for several files; give a name that does not",
    "compare a b --maps maps.npz": "--maps maps.npz: is a folder for several files",
    "rank a b --out league.pdf": "--out league.pdf: ends in .pdf; end the name of the file in .html or .htm",
    "rank a b --csv league.json": "--csv league.json: ends in .json; end the name of the file in .csv",
    "score a --csv s.tsv": "--csv s.tsv: ends in .tsv; end the name of the file in .csv",
    "score a --maps m.json": "--maps m.json: is a folder",
    "check A --against B --junit j.json": "--junit j.json: ends in .json; end the name of the file in .xml",
    "check A --against B --markdown m.html": "--markdown m.html: ends in .html; end the name of the file in .md",
    "check A --against B --html page.html": "--html page.html: is a folder",
    "generate --catalog sheet.pdf": "--catalog sheet.pdf: ends in .pdf; end the name of the file in .png or .webp",
    "generate A sets.tar --sets 3": "OUT sets.tar: is a folder",
    "fit-reiqa --rated A --out r.pkl": "--out r.pkl: ends in .pkl; end the name of the file in .safetensors",
    "export model.pt": "model.pt: the name of an ONNX file ends in .onnx",
    "evaluate csv A --metric psnr --plot p.gif": "plots are png, pdf, svg",
    "evaluate csv A --metric psnr --verdicts v.txt": "--verdicts v.txt: ends in .txt; end the name of the file in .csv",
}


@pytest.mark.parametrize(("line", "said"), SUFFIXES.items(), ids=list(SUFFIXES))
def test_an_output_that_says_another_format_is_refused_before_any_work(
    line: str, said: str, refusal: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("A", "B"):
        Path(folder).mkdir()
        (Path(folder) / "x.png").write_bytes(b"not looked at")
    assert said in refusal(*line.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A", "B"]


def test_every_file_that_is_written_has_its_suffixes() -> None:
    options = [option for command in cli.COMMANDS.values() for option in options_of(command.options)]
    assert [option.name for option in options if option.writes == "file" and not option.suffixes] == []


def test_a_name_in_capitals_a_device_and_a_folder_that_is_there_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("maps.png").mkdir()
    for line in ("--json R.JSON", "--json -", "--json /dev/null", "--maps maps.png", "--maps v1.2"):
        assert "a.png: no such file" in refusal("compare", "a.png", "b.png", *line.split())
