"""The file of a baseline: what people wrote stays byte for byte, what the command writes is stable and reads back."""

import tomllib
from pathlib import Path

import pytest

from distortion_engine.errors import UsageError
from relational_iqa.gate.accepted import Accepted, Files, Measured
from relational_iqa.gate.baseline import LINE, Baseline, read_baseline

HASHES = tuple(letter * 64 for letter in "abc")
NAMES = ("night/harbour", 'a "quoted" \\ name', "übung", "x.y", "tab\tand\x7fdelete", "", "-5")


def states() -> dict[str, Accepted]:
    measured = Measured(-0.41249, 0.97349, {"noise": 0.3126, "blocking": 0.2}, region=1.2504)
    found = {name: Accepted.of(Files(*HASHES), measured, "riqa-judged 1234abcd") for name in NAMES}
    return {**found, "gone": Accepted(Files("", HASHES[1])), "added": Accepted(Files(HASHES[0]))}


def test_accepted_states_of_any_name_read_back_as_they_were_written(tmp_path: Path) -> None:
    Baseline(accepted=states()).write(tmp_path / "riqa.toml")
    assert read_baseline(tmp_path / "riqa.toml").accepted == states()


def test_equal_states_give_equal_bytes_in_whatever_order() -> None:
    turned = dict(reversed(list(states().items())))
    assert Baseline(accepted=states()).text == Baseline(accepted=turned).text
    below = Baseline(accepted=states()).text.split(LINE)[1]
    tables = [line for line in below.splitlines() if line.startswith("[")]
    assert tables == sorted(tables, key=lambda line: tomllib.loads(line)["accepted"].popitem()[0])


def test_a_picture_is_a_few_plain_lines() -> None:
    one = Baseline(accepted={"night/harbour": states()["night/harbour"]}).text.split(LINE)[1]
    assert one == (
        '\n[accepted."night/harbour"]\nmargin = -0.412\nconfidence = 0.973\nregion = 1.250\n'
        'strength = { blocking = 0.200, noise = 0.313 }\nweights = "riqa-judged 1234abcd"\n'
        f'sha256 = "{HASHES[0]}"\nagainst_sha256 = "{HASHES[1]}"\nreference_sha256 = "{HASHES[2]}"\n'
    )


def test_what_people_wrote_stays_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "riqa.toml"
    mine = '# mine\n[tolerance]\n  margin   = 0.25  # why\n\n[[pair]]\nname = "x*"\nconfidence=0.9\n'
    path.write_text(mine, encoding="utf-8")
    first = read_baseline(path)
    assert first.tolerances.of("a").margin == 0.25 and first.tolerances.of("xa").confidence == 0.9
    Baseline(first.tolerances, states(), first.head).write(path)
    assert path.read_text(encoding="utf-8").startswith(mine + "\n" + LINE)
    again = read_baseline(path)
    Baseline(again.tolerances, again.accepted, again.head).write(path)
    assert path.read_text(encoding="utf-8").startswith(mine + "\n" + LINE)
    assert path.read_text(encoding="utf-8") == Baseline(again.tolerances, again.accepted, again.head).text


def test_the_file_that_is_made_first_has_the_defaults_as_comments(tmp_path: Path) -> None:
    Baseline().write(tmp_path / "riqa.toml")
    text = (tmp_path / "riqa.toml").read_text(encoding="utf-8")
    told = "\n".join(line.removeprefix("# ") for line in text.split(LINE)[0].splitlines()[2:])
    (tmp_path / "told.toml").write_text(told, encoding="utf-8")
    made, meant = read_baseline(tmp_path / "riqa.toml"), read_baseline(tmp_path / "told.toml")
    assert made.tolerances.of("a") == meant.tolerances.of("a") == Baseline().tolerances.everywhere
    assert meant.tolerances.of("night/a").margin == 0.3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("margin =", "is no TOML"),
        ("[tolerances]\nmargin = 1", "unknown table 'tolerances'; known: tolerance, pair, accepted"),
        ("[tolerance]\nmargins = 1", "unknown key 'margins'; known: margin, confidence"),
        ("[tolerance]\nmargin = -1", "margin is -1, expected a number from 0 to 100"),
        ("[tolerance]\nmargin = nan", "margin is nan"),
        ("[tolerance]\nmargin = true", "margin is True"),
        ("[tolerance]\nconfidence = 95", "confidence is 95, expected a number from 0.5 to 1"),
        ("[tolerance]\nfail_undecided = 1", "expected true or false"),
        ("[tolerance]\nstrength = 0.2", "expected a table"),
        ("[tolerance.strength]\nblockyness = 0.2", "strength of 'blockyness'; expected one of sharpness, "),
        ("tolerance = 3", "expected a table [tolerance]"),
        ("[pair]\nname = 'x'", "begin each with [[pair]]"),
        ("[[pair]]\nmargin = 1", "[[pair]] number 1: has no name"),
        ("[[pair]]\nname = 'x'\nmargin = '1'", "\"x\"): margin is '1'"),
        (f"[accepted.a]\nsha256 = '{HASHES[0]}'", "stands above the line"),
        (f"{LINE}\n[accepted.a]\nsha256 = 'abc'", "expected 64 hexadecimal digits"),
        (f"{LINE}\n[accepted.a]\nmargin = 1.0", "sha256 is '', expected"),
        (f"{LINE}\n[accepted.a]\nmargin = 'x'\nsha256 = '{HASHES[0]}'", "margin is 'x', expected a number"),
        (f"{LINE}\n[accepted.a]\nremoved = 1\nsha256 = '{HASHES[0]}'", "removed is 1, expected true or false"),
        (f"{LINE}\n[accepted.a]\nweights = 3\nsha256 = '{HASHES[0]}'", "weights is 3, expected text"),
        (f"{LINE}\n[accepted.a]\nold = 1\nsha256 = '{HASHES[0]}'", "unknown key 'old'"),
        (f"{LINE}\naccepted.a = 3", "is no table"),
        (f"{LINE}\n[tolerance]\nmargin = 1", "tolerances stand below the line"),
        (b"\xff\xfe".decode("latin-1"), "is no TOML"),
    ],
)
def test_what_is_no_baseline_is_refused_in_one_line(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "riqa.toml"
    path.write_text(content, encoding="latin-1" if "\xff" in content else "utf-8")
    with pytest.raises(UsageError) as refused:
        read_baseline(path)
    assert said in str(refused.value) and str(path) in str(refused.value)
