"""docs/commands.md lists every command with exactly the options that its parser has, and the keys of its JSON."""

import json
import re
from pathlib import Path

import pytest

from relational_iqa import cli
from relational_iqa.commands.parser import Parser

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
SECTIONS = {
    text.split("\n", 1)[0].strip(): text.split("\n", 1)[1].split("\n## ")[0]
    for text in re.split(r"^## riqa ", PAGE, flags=re.M)[1:]
}


def cells(section: str, head: str) -> list[str]:
    """What stands in backquotes in the first column of the table with this head."""
    table = section.split(f"| {head} |", 1)[1].split("\n\n")[0]
    first = [re.split(r"(?<!\\)\|", line)[1] for line in table.splitlines()[2:]]
    return [name.replace(r"\|", "|") for cell in first for name in re.findall(r"`([^`]+)`", cell)]


def parser_of(name: str) -> Parser:
    parser = Parser()
    cli.COMMANDS[name].add_options(parser)
    return parser


def test_every_command_has_a_section_in_the_order_of_the_help_and_a_line_in_the_table():
    assert sorted(SECTIONS) == sorted(cli.COMMANDS)
    listed = re.findall(r"\[`([\w-]+)`\]\(#riqa-([\w-]+)\)", PAGE)
    assert [name for name, _ in listed] == list(cli.COMMANDS) and all(name == anchor for name, anchor in listed)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_options_of_a_command_are_those_of_its_parser(name: str):
    written = cells(SECTIONS[name], "option")
    options = {cell.split()[0] for cell in written if cell.startswith("-")}
    places = {cell for cell in written if not cell.startswith("-")}
    actions = [action for action in parser_of(name)._actions if action.dest != "help"]
    assert options == {string for action in actions for string in action.option_strings}
    assert places == {str(action.metavar) for action in actions if not action.option_strings}
    assert len(written) == len(set(written))


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_choices_and_placeholders_are_written_as_the_help_has_them(name: str):
    written = {cell.split()[0]: cell for cell in cells(SECTIONS[name], "option") if cell.startswith("-")}
    for action in parser_of(name)._actions:
        for string in action.option_strings:
            if action.dest == "help":
                continue
            choices = getattr(action, "choices", None)
            value = "{" + ",".join(choices) + "}" if choices else action.metavar if action.nargs != 0 else None
            assert written[string] == (f"{string} {value}" if value else string)


def test_the_keys_of_the_json_of_compare_are_those_that_are_written(sandbox: Path):
    assert cli.main(["compare", "a.png", "b.jpg", "--reference", "ref.png", "--json", "result.json"]) == 0
    content = json.loads((sandbox / "result.json").read_text(encoding="utf-8"))
    assert set(cells(SECTIONS["compare"], "key of the JSON")) == set(content)
    axis = re.search(r"^\| `axes` \|(.*)\|$", SECTIONS["compare"], re.M)
    assert axis and set(re.findall(r"`(\w+)`", axis[1])) == set(content["axes"][0])


def test_the_exit_codes_are_those_of_the_program():
    codes = re.search(r"\| exit code \|.*?\n\n", PAGE, re.S)
    assert codes and re.findall(r"^\| (\d+) \|", codes[0], re.M) == re.findall(r"[:,] (\d+)\s\w", str(cli.__doc__))
