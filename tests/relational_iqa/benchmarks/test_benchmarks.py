"""Benchmarks: rated sets are read strictly, and correlations say what they are of."""

import math
from pathlib import Path

import numpy as np
import pytest

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.correlation import krcc, plcc, srcc
from relational_iqa.benchmarks.readers.rated import read_rated

HEADER = "image,reference,score,scene,distortion,level"


def write_set(folder: Path, text: str, files: tuple[str, ...] = ("a.png", "b.png", "r.png")) -> Path:
    folder.mkdir(exist_ok=True)
    for name in files:
        (folder / name).write_bytes(b"")
    (folder / "scores.csv").write_text(text, encoding="utf-8")
    return folder


def test_rows_come_in_the_order_of_the_file_with_paths_beside_the_csv(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", f"{HEADER}\nb.png,r.png,3.5,s1,jpeg,2\na.png,,-1e1,,,\n")
    first, second = read_rated(folder)
    assert (first.image, first.reference, first.score) == (folder / "b.png", folder / "r.png", 3.5)
    assert (first.scene, first.distortion, first.level) == ("s1", "jpeg", "2")
    assert (second.image, second.reference, second.score) == (folder / "a.png", None, -10.0)


def test_the_csv_itself_can_be_named_and_further_columns_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", "\ufeffscore,image,votes\n2,a.png,17\n")
    (row,) = read_rated(folder / "scores.csv")
    assert (row.image, row.reference, row.score, row.scene) == (folder / "a.png", None, 2.0, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEADER}\n", "no rows"),
        ("", "no column image or score"),
        ("image,mos\na.png,3\n", "no column score"),
        (f"{HEADER}\na.png,r.png,3,,,\nb.png,r.png,good,,,\n", "line 3: score 'good'"),
        (f"{HEADER}\na.png,r.png,nan,,,\n", "line 2: score 'nan'"),
        (f"{HEADER}\na.png,r.png\n", "line 2: score ''"),
        (f"{HEADER}\n,r.png,3,,,\n", "line 2: no image"),
        (f"{HEADER}\na.png,gone.png,3,,,\n", "gone.png not found"),
        (f"{HEADER}\n1.png,,3,,,\n2.png,,3,,,\n3.png,,3,,,\n4.png,,3,,,\n", "1.png, 2.png, 3.png and 1 more not found"),
    ],
)
def test_a_bad_table_is_refused_in_one_line_that_names_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_rated(write_set(tmp_path / "set", text))
    assert said in str(error.value) and "scores.csv" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_table_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_rated(tmp_path)
    (tmp_path / "scores.csv").write_bytes(b"image,score\n\xff\xfe\x00,1\n")
    with pytest.raises(UsageError, match="not readable as CSV"):
        read_rated(tmp_path)


def test_rank_correlations_ignore_any_rising_transform_and_turn_with_direction() -> None:
    x = np.random.default_rng(0).normal(size=40)
    assert srcc(x, np.exp(x)) == pytest.approx(1) and krcc(x, np.exp(x)) == pytest.approx(1)
    assert srcc(-x, np.exp(x)) == pytest.approx(-1)
    assert plcc(x, 3 * x - 2) == pytest.approx(1) and plcc(x, np.exp(x)) < 0.95


def test_correlations_agree_with_values_worked_by_hand() -> None:
    x, y = [1, 2, 3, 4], [1, 3, 2, 4]
    assert srcc(x, y) == pytest.approx(1 - 6 * 2 / (4 * 15))  # 1 - 6 sum d^2 / (n (n^2 - 1))
    assert krcc(x, y) == pytest.approx((5 - 1) / 6)  # (concordant - discordant) / pairs
    assert plcc(x, y) == pytest.approx(4 / 5)
    assert srcc([1, 1, 2], [1, 2, 3]) == pytest.approx(math.sqrt(3) / 2)  # tied ranks 1.5, 1.5, 3


def test_a_constant_predictor_has_no_correlation() -> None:
    assert all(math.isnan(function([1, 1, 1], [1, 2, 3])) for function in (srcc, krcc, plcc))


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2, 3], [1, 2], "3 predictions for 2 scores"),
        ([1, 2], [1, 2], "too few"),
        ([1, 2, math.nan], [1, 2, 3], "NaN"),
    ],
)
def test_correlations_refuse_what_they_cannot_answer(x: list[float], y: list[float], said: str) -> None:
    for function in (srcc, krcc, plcc):
        with pytest.raises(UsageError, match=said):
            function(x, y)
