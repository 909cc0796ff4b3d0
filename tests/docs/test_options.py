"""docs/commands.md has the options of every command as its dataclass has them, and the keys of the JSON."""

import json
import re
from pathlib import Path

import pytest

from experiments.docs_tables import commands as tables
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


def test_every_command_has_a_section_in_the_order_of_the_help_and_a_line_in_the_table() -> None:
    assert sorted(SECTIONS) == sorted(cli.COMMANDS)
    listed = re.findall(r"\[`([\w-]+)`\]\(#riqa-([\w-]+)\)", PAGE)
    assert [name for name, _ in listed] == list(cli.COMMANDS) and all(name == anchor for name, anchor in listed)


def test_the_tables_of_options_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert tables.main(["--check"]) == 0, "write them with: python -m experiments.docs_tables.commands"


def test_a_table_that_is_out_of_date_or_missing_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "commands.md"
    page.write_text(PAGE.replace("How many recipes to name", "How many to name"), encoding="utf-8")
    assert tables.main(["--check", "--page", str(page)]) == 1
    assert tables.main(["--page", str(page)]) == 0 and page.read_text(encoding="utf-8") == PAGE
    with pytest.raises(ValueError, match="section riqa completion"):
        tables.page_with_tables(PAGE.rsplit(tables.HEAD, 1)[0])


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_options_of_a_table_are_those_of_the_parser(name: str) -> None:
    written = cells(SECTIONS[name], "option | default")
    parser = Parser()
    cli.COMMANDS[name].add_options(parser)
    actions = [action for action in parser._actions if action.dest != "help"]
    options = {cell.split()[0] for cell in written if cell.startswith("-")}
    assert options == {string for action in actions for string in action.option_strings}
    places = [cell for cell in written if not cell.startswith("-")]
    assert places == [action.metavar for action in actions if not action.option_strings]


def test_the_keys_of_the_json_of_compare_are_those_that_are_written(sandbox: Path) -> None:
    assert cli.main(["compare", "a.png", "b.jpg", "--reference", "ref.png", "--json", "result.json"]) == 0
    content = json.loads((sandbox / "result.json").read_text(encoding="utf-8"))
    assert set(cells(SECTIONS["compare"], "key of the JSON")) == set(content)
    axis = re.search(r"^\| `axes` \|(.*)\|$", SECTIONS["compare"], re.M)
    assert axis and set(re.findall(r"`(\w+)`", axis[1])) == set(content["axes"][0])


def test_the_exit_codes_are_those_of_the_program() -> None:
    codes = re.search(r"\| exit code \|.*?\n\n", PAGE, re.S)
    assert codes and re.findall(r"^\| (\d+) \|", codes[0], re.M) == re.findall(r"[:,] (\d+)\s\w", str(cli.__doc__))
