"""The files of `Comparison.save` that are looked at: the report, and the panel as one picture; and that of
`Ranking.save`, the page of all images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file
from distortion_engine.reading.file_facts import read_file_facts
from relational_iqa.report.html import write_report
from relational_iqa.report.league import write_league
from relational_iqa.report.panel import panel_of
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.inputs import Inputs, open_inputs
from relational_iqa.results.league import League
from relational_iqa.results.ranking import Ranking

DPI = 110  # of the panel


def save_report(result: Comparison, path: Path, images: Sequence[Any] | None = None) -> Path:
    """Writes the HTML report of a comparison. Raises UsageError where its images are not to be had, and ImageError
    where they do not fit."""
    opened = open_inputs(result.inputs, images, result.shape)
    paths = [None] * len(opened) if result.inputs is None or images is not None else result.inputs.paths
    files = [None if file is None else read_file_facts(file) for file in paths]
    a, b, *reference = opened
    return write_report(result, a, b, path, reference=reference[0] if reference else None, files=files)


def save_panel(result: Comparison, path: Path, images: Sequence[Any] | None = None) -> Path:
    """Writes the panel (`panel.panel_of`) as a PNG file. Raises UsageError without matplotlib."""
    figure = panel_of(result, images)
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=DPI)
    return path


def save_league(ranking: Ranking, path: Path, images: Sequence[Any] | None = None) -> Path:
    """Writes the page of a ranking. It has no defects in words, which a ranking does not know. Raises UsageError where
    its images are not to be had, and ImageError where they do not fit."""
    if ranking.inputs is None and images is None:
        raise UsageError(
            "this ranking knows no images; give them, the reference last: ranking.save(path, images=[...])"
        )
    count = len(ranking.names)
    given = images or ()
    kept = ranking.inputs or Inputs.of_ranked(given[:count], *given[count : count + 1])
    opened = kept.open(images)
    paths = [None] * len(opened) if images is not None else kept.paths
    files = [None if file is None else read_file_facts(file) for file in paths]
    scores = ranking.pairwise.sum(1) / count if ranking.qualities is None else np.array(ranking.qualities)
    reference, reference_file = (opened[count], files[count]) if len(opened) > count else (None, None)
    league = League(ranking, scores, {})
    return write_league(league, path, opened[:count], reference, files=files[:count], reference_file=reference_file)
