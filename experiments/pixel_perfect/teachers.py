"""How far a conventional metric can be trusted, asking no people: `python -m experiments.pixel_perfect.teachers`.

Three answers on training sets, one row a metric:

- *construction*: share of pairs of two damaged images of a set whose order is sure that the metric sees that way round.
- *majority*: share of pairs of different sets (other photograph, other distortion) on which it has the majority of the
  other families on its side.
- *spectral*: its accuracy on those pairs by the spectral meta-learner (Parisi et al., PNAS 2014): if judges err
  independently, the covariance of their votes is a product, cov_ij = v_i v_j, and |v_i| says how often judge i is
  right, (1 + |v_i|) / 2 of balanced questions. Metrics of one family err together, so only covariances between
  families are fitted.

Every metric is asked at the size of the picture and, as `name@2`, at half of it (seen from twice the distance).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.recipe import SET_KINDS
from relational_iqa.conventional import METRICS
from relational_iqa.training.data.training_sets import training_sets
from relational_iqa.training.losses.ranked_sets import CERTAIN
from relational_iqa.training.pixel_perfect.pretrain import parse_config

# Metrics built on the same measurement; their errors are not independent.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "difference": ("psnr",),
    "structure": ("ssim", "ms_ssim"),
    "gradient": ("gmsd", "ms_gmsd", "mdsi"),
    "wavelet": ("haarpsi",),
    "phase and saliency": ("fsim", "vsi"),
}


@dataclass(frozen=True)
class Trust:
    """Shares in [0, 1], see the module's docstring."""

    construction: float
    majority: float
    spectral: float


def damages(sets: StoredSets, index: Sequence[int], names: Sequence[str]) -> np.ndarray:
    """(sets, members, metrics): what each metric says of every member against its reference, rising with damage.
    names: of metrics, with "@2" for those that see half the size."""
    result = np.zeros((len(index), sets.images.shape[1] - 1, len(names)))
    for row, number in enumerate(index):
        images = torch.from_numpy(np.array(sets.images[number])).float() / 255
        test, reference = images[1:], images[:1].expand_as(images[1:])
        for column, name in enumerate(names):
            base, _, halved = name.partition("@")
            metric = METRICS[base]
            views = [F.avg_pool2d(x, 2) for x in (test, reference)] if halved else [test, reference]
            values = metric.function(*views)
            result[row, :, column] = (-values if metric.higher_is_better else values).numpy()
    return result


def constructed(damage: np.ndarray, ranks: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    """Share of sure pairs of members that each metric orders as constructed. ranks (sets, members)."""
    difference = damage[:, None] - damage[:, :, None]  # [s, i, j, m] > 0: j is more damaged
    asked = (ranks[:, :, None] < ranks[:, None, :]) & (certainty[:, None, None] >= CERTAIN)
    return np.array([(difference[..., m][asked] > 0).mean() for m in range(damage.shape[-1])])


def spectral_accuracy(votes: np.ndarray, family: np.ndarray) -> np.ndarray:
    """votes (pairs, judges) of -1 and 1, family (judges,): estimated accuracy of each judge, in [.5, 1].

    v minimises the squared error of cov_ij = v_i v_j over judges of different families, by coordinate descent.
    Raises UsageError for fewer than three families, of which nothing can be concluded.
    """
    if len(set(family.tolist())) < 3:
        raise UsageError(f"{len(set(family.tolist()))} families of judges; expected three or more")
    covariance = np.cov(votes.T)
    apart = family[:, None] != family[None, :]
    v = np.full(votes.shape[1], 0.7)
    for _ in range(200):
        for i in range(len(v)):
            others = apart[i]
            v[i] = covariance[i, others] @ v[others] / max(float(v[others] @ v[others]), 1e-12)
    return (1 + np.clip(np.abs(v), 0, 1)) / 2


def trust(
    damage: np.ndarray, ranks: np.ndarray, certainty: np.ndarray, names: Sequence[str], seed: int = 0
) -> dict[str, Trust]:
    """Trust by name of metric; damage as `damages`. Every image meets eight images of other sets."""
    family_of = {name: number for number, members in enumerate(FAMILIES.values()) for name in members}
    family = np.array([family_of[name.partition("@")[0]] for name in names])
    votes = votes_between_sets(damage, np.random.default_rng(seed))
    accuracy = spectral_accuracy(votes, family)
    by_family = np.stack([votes[:, family == f].mean(1) for f in sorted(set(family.tolist()))], 1)
    order = constructed(damage, ranks, certainty)
    result = {}
    for m, name in enumerate(names):
        others = np.delete(by_family, sorted(set(family.tolist())).index(family[m]), 1).sum(1)
        asked = others != 0
        agreed = (np.sign(others[asked]) == votes[asked, m]).mean()
        result[name] = Trust(float(order[m]), float(agreed), float(accuracy[m]))
    return result


def votes_between_sets(damage: np.ndarray, rng: np.random.Generator, each: int = 8) -> np.ndarray:
    """(pairs, metrics) of -1 and 1: which of two images of different sets a metric calls more damaged; pairs on which
    any metric is undecided are left out."""
    sets, members, _ = damage.shape
    flat = damage.reshape(sets * members, -1)
    first = np.repeat(np.arange(len(flat)), each)
    other_set = (first // members + rng.integers(1, sets, len(first))) % sets
    second = other_set * members + rng.integers(0, members, len(first))
    votes = np.sign(flat[second] - flat[first])
    return votes[(votes != 0).all(1)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes it; exit code 0, or 2 with one line for bad input."""
    parser = argparse.ArgumentParser(prog="python -m experiments.pixel_perfect.teachers", description=__doc__)
    default = Path("experiments/pixel_perfect/cpu.yaml")
    parser.add_argument("--config", type=Path, default=default, help="YAML of a pretraining: its sets are asked about")
    parser.add_argument("--sets", type=int, default=500, metavar="N", help="sets to ask about")
    parser.add_argument("--out", type=Path, default=Path("out/teachers"))
    options = parser.parse_args(arguments)
    try:
        import yaml

        config = parse_config(yaml.safe_load(options.config.read_text(encoding="utf-8")))
        sets = training_sets(config.data)
        if options.sets < 2:
            raise UsageError(f"--sets {options.sets} is not valid; expected 2 or more")
        index = np.random.default_rng(0).permutation(len(sets))[: options.sets]
        names = [name + view for members in FAMILIES.values() for name in members for view in ("", "@2")]
        with torch.inference_mode():
            damage = damages(sets, index.tolist(), names)
        ranks, certainty = sets.ranks[index][:, 1:], sets.certainty[index]
        table = trust(damage, ranks, certainty, names)
    except (OSError, UsageError, ImageError) as error:
        print(f"teachers: {error}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    np.savez(options.out / "damage.npz", damage=damage, ranks=ranks, certainty=certainty, index=index,
             kinds=np.array(SET_KINDS)[sets.kinds[index]])  # fmt: skip
    lines = ["| metric | construction | majority | spectral |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {name} | {t.construction:.3f} | {t.majority:.3f} | {t.spectral:.3f} |" for name, t in table.items()]
    (options.out / "teachers.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    plain = {name: vars(t) for name, t in table.items()}
    (options.out / "teachers.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
