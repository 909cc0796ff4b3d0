"""The page of several images of one scene: league table, score against file size, every pair, and a viewer of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distortion_engine.reading.file_facts import FileFacts
from relational_iqa.report.html import render_page, write_page
from relational_iqa.report.league_pictures import Pictures, embed
from relational_iqa.report.league_plot import HEIGHT_PX, plot_of
from relational_iqa.report.league_views import cut, file_line, league_rows, matrix, pair_said, score_said
from relational_iqa.report.link import Link
from relational_iqa.report.views import unbroken
from relational_iqa.results.league import League
from relational_iqa.results.words.confidence import MIN_CONFIDENCE, percent

MOST_IN_MATRIX = 24
"""With more images the matrix is left out of the page; JSON and CSV have every margin."""


def render_league(
    league: League,
    images: Sequence[Any] = (),
    reference: Any = None,
    *,
    files: Sequence[FileFacts | None] = (),
    reference_file: FileFacts | None = None,
    links: Mapping[tuple[int, int], str] | None = None,
    back: Link | None = None,
    command: str | None = None,
    rois: Sequence[tuple[str, str]] = (),
) -> str:
    """The page, as text; it needs nothing else and works from disk.

    Args:
        league: the result; where it has no axes, the table says nothing of defects.
        images: what was ranked, in the order of the names and all of one size, as `write_report` takes them. Without
            them the page has no thumbnails and no viewer.
        reference: the pristine image, if there was one.
        files: what is known of the file of each image; None for an image that is no file. Where all are known, the page
            draws score against file size.
        reference_file: the same of the reference.
        links: address of the report of a pair, by the indices of its two images.
        back: a link at the top of the page; None for no link.
        command: the command line that made the page, shown at its foot.
        rois: of each region of interest what it is called, and the order of the images in it, in words.

    Raises:
        ImageError: for images of different sizes, or that are none.
    """
    ranking = league.ranking
    known = list(files) or [None] * len(ranking.names)
    shown = [*(images[i] for i in ranking.order), *([] if reference is None else [reference])] if images else []
    pictures = embed(shown) if shown else None
    return render_page(
        "league.html.j2",
        ranking=ranking,
        headline=_short_names(league, ranking.headline()),
        summary=unbroken(_short_names(league, ranking.summary())),
        rows=league_rows(league, known),
        axes_known=bool(league.axes),
        plot=_plot(league, known),
        plot_height=HEIGHT_PX,
        cells=matrix(ranking) if len(ranking.names) <= MOST_IN_MATRIX else {},
        pictures=pictures,
        reference_line="" if reference_file is None else file_line(reference_file),
        viewer=None if pictures is None else _viewer(league, pictures, reference is not None),
        misfit=league.misfit,
        links=links or {},
        back=back,
        limit=unbroken(percent(MIN_CONFIDENCE)),
        sure=ranking.confidences is not None,
        with_reference=ranking.qualities is not None,
        data=league.to_json(),
        facts=_facts(league, pictures, command),
        rois=[(region, unbroken(_short_names(league, order))) for region, order in rois],
    )


def write_league(
    league: League,
    path: str | os.PathLike[str],
    images: Sequence[Any] = (),
    reference: Any = None,
    *,
    files: Sequence[FileFacts | None] = (),
    reference_file: FileFacts | None = None,
    command: str | None = None,
    rois: Sequence[tuple[str, str]] = (),
) -> Path:
    """Writes the page in one step and returns its path; arguments and errors as of `render_league`, and UsageError
    where it cannot be written."""
    page = render_league(
        league, images, reference, files=files, reference_file=reference_file, command=command, rois=rois
    )
    return write_page(page, path)


def _short_names(league: League, text: str) -> str:
    for name in sorted(league.ranking.names, key=len, reverse=True):
        text = text.replace(name, cut(name))
    return text


def _plot(league: League, files: Sequence[FileFacts | None]) -> Any:
    sizes = [file.nbytes for file in files if file is not None]
    ranking = league.ranking
    if len(sizes) < len(ranking.names) or len(sizes) < 2 or min(sizes) < 1:
        return None
    scores = [float(score) for score in league.scores]
    return plot_of(sizes, scores, ranking.names, ranking.order, ranking.qualities is not None)


def _viewer(league: League, pictures: Pictures, with_reference: bool) -> dict[str, Any]:
    """What the script of the page needs, with the images best first and the reference last."""
    ranking = league.ranking
    names = [*(ranking.names[i] for i in ranking.order), *(["reference"] if with_reference else [])]
    said = [[pair_said(ranking, i, j) if i != j else "" for j in ranking.order] for i in ranking.order]
    return {
        "names": names,
        "reference": len(names) - 1 if with_reference else None,
        "scores": [score_said(league, i) for i in ranking.order],
        "said": said,
        "width": pictures.width,
        "height": pictures.height,
        "reduction": pictures.reduction,
        "lossless": pictures.lossless,
        "order": list(ranking.order),
    }


def _facts(league: League, pictures: Pictures | None, command: str | None) -> list[tuple[str, str]]:
    rows = [(str(key).replace("_", " ").capitalize(), str(value)) for key, value in league.ranking.meta.items()]
    rows += [] if pictures is None else [("Images shown", pictures.note)]
    return rows + ([] if command is None else [("Command", command)])
