"""File names and messages that a terminal can show."""

import os

import pytest

from distortion_engine.jobs.printable import one_line, printable, printable_lines

HOSTILE = os.fsdecode(b"x\xff\x1b[31m\ny.png")


def test_control_characters_and_bytes_that_are_no_utf8_become_escapes() -> None:
    assert printable(HOSTILE) == "x\\udcff\\x1b[31m\\ny.png"
    assert printable("é 画像 a.png") == "é 画像 a.png"


def test_of_several_lines_only_the_ends_stay() -> None:
    assert printable_lines("a\x1b\nb") == "a\\x1b\nb"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (f"{HOSTILE}: is damaged", "x\\udcff\\x1b[31m\\ny.png: is damaged"),
        ("no such weights;\nuse the shipped ones", "no such weights; use the shipped ones"),
        ("while parsing\n  in line 1\n", "while parsing in line 1"),
    ],
)
def test_a_message_is_one_line_and_names_in_it_keep_their_line_ends_as_escapes(message: str, said: str) -> None:
    assert one_line(message) == said


def test_of_a_message_that_quotes_a_whole_file_its_beginning_and_its_remedy_stay() -> None:
    said = one_line("t.csv: no column score; found " + "9" * 100_000 + "; is it a table?")
    assert len(said) < 2000
    assert said.startswith("t.csv: no column score; found 999") and said.endswith("999; is it a table?")
