"""The league table of several images of one scene as a page: order, score, pairwise margins, one column an axis."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from distortion_engine.catalog import AXES
from relational_iqa.report.html import render_page, write_page
from relational_iqa.report.views import axis_title, scale_position, unbroken
from relational_iqa.results.league import AXIS_SHOWN, League
from relational_iqa.results.words.confidence import CANNOT_TELL, MIN_CONFIDENCE, can_tell, percent
from relational_iqa.results.words.margins import TIE_MARGIN

MAX_COLUMNS = 8


def render_league(league: League, links: Mapping[tuple[int, int], str] | None = None, back: str | None = None) -> str:
    """The league table as a page, as text.

    Args:
        league: the result.
        links: address of the report of a pair, by the indices of its two images.
        back: address of a link at the top of the page; None for no link.
    """
    ranking, confidences = league.ranking, league.ranking.confidences
    pairs = [(i, j) for i in ranking.order for j in ranking.order]
    strongest = {axis.name: float(np.abs(league.axes[axis.name]).max()) for axis in AXES if axis.name in league.axes}
    shown = sorted((name for name in strongest if strongest[name] >= AXIS_SHOWN), key=lambda name: -strongest[name])
    words = {axis.name: (axis.more, axis.less) for axis in AXES}
    return render_page(
        "league.html.j2",
        ranking=ranking,
        summary=unbroken(ranking.summary()),
        scores=[float(score) for score in league.scores],
        axes={name: [float(value) for value in league.axes[name]] for name in shown},
        columns=[(name, axis_title(name), *words[name]) for name in shown[:MAX_COLUMNS]],
        misfit=league.misfit,
        links=links or {},
        back=back,
        tie=TIE_MARGIN,
        places=ranking.places_said(),
        untold=ranking.untold,
        above=[unbroken(cell) for cell in league.above()],
        limit=unbroken(percent(MIN_CONFIDENCE)),
        sure={} if confidences is None else {pair: _sure(float(confidences[pair])) for pair in pairs},
        with_reference=ranking.qualities is not None,
        strength={pair: _strength(float(ranking.told[pair])) for pair in pairs},
        data=league.to_json(),
        facts=[(str(key).replace("_", " ").capitalize(), str(value)) for key, value in ranking.meta.items()],
    )


def write_league(league: League, path: str | os.PathLike[str]) -> Path:
    """Write the page in one step and return its path."""
    return write_page(render_league(league), path)


def _sure(confidence: float) -> str:
    """How sure a margin is, for the cell of its pair."""
    return unbroken(f"{percent(confidence)} sure" if can_tell(confidence) else f"{CANNOT_TELL} ({percent(confidence)})")


def _strength(margin: float) -> float:
    """How strongly a cell is coloured, 0 to 70 %: the place of the margin on the scale of words."""
    return 70 * abs(2 * scale_position(margin) - 1)
