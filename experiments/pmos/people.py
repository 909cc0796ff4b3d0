"""Agreement with people before and after fitting, with the ablations. Nothing opinion-unaware may be tuned to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from experiments.pixel_perfect.table import Row
from relational_iqa.benchmarks.correlation import srcc
from relational_iqa.systems.pmos import PMOS
from relational_iqa.training.pmos.fit_mos import BEFORE, LINEAR, cross_validate, read
from relational_iqa.training.pmos.fit_mos_config import FITTED, FitConfig, variants


def people_rows(
    model: PMOS, config: FitConfig, log: Callable[[str], None] = lambda text: None
) -> tuple[list[Row], dict[str, Any]]:
    """Rows (median SRCC over splits) and, for the JSON, every split of every variant.

    The last column compares the variant with the fit as it is configured split by split, on the same test images.
    """
    rated = read(config, model, log)
    whole = srcc(rated.features.before, rated.scores)
    results = cross_validate(variants(config), model, rated, log=log)
    name, count = rated.benchmark.name, len(rated.scores)
    fitted = results[FITTED].values("srcc")
    rows = [Row(f"{name}: SRCC with people, opinion-unaware, as it is", whole, f"all {count} images")]
    for variant in (BEFORE, FITTED, *(key for key in results if key not in (BEFORE, FITTED, LINEAR)), LINEAR):
        own = results[variant].medians()
        better = int((fitted > results[variant].values("srcc")).sum())
        samples = f"median of {len(fitted)} splits, std {own['srcc_std']:.3f}, PLCC {own['plcc']:.3f}"
        note = "" if variant == FITTED else f"the fit is ahead in {better} of {len(fitted)} splits"
        title = f"{name}: after fitting" if variant == FITTED else variant
        rows.append(Row(title, own["srcc"], samples, note=note, part=variant != FITTED))
    rows[1], rows[2] = rows[2], rows[1]  # the fit first, what it is compared with below it
    return rows, {"all_images_before": whole, "splits": {name: verdict.rows() for name, verdict in results.items()}}
