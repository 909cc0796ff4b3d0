"""All severity curves in one picture: `python -m experiments.severity.plot --out docs/severity.png` (or .svg).

A panel a distortion, grouped by axis: severity over the amount in its own unit, as `amount_for` uses it, and the band
that holds four of five photographs. It needs matplotlib (extra `[plot]`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS, Distortion
from distortion_engine.errors import UsageError
from distortion_engine.generation.catalog_sheet import by_axis
from distortion_engine.jobs.safe_files import atomic_file
from distortion_engine.severity import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES = Path(__file__).parents[2] / "distortion_engine" / "severity.json"
COLUMNS = 9
PANEL_INCHES = (1.6, 1.65)
DPI = 110
TITLE = "Median of photographs, band p10 to p90; points: ladder; dotted: where a type starts; dashed: not fitted."
FORMATS = (".png", ".svg")
_TOP = 1.12  # the consensus goes a little beyond 1
_COLOURS = ("#1f5aa6", "#b5500a")  # axes take turns, so that a group is seen as one


def plot(curves: Mapping[str, Any], out: Path, names: Sequence[str] = (), note: str = "") -> int:
    """Draws severity curves and returns their number. Equal curves give equal bytes.

    Args:
        curves: `curves` of severity.json. A distortion without a curve is drawn by its hand-set ladder, dashed.
        out: file to write.
        names: distortions, empty for all.
        note: added to the title.

    Raises:
        UsageError: for an unknown name, a suffix that is not in FORMATS, or a file that cannot be written.
    """
    specs = [DISTORTIONS[name] for name in by_axis(names)]
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"{out}: end the name in {' or '.join(FORMATS)}")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(COLUMNS, len(specs))
    rows = -(-len(specs) // columns)
    size = (columns * PANEL_INCHES[0], rows * PANEL_INCHES[1] + 0.5)
    settings: dict[Any, Any] = {
        "font.size": 7,
        "axes.linewidth": 0.5,
        "svg.hashsalt": "severity",
        "svg.fonttype": "none",
    }
    with pyplot.rc_context(settings):
        figure, panels = pyplot.subplots(rows, columns, figsize=size, sharey=True, layout="constrained", squeeze=False)
        for spec, panel in zip(specs, panels.flat, strict=False):
            first = next(other for other in specs if other.axis == spec.axis) is spec
            _draw_panel(panel, spec, curves.get(spec.name), first)
        for panel in panels.flat[len(specs) :]:
            panel.set_axis_off()
        for row in panels:
            row[0].set_ylabel("severity")
        figure.suptitle(f"{TITLE} {note}".strip(), fontsize=9)
        content = BytesIO()
        metadata = {"Software": None} if out.suffix.lower() == ".png" else {"Date": None}
        figure.savefig(content, format=out.suffix[1:].lower(), dpi=DPI, metadata=metadata)
        pyplot.close(figure)
    with atomic_file(out) as stream:
        stream.write(content.getvalue())
    return len(specs)


def _draw_panel(panel: Axes, spec: Distortion, curve: Mapping[str, Any] | None, first: bool) -> None:
    colour = _COLOURS[AXIS_INDEX[spec.axis] % 2]
    if curve is None:
        amounts, severities, dashes = [0.0, *spec.ladder], [0.0, *LEVELS], "--"
    else:
        amounts, severities, dashes = curve["amounts"], curve["severity"], "-"
        spread = curve["measured"]
        panel.fill_between(spread["amounts"], spread["p10"], spread["p90"], color=colour, alpha=0.2, linewidth=0)
        if curve["onset"] > 0:
            panel.axhline(curve["onset"], color=colour, linewidth=0.6, linestyle=":")
    panel.plot(amounts, severities, dashes, color=colour, linewidth=1.1)
    top = spec.ladder[-1]
    panel.plot(spec.ladder, [_at(amount, amounts, severities) for amount in spec.ladder], ".", color=colour, ms=3)
    panel.set_xlim(0, top)
    panel.set_ylim(0, _TOP)
    panel.set_yticks((0, *LEVELS), ["0", "", "", "", "", "1"])
    panel.set_xticks((0, top), ["0", f"{top:g}"])
    panel.grid(axis="y", color="0.88", linewidth=0.5)
    panel.tick_params(length=2, width=0.5, pad=1.5)
    panel.set_xlabel(spec.unit, labelpad=-6, color="0.35")
    axis = AXES[AXIS_INDEX[spec.axis]]
    group = f"{axis.name.upper()}\n" if first else "\n"
    panel.set_title(f"{group}{'+' if spec.sign > 0 else '−'} {spec.name}", loc="left", color=colour, fontsize=7, pad=3)


def _at(amount: float, amounts: Sequence[float], severities: Sequence[float]) -> float:
    import numpy as np

    return float(np.interp(amount, amounts, severities))


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and draw."""
    parser = argparse.ArgumentParser(prog="python -m experiments.severity.plot", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/severity.png"), help=f"picture, {' or '.join(FORMATS)}")
    parser.add_argument("--curves", type=Path, default=CURVES, help="another severity.json than the shipped one")
    parser.add_argument("--distortions", default="", metavar="A,B,...", help="these alone")
    options = parser.parse_args(argv)
    names = tuple(name.strip() for name in options.distortions.split(",") if name.strip())
    try:
        fitted = json.loads(options.curves.read_text(encoding="utf-8"))
        source = fitted["provenance"]
        note = f"{len(source['photographs'])} photographs, {source['images']} images, {source['date']}."
        count = plot(fitted["curves"], options.out, names, note)
    except (OSError, ValueError, KeyError) as error:  # ValueError: UsageError and broken JSON
        said = error if isinstance(error, UsageError) else f"{options.curves}: no severity.json ({error!r})"
        print(f"severity plot: {said}", file=sys.stderr)
        return 2
    print(f"{count} curves: {options.out.resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
