"""The league page: what the reader is pointed at is where it is said to be."""

import re

import numpy as np

from distortion_engine.catalog import AXES
from relational_iqa.report import render_league, write_league
from relational_iqa.results.comparison import Ranking
from relational_iqa.results.league import League


def league(qualities: list[float] | None) -> League:
    pairwise = np.array([[0.0, -0.5, 0.05], [0.5, 0.0, 1.7], [-0.05, -1.7, 0.0]])
    axes = {axis.name: np.zeros(3) for axis in AXES} | {"noise": np.array([0.4, -0.1, 0.0])}
    names = ["a.png", "<b>.png", "c.png"]
    return League(Ranking([1, 0, 2], names, [0.5, 0.05], qualities, pairwise, {"version": "1"}), pairwise.mean(1), axes)


def test_the_league_page_has_order_scores_axes_and_every_margin(tmp_path):
    page = write_league(league(None), tmp_path / "league.html").read_text(encoding="utf-8")
    rows = re.findall(r'<th scope="row" title="[^"]*">(\d)\. ([^<]*)</th><td>([^<]*)</td><td>([^<]*)</td>', page)
    assert rows == [
        ("1", "&lt;b&gt;.png", "+0.73", "+0.50"), ("2", "a.png", "−0.15", "+0.05 (equal)"), ("3", "c.png", "−0.58", ""),
    ]  # fmt: skip
    assert "<b>" not in page and "+ noisier" in page and "hazier" not in page.split("<script")[0]
    matrix = page[page.index('id="matrix"') :]
    assert re.findall(r'<td class="cell-(a|b)" style="--s:\d+">([−+]\d\.\d\d)</td>', matrix) == [
        ("a", "+0.50"), ("a", "+1.70"), ("b", "−0.50"), ("a", "+0.05"), ("b", "−1.70"), ("b", "−0.05"),
    ]  # fmt: skip
    assert "http" not in page.replace("http-equiv", "") and "levels off the differences" in page


def test_the_league_page_links_where_it_has_addresses_and_knows_a_reference():
    page = render_league(league([-1.0, -0.5, -1.1]), {(1, 0): "/result/x/1-0"}, back="/")
    assert page.count('href="/result/x/1-0"') == 1 and 'href="/"' in page
    assert "levels below the reference" in page and "levels off the differences" not in page


def test_the_league_page_shows_how_sure_the_order_is_and_colours_no_margin_that_cannot_be_told() -> None:
    pairs = {(0, 1): (-0.5, 0.95), (0, 2): (0.05, 0.55), (1, 2): (1.7, 0.999)}
    axes = {axis.name: np.zeros(3) for axis in AXES}
    ranking = Ranking.by_pairs(["a.png", "b.png", "c.png"], pairs, {})
    page = render_league(League(ranking, ranking.pairwise.mean(1), axes)).replace("\N{NO-BREAK SPACE}", " ")
    rows = re.findall(r'<th scope="row" title="[^"]*">([^<]*)</th><td>[^<]*</td><td>([^<]*)</td><td>([^<]*)</td>', page)
    assert rows == [
        ("1. b.png", "+0.50", ""), ("=2. a.png", "+0.05", "95 %"), ("=2. c.png", "", "cannot tell"),
    ]  # fmt: skip
    assert "<h1>b.png is best</h1>" in page and "below 60 % it cannot be told" in page
    matrix = page[page.index('id="matrix"') :]
    cells = re.findall(r'<td class="cell-[ab]" style="--s:(\d+)" title="([^"]+)">', matrix)
    assert [title for _, title in cells] == [
        "95 % sure", "over 99 % sure", "95 % sure", "cannot tell (55 %)", "over 99 % sure", "cannot tell (55 %)",
    ]  # fmt: skip
    assert all((strength == "0") == title.startswith("cannot") for strength, title in cells)


def test_the_league_page_names_no_best_image_where_the_first_two_cannot_be_told_apart() -> None:
    axes = {axis.name: np.zeros(2) for axis in AXES}
    ranking = Ranking.by_pairs(["a.png", "b.png"], {(0, 1): (0.5, 0.55)}, {})
    page = render_league(League(ranking, ranking.pairwise.mean(1), axes))
    assert "<h1>a.png and b.png share the first place</h1>" in page and "is best" not in page


def test_without_confidences_the_league_page_says_nothing_of_them() -> None:
    page = render_league(league(None)).split("<script")[0]
    assert "order<small>" not in page and "told" not in page and "sure" not in page
