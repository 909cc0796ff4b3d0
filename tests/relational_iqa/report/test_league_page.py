"""The page of several images: order, files, scores and pairs in words, with the images in it."""

import json
import re
from datetime import datetime

import numpy as np
import pytest

from distortion_engine.catalog import AXES
from distortion_engine.errors import ImageError
from distortion_engine.reading.file_facts import FileFacts
from relational_iqa.report import league_pictures, render_league, write_league
from relational_iqa.report.league_pictures import embed
from relational_iqa.report.league_views import cut, league_rows, matrix, pair_said
from relational_iqa.report.link import Link
from relational_iqa.results.comparison import Ranking
from relational_iqa.results.league import League
from tests.relational_iqa.report.pages import Page

NAMES = ["a.png", "<b>.png", "c.png"]
PAIRWISE = np.array([[0.0, -0.5, 0.05], [0.5, 0.0, 1.7], [-0.05, -1.7, 0.0]])


def league(qualities: list[float] | None = None, confidences: np.ndarray | None = None) -> League:
    axes = {axis.name: np.zeros(3) for axis in AXES}
    axes |= {"noise": np.array([0.4, -0.1, 0.01]), "brightness": np.array([0.0, 0.0, -0.3])}
    ranking = Ranking([1, 0, 2], NAMES, [0.5, 0.05], qualities, PAIRWISE, {"version": "1"}, confidences)
    return League(ranking, PAIRWISE.mean(1) if qualities is None else np.array(qualities), axes)


def images(count: int = 4, height: int = 20, width: int = 30) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def facts(nbytes: int, kind: str = "JPEG") -> FileFacts:
    return FileFacts("x", nbytes, kind, "quality 40", (30, 20), datetime(2026, 1, 1))


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_rows_stand_best_first_with_file_score_wins_and_what_sets_them_apart():
    rows = league_rows(league([-1.0, 0.0, -1.1]), [facts(900), None, facts(40_321)])
    assert [(row.place, row.name, plain(row.file)) for row in rows] == [
        ("1", "<b>.png", ""),
        ("2", "a.png", "JPEG, quality 40 · 900 bytes · 12.00 bits per pixel"),
        ("3", "c.png", "JPEG, quality 40 · 40.3 kB · 537.61 bits per pixel"),
    ]
    assert [plain(row.score) for row in rows] == [
        "equal to the reference", "1.0 levels below the reference", "1.1 levels below the reference",
    ]  # fmt: skip
    assert [(row.wins, row.ties, row.losses) for row in rows] == [(2, 0, 0), (0, 1, 1), (0, 1, 1)]
    assert [plain(row.over_next) for row in rows] == ["0.5 levels ahead", "equal, 0.05 levels", ""]
    assert [[defect.said for defect in row.defects] for row in rows] == [
        [],
        ["noisier (moderate)"],
        ["darker (moderate)"],
    ]


def test_without_a_reference_scores_are_told_beside_the_mean():
    rows = league_rows(league(), [None] * 3)
    assert [plain(row.score) for row in rows] == [
        "0.7 levels above the mean", "0.15 levels below the mean", "0.6 levels below the mean",
    ]  # fmt: skip
    assert rows[1].defects[0].about == "noise: noisier than the mean of these images, 0.40 on the mean over the picture"


def test_how_sure_the_order_is_and_what_cannot_be_told_stand_in_rows_cells_and_sentences():
    confidences = np.array([[0.5, 0.95, 0.55], [0.95, 0.5, 0.999], [0.55, 0.999, 0.5]])
    sure = league(confidences=confidences)
    rows = league_rows(sure, [None] * 3)
    assert [row.place for row in rows] == ["1", "=2", "=2"]
    assert [plain(row.over_next) for row in rows] == ["0.5 levels ahead, 95 % sure", "cannot tell", ""]
    ranking = sure.ranking
    assert plain(pair_said(ranking, 1, 2)) == "<b>.png is much better than c.png by 1.7 levels (over 99 % sure)."
    assert plain(pair_said(ranking, 2, 1)) == plain(pair_said(ranking, 1, 2))
    assert plain(pair_said(ranking, 0, 2)) == "Cannot tell which of a.png and c.png is better (0.05 levels apart)."


def test_pairs_of_which_nothing_is_visible_look_the_same_in_row_cell_and_sentence():
    seen = league([-1.0, -0.5, -1.1])
    ranking = seen.ranking.with_visible({(0, 1): 0.5, (0, 2): 1.0, (1, 2): 1.0})
    same = League(ranking, seen.scores, seen.axes)
    assert [row.place for row in league_rows(same, [None] * 3)][:2] == ["=1", "=1"]
    assert league_rows(same, [None] * 3)[0].over_next == "looks the same"
    assert pair_said(ranking, 0, 1) == "a.png and <b>.png look the same: nothing that differs is visible."
    cells = matrix(ranking)
    assert (cells[0, 1].winner, cells[0, 1].size, cells[0, 1].side) == ("", "look the same", "")
    assert cells[1, 2].winner == "<b>.png"


def test_the_matrix_names_the_better_image_of_every_pair_and_colours_the_side_of_it():
    page = plain(render_league(league()))
    matrix = page[page.index('id="matrix"') : page.index("</table>", page.index('id="matrix"'))]
    cells = re.findall(
        r"<td(?: class=\"cell-(a|b)\" style=\"--s:\d+\")?><span title=\"[^\"]+\">(?:<b>([^<]*)</b>)?([^<]*)<", matrix
    )
    b = "&lt;b&gt;.png"
    assert cells == [
        ("a", b, "by 0.50"), ("a", b, "by 1.70"), ("b", b, "by 0.50"), ("", "", "tie, 0.05"), ("b", b, "by 1.70"),
        ("", "", "tie, 0.05"),
    ]  # fmt: skip
    assert not re.search(r"[+−-]\d\.\d", Page(page).text.split("How this was made")[0])  # no number with a bare sign


def test_the_page_has_all_images_once_and_loads_nothing(tmp_path):
    files = [facts(900), facts(5000), facts(12_000)]
    path = write_league(
        league([-1.0, -0.5, -1.1]), tmp_path / "new" / "league.html", images()[:3], images()[3], files=files,
        reference_file=facts(70_000, "PNG"), command="riqa rank a b c",
    )  # fmt: skip
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    shown = [tag for tag in page.all("img") if "data-image" in tag]
    assert [tag["data-image"] for tag in shown] == ["0", "1", "2", "3"] and text.count(";base64,") == 4
    assert all((tag["src"] or "").startswith("data:image/webp") and tag["alt"] for tag in shown)
    assert "http" not in text.replace("http-equiv", "") and "<b>.png" not in text
    assert "riqa rank a b c" in page.text and "30 × 20 px, full size, lossless" in plain(page.text)
    viewer = json.loads(text.split('id="viewer">')[1].split("</script>")[0])
    assert viewer["names"] == ["<b>.png", "a.png", "c.png", "reference"] and viewer["reference"] == 3
    assert viewer["said"][0][2].startswith("<b>.png is much better than c.png") and viewer["reduction"] == 1
    assert 'id="plot"' in text and 'id="matrix"' in text


def test_links_back_and_the_result_are_there_and_without_images_no_viewer():
    page = render_league(league(), links={(1, 0): "/result/x/1-0"}, back=Link("/", "New comparison"))
    assert page.count('href="/result/x/1-0"') == 1 and 'href="/"' in page
    assert 'id="viewer"' not in page and "<img" not in page and 'id="plot"' not in page
    result = json.loads(page.split('id="result">')[1].split("</script>")[0])
    assert result["ranking"][0]["name"] == "<b>.png"


def test_no_image_is_called_best_where_the_first_two_cannot_be_told_apart():
    axes = {axis.name: np.zeros(2) for axis in AXES}
    ranking = Ranking.by_pairs(["a.png", "b.png"], {(0, 1): (0.5, 0.55)}, {})
    page = render_league(League(ranking, ranking.pairwise.mean(1), axes))
    assert "<h1>a.png and b.png share the first place</h1>" in page and "is best" not in page


def test_without_confidences_the_page_says_nothing_of_them():
    page = render_league(league()).split("<script")[0]
    assert "How sure" not in page and "cannot be told" not in page


def test_images_that_are_too_many_become_previews_of_a_whole_fraction_and_say_so(monkeypatch):
    monkeypatch.setattr(league_pictures, "_LOSSLESS_PIXELS", 100)
    monkeypatch.setattr(league_pictures, "_JPEG_PIXELS", 600)
    pictures = embed(images(4))
    assert (pictures.reduction, pictures.width, pictures.height, pictures.lossless) == (2, 15, 10, False)
    assert pictures.note == "previews of 15 × 10 px, 1/2 of the size of the images (30 × 20 px), JPEG quality 95"
    monkeypatch.setattr(league_pictures, "PAGE_BYTES", 2800)
    assert embed(images(4)).reduction > 2
    page = render_league(league(), images()[:3])
    assert "Preview 1:1" in page and "100 %" not in page.split("<script")[0]


def test_images_of_different_sizes_are_refused():
    with pytest.raises(ImageError, match="image 2 is 30 x 21 px, image 1 30 x 20 px"):
        embed([*images(1), *images(1, 21)])


def test_long_names_lose_their_middle():
    assert cut("short.png") == "short.png"
    long = cut("x" * 100 + "_version_7.png")
    assert len(long) == 60 and long.endswith("_version_7.png") and long.startswith("xxx")
