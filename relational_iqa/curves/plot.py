"""The curves of codecs as a picture: quality over bits per pixel, a colour a codec."""

from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np

from distortion_engine.errors import UsageError

KINDS = ("png", "svg", "pdf")


def check_matplotlib() -> None:
    """Raises UsageError where matplotlib is not installed: before the work, not after."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(
            '--plot needs matplotlib, which is not installed: pip install "relational-iqa[plot]"'
        ) from error


def draw_curves(
    curves: Mapping[str, Mapping[str, np.ndarray]], lines: Sequence[str], target: BinaryIO, kind: str
) -> None:
    """Writes the figure.

    Args:
        curves: codec -> picture -> (bits per pixel, quality), by rate.
        lines: what stands below the figure.
        target: where to write.
        kind: one of KINDS.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import FormatStrFormatter, FuncFormatter

    figure = Figure(figsize=(7.5, 5 + 0.2 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    several = max(map(len, curves.values())) > 1
    for number, (codec, pictures) in enumerate(curves.items()):
        color = colormaps["tab10"](number % 10)
        for points in pictures.values():
            axes.plot(points[:, 0], points[:, 1], color=color, linewidth=0.6 if several else 1.6,
                      alpha=0.35 if several else 1, marker=None if several else "o", markersize=4,
                      label=None if several else codec)  # fmt: skip
        counts = {len(points) for points in pictures.values()}
        if several:
            if len(counts) == 1:
                stacked = np.stack(list(pictures.values()))
                mean = np.column_stack([np.exp(np.log(stacked[..., 0]).mean(0)), stacked[..., 1].mean(0)])
                axes.plot(mean[:, 0], mean[:, 1], color=color, linewidth=2, marker="o", markersize=4, label=codec)
            else:
                axes.plot([], [], color=color, label=codec)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(FuncFormatter(_tick))
    axes.tick_params(axis="x", which="both", length=3)
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel("quality, severity levels below the reference")
    axes.grid(alpha=0.3)
    if several:
        axes.plot([], [], color="grey", linewidth=0.6, alpha=0.6, label="single pictures")
    axes.legend()
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=8)
    figure.savefig(target, format=kind, dpi=150)


def _tick(value: float, _: int) -> str:
    """The label of a minor tick: between two powers of ten only 2, 3 and 5 have room."""
    return f"{value:g}" if f"{value:e}"[0] in "235" else ""
