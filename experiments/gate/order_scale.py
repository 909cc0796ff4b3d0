"""How sure the networks are of the order of two outputs with one reference, as the scale of a logistic error.

    python -m experiments.gate.order_scale ../shared/processed

A gate compares a margin with an accepted one. With a reference both are distances to it, and their difference is the
margin of a comparison of the two outputs, of which the networks tell the confidence c. The scale s at which a logistic
error gives the same is |difference| / ln(c / (1 - c)). `relational_iqa.gate.accepted.ORDER_SCALE` is above nearly all
of them, so that the gate is never surer than the networks. No human score is read.
"""

import argparse
import math
from itertools import combinations
from pathlib import Path

import numpy as np

import relational_iqa
from relational_iqa.folders.pairing import IMAGE_SUFFIXES

SURE = 1 - 1e-6
"""From here on a confidence in single precision tells no scale."""


def scale(difference: float, confidence: float) -> float:
    """Levels: the scale of a logistic error with which the sign of a difference has that confidence."""
    return abs(difference) / math.log(confidence / (1 - confidence))


def scales_of(folder: Path, model: relational_iqa.RelationalIQA) -> list[float]:
    """Of every pair of outputs in a folder with a file `ref.*`, its input included; empty where there is none."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    reference = next((path for path in files if path.stem == "ref"), None)
    others = [path for path in files if path != reference]
    if reference is None or len(others) < 2:
        return []
    scores = [model.score(path, reference=reference) for path in others]
    sure = model.order_confidences(scores)
    if sure is None:
        return []
    pairs = [(scores[i].quality - scores[j].quality, float(sure[i, j])) for i, j in combinations(range(len(others)), 2)]
    return [scale(difference, known) for difference, known in pairs if 0.5 < known < SURE]


def main() -> None:
    """Prints the quantiles of the scale."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folders of outputs, each with its reference as ref.*, at any depth")
    model = relational_iqa.load()
    folders = sorted({path.parent for path in parser.parse_args().folder.rglob("ref.*")})
    found = [one for folder in folders for one in scales_of(folder, model)]
    low, median, high, most = np.quantile(found, [0.05, 0.5, 0.95, 1.0])
    print(f"{len(found)} pairs of {len(folders)} references: scale {median:.3f} levels (5 to 95 %: {low:.3f} to")
    print(f"{high:.3f}; at most {most:.3f})")


if __name__ == "__main__":
    main()
