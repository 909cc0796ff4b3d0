"""YAML files made to harm: refused in one line before anything is built from them."""

from pathlib import Path

import pytest

from relational_iqa.commands.yaml_text import parse_yaml
from tests.relational_iqa.commands.helpers import Refusal

BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdef", "bcdefg", strict=True))
HOSTILE = [
    ("a: " + "[" * 20_000, "is nested deeper than 20 levels"),
    ("a: " + "[" * 20_000 + "]" * 20_000, "is nested deeper than 20 levels"),
    ("- " * 1000, "is nested deeper than 20 levels"),
    ("data: &x {y: *x}", "has an alias"),
    (BOMB, "has an alias"),
    ("a: " + "9" * 5000, "is not YAML"),
    ("a: " + "9" * 300, "of 300 digits"),
    ("a: [{b: -99999999999999999999}]", "of 21 digits"),
    ("a: 2020-99-99", "is not YAML"),
    ("a: !!python/object/apply:os.system [id]", "is not YAML"),
    ("a: [1,", "is not YAML"),
    ("a: \x00", "is not YAML"),
    ('weights: "x\\0"', "has a NUL character in 'x\\x00'"),
    ("#" * 1_000_001, "has more than 1,000,000 bytes"),
]


@pytest.mark.parametrize(("text", "said"), HOSTILE, ids=[text[:12] for text, _ in HOSTILE])
def test_hostile_files_of_options_are_refused_by_every_command(
    text: str, said: str, dark: str, tmp_path: Path, refusal: Refusal
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    for argv in (["pretrain"], ["compare", dark, dark]):
        message = refusal(*argv, "--config", str(path))
        assert said in message and len(message) < 600
        assert said in refusal(*argv, f"--config={path}")


def test_hostile_values_on_the_command_line_are_refused(dark: str, tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: a\n")
    assert "the value of name: is nested deeper" in refusal("pretrain", "--config", str(path), "name=" + "[" * 20_000)
    assert "the value of name: is not YAML" in refusal("pretrain", "--config", str(path), "name=" + "9" * 5000)
    assert "digits" in refusal("compare", dark, dark, "--max-pixels", "9" * 300)


def test_options_are_read_as_before() -> None:
    text = "name: a\nb: {c: [1, 2.5, true, null]}\nd: 1.0e-3\n"
    assert parse_yaml(text, "x") == {"name": "a", "b": {"c": [1, 2.5, True, None]}, "d": 0.001}
