"""The histogram of local margins: how much of the picture each image wins, and by how much."""

from dataclasses import dataclass

import numpy as np

from relational_iqa.results.map import Map
from relational_iqa.results.words.margins import TIE_MARGIN

BIN_LEVELS = 0.1  # width of a bin; TIE_MARGIN is one of its multiples, so that no bin is half a tie


@dataclass(frozen=True)
class Bin:
    """A bar of the histogram.

    Args:
        share: share of the picture, 0 to 1.
        height: height of the bar, 0 to 1: square root of the share relative to the largest share.
        side: "a" where A is better, "b" where B is better, or "tie".
        words: range and share in words.
    """

    share: float
    height: float
    side: str
    words: str


def margin_bins(local_margin: Map, scale: float) -> list[Bin]:
    """Bins from left (A better by `scale` levels or more) to right (B better), in the direction of the margin scale.

    Args:
        local_margin: (H, W) in levels, positive where A is better.
        scale: end of the histogram in levels, a multiple of BIN_LEVELS; larger margins are counted in the last bin of
            their side.
    """
    half = round(scale / BIN_LEVELS)
    # From left to right the margin falls. A value on an edge belongs to the bin farther from zero, as in the verdict.
    counts = np.zeros((2, half), np.int64)
    for strip in local_margin.strips():
        magnitude = np.minimum(np.abs(strip) / np.float32(BIN_LEVELS) + np.float32(1e-6), half - 1).astype(np.uint8)
        better = strip > 0
        for counted, where in zip(counts, (better, ~better), strict=True):
            counted += np.bincount(magnitude[where], minlength=half)
    shares = np.concatenate([counts[0, ::-1], counts[1]]) / local_margin.size
    tallest = float(shares.max())
    bins = []
    for index, share in enumerate(shares.tolist()):
        low = (half - 1 - index if index < half else index - half) * BIN_LEVELS
        side = "tie" if low + BIN_LEVELS <= TIE_MARGIN + 1e-9 else "a" if index < half else "b"
        last = index in (0, 2 * half - 1)
        words = "equal" if side == "tie" else f"{side.upper()} better by {low:.1f} to {low + BIN_LEVELS:.1f} levels"
        if last:
            words = f"{side.upper()} better by {low:.1f} levels or more"
        bins.append(Bin(share, (share / tallest) ** 0.5, side, f"{words}: {100 * share:.1f} % of the picture"))
    return bins
