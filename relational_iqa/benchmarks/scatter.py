"""Scatter plots of a report: predictions against opinion, a panel a metric, with the fitted curve."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.agreement import natural_order
from relational_iqa.benchmarks.evaluation import Report

_COLUMNS = 4
_PANEL_INCHES = 3.2
_TYPES_NAMED = 12  # more distortions than that are drawn in one colour: nobody tells more colours apart


def check_matplotlib() -> None:
    """Raises UsageError where matplotlib is not installed: before the work, not after."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError("--plot needs matplotlib, which is not installed: pip install matplotlib") from error


def draw(report: Report, target: Path | BinaryIO, kind: str) -> None:
    """Writes the figure as a file of `kind`, "png", "pdf" or "svg". Raises UsageError for a report without scores of
    single images."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    labels = [label for label, verdict in report.verdicts.items() if verdict.overall is not None]
    if not labels:
        raise UsageError("--plot shows scores of single images; none of these metrics has one here")
    columns = min(_COLUMNS, len(labels))
    rows = math.ceil(len(labels) / columns)
    figure = Figure(figsize=(_PANEL_INCHES * columns, _PANEL_INCHES * rows + 0.4), layout="constrained")
    images = [report.benchmark.images[i] for i in report.kept]
    scores = np.array([image.score for image in images])
    kinds = np.array([image.distortion for image in images])
    names = sorted(set(kinds.tolist()), key=natural_order)
    colored = names if 2 <= len(names) <= _TYPES_NAMED else []
    metrics = {chosen.label: chosen.metric for chosen in report.metrics}
    for place, label in enumerate(labels):
        verdict, metric = report.verdicts[label], metrics[label]
        panel = figure.add_subplot(rows, columns, place + 1)
        values = report.columns[label][report.kept]
        if colored:
            for number, name in enumerate(colored):
                color = colormaps["tab20"](number)
                chosen = kinds == name
                panel.scatter(values[chosen], scores[chosen], s=9, alpha=0.8, linewidths=0, color=color, label=name)
        else:
            panel.scatter(values, scores, s=9, alpha=0.6, linewidths=0)
        if verdict.curve is not None:
            line = np.linspace(values.min(), values.max(), 200)
            panel.plot(line, verdict.curve(metric.oriented(line)), color="black", linewidth=1)
        overall = verdict.overall
        if overall is not None:
            panel.set_title(f"{label}: SRCC {overall.srcc:.3f}, PLCC {overall.plcc:.3f}", fontsize=9)
        panel.set_xlabel(f"{label} ({metric.unit})", fontsize=8)
        if place % columns == 0:
            panel.set_ylabel("opinion, higher is better", fontsize=8)
        panel.tick_params(labelsize=7)
        if colored and place == 0:
            panel.legend(fontsize=6, markerscale=1.5)
    figure.suptitle(f"{report.benchmark.name}, {len(images):,} images, {report.settings.resize_rule}", fontsize=9)
    figure.savefig(target, dpi=150, format=kind)
