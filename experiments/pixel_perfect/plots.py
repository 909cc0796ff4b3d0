"""The pictures of an evaluation: `python -m experiments.pixel_perfect.plots --result out/evaluate/result.json`.

Confusion of axes, reliability of intensity and right pixels by axis are drawn from the result; quality against severity
and the sheet of example maps are computed with the weights on held-out photographs. PNG, each below 400 kB.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from distortion_engine.catalog import AXES
from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.photos import list_photos
from experiments.pixel_perfect.plot_examples import example_sheet, quality_chart

MOST_BYTES = 400_000
_COLORS = 256
_DPI = (110, 90, 80, 70, 60, 50, 40)  # tried in turn until a picture is small enough
STRONG, WEAK = "severity_0.4_to_1", "severity_0.1_to_0.4"


def confusion_chart(result: dict[str, Any]) -> Any:
    """Figure: of the pixels of each true axis, the share that each predicted axis is loudest at, severity >= .4."""
    from matplotlib.figure import Figure

    counts = _confusion(result, STRONG)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(8.5, 7.5), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [axis.name for axis in AXES]
    axes.set_xticks(range(len(names) + 1), [*names, "no axis"], rotation=60, ha="right")
    axes.set_yticks(range(len(names)), [f"{name} ({total / 1e6:.2f} M)" for name, total in
                                        zip(names, counts.sum(1), strict=True)])  # fmt: skip
    for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
        share = shares[row, column]
        color = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", size=8, color=color)
    axes.set(xlabel="loudest predicted axis", ylabel="true axis (pixels)")
    axes.set_title("Pixels of single distortions of severity .4 and more, inside the mask, in %")
    figure.colorbar(image, label="share of the pixels of the true axis", shrink=0.7)
    return figure


def reliability_chart(result: dict[str, Any]) -> Any:
    """Figure: mean true against mean predicted total intensity of the pixels of masked pairs, severity .1 to 1."""
    from matplotlib.figure import Figure

    parts = [scores[severity]["reliability"] for scores in _maps(result) for severity in (STRONG, WEAK)]
    pixels, predicted, true = (np.sum([part[key] for part in parts], 0) for key in ("pixels", "predicted", "true"))
    filled = pixels > 0
    figure = Figure(figsize=(5.5, 6), layout="constrained")
    axes, below = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    axes.plot((0, 1), (0, 1), color="grey", linestyle="--", label="calibrated")
    axes.plot(predicted[filled] / pixels[filled], true[filled] / pixels[filled], "o-", label="measured, 20 bins")
    gap = np.abs(predicted - true)[filled].sum() / pixels.sum() if filled.any() else float("nan")
    axes.set_title(f"Intensity of masked pixels, calibration error {gap:.3f}", fontsize="medium")
    axes.set(ylabel="mean true intensity in the bin", ylim=(0, 1))
    axes.legend()
    below.bar((np.arange(len(pixels)) + 0.5) / len(pixels), pixels / max(pixels.sum(), 1), 0.9 / len(pixels))
    below.set(xlabel="mean predicted total intensity", ylabel="share", yscale="log")
    return figure


def axes_chart(result: dict[str, Any]) -> Any:
    """Figure: right pixels of each axis at severity >= .4 and .1 to .4, and on foreign implementations."""
    from matplotlib.figure import Figure

    foreign = np.sum([seed["foreign"]["confusion"]["pixels"] for seed in _seeds(result)], 0, dtype=float)
    bars = [("severity .4 to 1", _confusion(result, STRONG), "tab:blue"),
            ("severity .1 to .4", _confusion(result, WEAK), "tab:cyan"),
            ("not the engine's, .4 to 1", foreign, "tab:orange")]  # fmt: skip
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(AXES))
    for number, (label, counts, color) in enumerate(bars):
        share = 100 * np.diag(counts) / np.where(counts.sum(1) > 0, counts.sum(1), np.nan)
        axes.bar(place + 0.28 * (number - 1), share, 0.26, label=label, color=color)
    signs = [100 * value if value is not None else np.nan for value in _signs(result)]
    axes.plot(place, signs, "k_", markersize=12, label="sign of the true axis, severity .4 to 1")
    axes.set_xticks(place, [axis.name for axis in AXES], rotation=40, ha="right")
    axes.set(ylabel="% of pixels", ylim=(0, 102))
    axes.set_title("Pixels whose loudest predicted axis is the true one")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def save(figure: Any, path: Path) -> None:
    """The figure as a PNG below MOST_BYTES: in full colour if that fits at a fine resolution, else with a dithered
    palette in the finest resolution that fits."""
    for dpi, colors in (*((dpi, 0) for dpi in _DPI[:2]), *((dpi, _COLORS) for dpi in _DPI)):
        drawn, small = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=dpi)
        picture = Image.open(drawn).convert("RGB")
        if colors:  # Pillow dithers only onto a palette that it is given
            picture = picture.quantize(palette=picture.quantize(colors), dither=Image.Dither.FLOYDSTEINBERG)
        picture.save(small, "PNG", optimize=True)
        if small.tell() < MOST_BYTES:
            break
    path.write_bytes(small.getvalue())


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pictures; exit code 0, or 2 with one line for bad input."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except (UsageError, ImageError) as error:
        print(f"plots: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    import relational_iqa

    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError("matplotlib is not installed; expected for plots: pip install matplotlib") from error
    result = _read(options.result)
    photos = list_photos(options.photos, "held_out")
    model = relational_iqa.load(options.weights, device=options.device)
    measured, given = result["about"]["weights"].get("sha256"), model.meta.get("sha256")
    if measured != given:
        raise UsageError(
            f"{options.result} was measured with weights {str(measured)[:12]}, these are {str(given)[:12]}; "
            "give the same --weights to evaluate and plots"
        )
    figures = {
        "confusion": confusion_chart(result),
        "reliability": reliability_chart(result),
        "axes": axes_chart(result),
        "quality": quality_chart(model, photos, options.pairs, options.size),
        "examples": example_sheet(model, photos, options.pairs, options.size),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        path = options.out / f"{name}.png"
        save(figure, path)
        print(f"{path}: {path.stat().st_size // 1000} kB")


def _read(path: Path) -> dict[str, Any]:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        _maps(result)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no result of an evaluation ({error!r}); expected what evaluate writes") from error
    return result


def _seeds(result: dict[str, Any]) -> list[dict[str, Any]]:
    return list(result["details"]["seeds"].values())


def _maps(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [seed["maps"] for seed in _seeds(result)]


def _confusion(result: dict[str, Any], severity: str) -> np.ndarray:
    """Pixels (K, K + 1) summed over seeds."""
    return np.sum([maps[severity]["confusion"]["pixels"] for maps in _maps(result)], 0, dtype=float)


def _signs(result: dict[str, Any]) -> list[float | None]:
    """Share of right signs of every axis over all seeds, None where an axis was never asked."""
    shares: list[float | None] = []
    for axis in AXES:
        cells = [maps[STRONG]["axes"][axis.name] for maps in _maps(result)]
        total = sum(cell["pixels"] for cell in cells)
        right = sum(cell["pixels"] * cell["sign_right"] for cell in cells if cell["pixels"])
        shares.append(right / total if total else None)
    return shares


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.pixel_perfect.plots", description=__doc__)
    parser.add_argument("--weights", help="file or name of shipped weights; default: the shipped ones")
    parser.add_argument("--result", type=Path, default=Path("out/evaluate/result.json"), help="what evaluate wrote")
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"), help="folder of pristine photographs")
    parser.add_argument("--out", type=Path, default=Path("docs/pixel_perfect"), help="folder of the pictures")
    parser.add_argument("--pairs", type=int, default=2, metavar="N", help="pairs of every distortion, default 2")
    parser.add_argument("--size", type=int, default=192, metavar="PX", help="side of the crops, default 192")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


if __name__ == "__main__":
    sys.exit(main())
