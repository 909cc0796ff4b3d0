"""riqa rank as a league table: a transitive score, every pair, the axes of each image, as text, CSV and JSON."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

import relational_iqa
from distortion_engine.catalog import AXES
from distortion_engine.reading.image_io import save_image
from relational_iqa import cli
from relational_iqa.results.comparison import Ranking
from relational_iqa.results.league import League, games, play
from relational_iqa.systems.pixel_perfect import RelationalIQA
from tests.relational_iqa.commands.helpers import BrightnessModel

NAMES = ["blurred.png", "noisy.png", "jpeg.png", "darker.png"]


@pytest.fixture(scope="module")
def small(versions: list[Tensor]) -> list[Tensor]:
    """The reference and four damaged versions, (3, 48, 48)."""
    return [version[:, :48, :48] for version in versions]


@pytest.fixture(scope="module")
def files(small: list[Tensor], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The same as files: reference first."""
    folder = tmp_path_factory.mktemp("rank")
    paths = [str(folder / name) for name in ("reference.png", *NAMES)]
    for image, path in zip(small, paths, strict=True):
        save_image(image, path)
    return paths


def test_the_league_is_the_ranking_of_the_model(random_model: RelationalIQA, small: list[Tensor]) -> None:
    for reference in (small[0], None):
        ticks: list[int] = []
        league = play(random_model, small[1:], NAMES, reference, lambda ticks=ticks: ticks.append(1))
        expected = random_model.rank(small[1:], reference)
        assert len(ticks) == games(4, reference is not None) == (4 if reference is not None else 6)
        assert league.ranking.order == expected.order and league.ranking.names == NAMES
        np.testing.assert_allclose(league.ranking.pairwise, expected.pairwise, atol=1e-6)
        np.testing.assert_allclose(league.ranking.margins, expected.margins, atol=1e-6)
        assert (league.ranking.qualities is None) == (reference is None)


def test_with_a_reference_the_league_is_as_sure_of_its_order_as_the_ranking(photos: list[Tensor]) -> None:
    photo = photos[0][:, :48, :48]
    versions = [photo * 0.9, photo.roll(1, 2) * 0.5 + photo * 0.5, photo.clone()]
    model = relational_iqa.load()
    league, expected = play(model, versions, ["a", "b", "c"], photo), model.rank(versions, photo)
    assert expected.confidences is not None and league.ranking.confidences is not None
    np.testing.assert_array_equal(league.ranking.confidences, expected.confidences)
    assert league.ranking.places == expected.places and league.above()[1]
    scores = [replace(model.score(version, photo), evidence=None) for version in versions]
    with pytest.raises(ValueError, match="no evidence"):
        model.order_confidences(scores)


def test_with_a_reference_the_score_is_the_quality_and_explains_every_margin(
    random_model: RelationalIQA, small: list[Tensor]
) -> None:
    league = play(random_model, small[1:], NAMES, small[0])
    assert league.scores.tolist() == league.ranking.qualities and max(league.scores) < 0 and league.misfit < 1e-9
    distortions = random_model.score(small[2], small[0]).distortions
    assert {name: values[1] for name, values in league.axes.items()} == pytest.approx(distortions)


def test_without_one_the_score_is_the_least_squares_fit_of_the_margins(
    random_model: RelationalIQA, small: list[Tensor]
) -> None:
    league = play(random_model, small, ["reference", *NAMES])
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    design = np.array([[(k == i) - (k == j) for k in range(5)] for i, j in pairs], float)
    margins = np.array([league.ranking.pairwise[i, j] for i, j in pairs])
    fitted, *_ = np.linalg.lstsq(design, margins, rcond=None)
    np.testing.assert_allclose(league.scores, fitted, atol=1e-9)
    assert league.misfit == pytest.approx(np.sqrt(np.mean((margins - design @ fitted) ** 2))) and league.misfit > 0
    for values in league.axes.values():
        assert abs(values.sum()) < 1e-6
    assert abs(league.axes["noise"]).max() > 0


def test_two_images_are_apart_in_score_by_their_margin(random_model: RelationalIQA, small: list[Tensor]) -> None:
    league = play(random_model, small[1:3], NAMES[:2])
    best, other = league.ranking.order
    assert league.scores[best] - league.scores[other] == pytest.approx(league.ranking.margins[0])


def test_the_printed_table_has_score_wins_axes_and_every_pair() -> None:
    pairwise = np.array([[0, 1.0, 0.05], [-1.0, 0, -1.2], [-0.05, 1.2, 0]])
    axes = {axis.name: np.zeros(3) for axis in AXES} | {"noise": np.array([-0.1, 0.3, -0.2])}
    names = ["a.png", "a-very-long-name-of-a-version-of-a-photograph.png", "c.png"]
    league = League(Ranking([2, 0, 1], names, [0.0, 1.0], None, pairwise), pairwise.sum(1) / 3, axes)
    blank, head, first, second, third, unit, fit, _, columns, *matrix = league.lines()
    assert head.split() == ["rank", "image", "score", "wins", "ties", "losses", "noise"]
    assert first.split() == ["1", "c.png", "+0.38", "1", "1", "0", "-0.20"]
    assert second.split() == ["2", "a.png", "+0.35", "1", "1", "0", "-0.10"]
    assert third.split()[0] == "3" and third.split()[1].startswith("…") and len(third.split()[1]) == 32
    assert third.split()[2:] == ["-0.73", "0", "0", "2", "+0.30"] and "mean of the images" in unit
    assert fit.startswith("margins of pairs are 0.0") and columns.split()[-3:] == ["1", "2", "3"]
    assert matrix[0].split() == ["1", "c.png", "-0.05", "+1.20"] and len(matrix) == 3
    assert len({len(line) for line in (head, first, second, third)}) == 1


def test_the_printed_table_says_how_sure_the_order_is_and_counts_what_cannot_be_told_as_a_tie() -> None:
    pairs = {(0, 1): (1.0, 0.97), (0, 2): (0.4, 0.55), (1, 2): (-1.2, 0.99)}
    ranking = Ranking.by_pairs(["a.png", "b.png", "c.png"], pairs, {})
    axes = {axis.name: np.zeros(3) for axis in AXES}
    _, head, first, second, third, _, _, order, *_ = League(ranking, ranking.pairwise.sum(1) / 3, axes).lines()
    assert head.split() == ["rank", "image", "score", "wins", "ties", "losses", "order"]
    assert first.split() == ["=1", "a.png", "+0.47", "1", "1", "0"]
    assert second.split() == ["=1", "c.png", "+0.27", "1", "1", "0", "cannot", "tell"]
    assert third.split() == ["3", "b.png", "-0.73", "0", "0", "2", "99", "%"]
    assert order == "order: how sure it is that the image above is better; below 60 % the two share a rank"


def test_rank_shares_places_that_cannot_be_told_in_text_csv_and_json(
    model: BrightnessModel, dark: str, bright: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, result = tmp_path / "league.csv", tmp_path / "league.json"
    for confidence, places, said in (
        (0.59, ["1", "1"], "dark.png comes first, then bright.png (cannot tell from the one above)."),
        (0.6, ["1", "2"], "dark.png is best, then bright.png (2.0 levels behind, 60 % sure)."),
        (None, ["1", "2"], "dark.png is best, then bright.png (2.0 levels behind)."),
    ):
        model.confidence = confidence
        assert cli.main(["rank", bright, dark, "--csv", str(table), "--json", str(result)]) == 0
        assert capsys.readouterr().out.splitlines()[0] == said
        rows = list(csv.DictReader(table.read_text().splitlines()))
        assert [row["place"] for row in rows] == places and [row["rank"] for row in rows] == ["1", "2"]
        assert [row["confidence_over_next"] for row in rows] == ["" if confidence is None else str(confidence), ""]
        content = json.loads(result.read_text())
        assert [str(entry["place"]) for entry in content["ranking"]] == places
        assert content["ranking"][1]["cannot_tell_from_above"] == (confidence == 0.59)
        assert content["confidences"] == (None if confidence is None else [[0.5, confidence], [confidence, 0.5]])


def test_csv_and_json_hold_all_of_it_and_what_was_in_the_json_before(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, result = tmp_path / "league.csv", tmp_path / "league.json"
    argv = ["rank", *files[1:], "--reference", files[0], "--csv", str(table), "--json", str(result)]
    assert cli.main(argv) == 0
    out = capsys.readouterr().out.splitlines()
    assert " is best, then " in out[0] and f"csv: {table}" in out and f"json: {result}" in out
    content = json.loads(result.read_text())
    assert {"sentence", "unit", "ranking", "pairwise", "pairwise_means", "meta", "files", "reference"} <= set(content)
    with open(table, encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    for row, entry in zip(rows, content["ranking"], strict=True):
        assert row["name"] == entry["name"] and row["file"] == files[1 + entry["index"]]
        assert float(row["score"]) == pytest.approx(entry["quality"], rel=1e-4) == pytest.approx(entry["score"])
        assert float(row["noise"]) == pytest.approx(entry["axes"]["noise"], rel=1e-4, abs=1e-9)
        over = [float(row[f"over {rank}"]) for rank in range(1, 5)]
        margins = [content["pairwise"][entry["index"]][other["index"]] for other in content["ranking"]]
        assert over == pytest.approx(margins, rel=1e-4, abs=1e-9)
    noisiest = max(content["ranking"], key=lambda entry: entry["axes"]["noise"])
    assert noisiest["name"] == "noisy.png" and content["misfit"] < 1e-6


def test_the_table_never_overwrites_an_image(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(files[1]).read_bytes()
    assert cli.main(["rank", *files, "--csv", files[1]]) == 2
    assert "is an input" in capsys.readouterr().err and Path(files[1]).read_bytes() == before


def test_rank_orders_best_first_by_file_name(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["rank", bright, dark]) == 0
    assert capsys.readouterr().out.startswith("dark.png is best, then bright.png (")


def test_the_page_is_written_with_what_is_known_of_the_files(
    model: BrightnessModel, dark: str, bright: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "new" / "league.html"
    assert cli.main(["rank", bright, dark, "--reference", dark, "--out", str(page)]) == 0
    assert f"page: {page}" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    nbytes = Path(bright).stat().st_size
    assert f"{nbytes} bytes" in text.replace("\N{NO-BREAK SPACE}", " ") and 'id="plot"' in text
    assert text.count("data:image/webp;base64,") == 3  # each image once
    assert cli.main(["rank", bright, dark, "--out", dark]) == 2
    assert "is an input" in capsys.readouterr().err
