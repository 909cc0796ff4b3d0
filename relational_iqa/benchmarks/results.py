"""A report as files: a CSV of every image's scores, JSON of every number."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Any

import numpy as np

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.agreement import plain
from relational_iqa.benchmarks.evaluation import Report
from relational_iqa.benchmarks.verdicts import calibration_error
from relational_iqa.folders.csv_table import harmless
from relational_iqa.version import __version__


def to_csv(report: Report) -> str:
    """One line an image (or judged pair) in the order of the set, paths relative to its root; a column a metric, in its
    own unit and direction, empty where it failed. Of a fitted metric: the mean prediction over the splits that tested
    the image. Of a comparing metric: the standing within the scene, or the margin of a judged pair."""
    benchmark = report.benchmark
    kept = set(report.kept.tolist())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")

    def path(file: Any) -> str:
        if file is None:
            return ""
        return file.relative_to(benchmark.root).as_posix() if file.is_relative_to(benchmark.root) else str(file)

    labels = list(report.columns)
    if benchmark.images:
        writer.writerow(["image", "reference", "scene", "distortion", "level", "published", "score", "counts", *labels])
        for index, image in enumerate(benchmark.images):
            values = [_text(report.columns[label][index]) for label in labels]
            writer.writerow([
                *harmless([path(image.image), path(image.reference), image.scene, image.distortion, image.level]),
                _text(image.published), _text(image.score), int(index in kept), *values,
            ])  # fmt: skip
        return text.getvalue()
    headings = []
    for label in labels:
        headings += [f"{label} first", f"{label} second"] if report.columns[label].ndim == 2 else [f"{label} margin"]
    writer.writerow(["first", "second", "reference", "scene", "distortion", "prefer_second", "counts", *headings])
    for index, pair in enumerate(benchmark.pairs):
        values = [_text(value) for label in labels for value in np.atleast_1d(report.columns[label][index])]
        writer.writerow([
            *harmless([path(pair.first), path(pair.second), path(pair.reference), pair.scene, pair.distortion]),
            _text(pair.prefer_second), int(index in kept), *values,
        ])  # fmt: skip
    return text.getvalue()


def verdicts_to_csv(report: Report) -> str:
    """One line for a metric and a bin of the gap of opinion or of the confidence: how often its verdicts were right.

    Empty where there is no number. Raises UsageError for a report without verdicts on pairs.
    """
    if report.gaps is None:
        raise UsageError(f"{report.benchmark.name} has no two images of one scene: there are no verdicts to count")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([
        "metric", "by", "unit", "from", "to", "pairs", "right", "wrong", "ties", "cannot_tell", "accuracy",
        "accuracy_low", "accuracy_high", "sign_accuracy", "confidence",
    ])  # fmt: skip
    units = {"gap": report.gaps.unit, "confidence": "probability"}
    for label, rows in report.by_gap.items():
        for row in [*rows, *report.by_confidence.get(label, [])]:
            ends = row.interval or (float("nan"), float("nan"))
            writer.writerow([
                *harmless([label]), row.by, units[row.by], _text(row.low), _text(row.high), row.pairs, row.right,
                row.wrong, row.ties, row.cannot_tell, _text(row.accuracy), *map(_text, ends),
                _text(row.sign_accuracy), _text(row.confidence),
            ])  # fmt: skip
    return text.getvalue()


def to_json(report: Report) -> dict[str, Any]:
    """Everything but the single scores, plain Python; None where there is no number."""
    benchmark = report.benchmark
    metrics = {}
    for chosen in report.metrics:
        label, metric = chosen.label, chosen.metric
        entry: dict[str, Any] = {
            "name": metric.name, "weights": chosen.weights, "facts": report.scores.facts.get(label),
            "higher_is_better": metric.higher_is_better,
            "range": list(metric.range), "unit": metric.unit, "differentiable": metric.differentiable,
            "needs_reference": metric.needs_reference, "source": metric.source,
        }  # fmt: skip
        if label in report.verdicts:
            entry |= report.verdicts[label].to_json()
        if label in report.on_splits:
            entry["on_splits"] = report.on_splits[label].to_json()
        if label in report.choices:
            entry["two_afc"] = asdict(report.choices[label])
        if label in report.by_gap:
            entry["verdicts_by_gap"] = [row.to_json() for row in report.by_gap[label]]
        if label in report.by_confidence:
            rows = report.by_confidence[label]
            entry["verdicts_by_confidence"] = [row.to_json() for row in rows]
            entry["calibration_error"] = calibration_error(rows)
        if label in report.ahead:
            entry["srcc_of_first_minus_this"] = dict(zip(("value", "interval"), report.ahead[label], strict=True))
        metrics[label] = entry
    fields: dict[str, Any] = plain({
        "version": __version__,
        "dataset": {
            "name": benchmark.name, "root": str(benchmark.root), "images": len(benchmark.images),
            "pairs": len(benchmark.pairs), "scenes": len(set(benchmark.groups) - {""}),
            "opinion": asdict(benchmark.opinion), "notes": list(benchmark.notes),
        },
        "settings": asdict(report.settings) | {"resize_rule": report.settings.resize_rule},
        "counted": len(report.kept), "resampled": report.drawn or None,
        "people": report.people and {"one_against_another": report.people[0], "best_possible": report.people[1]},
        "verdicts": report.gaps and {
            "pairs": len(report.gaps.pairs), "of": report.gaps.whole, "unit_of_gap": report.gaps.unit,
        },
        "metrics": metrics,
        "failures": [asdict(failure) for failure in report.scores.failures],
    })  # fmt: skip
    return fields


def _text(value: float) -> str:
    """Shortest text that gives the number back; empty for none."""
    return repr(float(value)) if np.isfinite(value) else ""
