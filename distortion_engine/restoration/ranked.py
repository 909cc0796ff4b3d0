"""Ranked sets of restoration outputs: which members a set has, and what construction tells of their order.

A set has one of three forms:

- outputs: a damaged input and what different algorithms make of it. Nobody can tell the order beforehand, so all ranks
  are equal and the certainty is 0; the labels of a judge tell it afterwards.
- rising damage: one algorithm at one strength, or none, after the same damage with more and more noise or coarser
  compression. The algorithm is told of less noise than the least there is, so that more in is more out.
- rising strength: one algorithm on one noisy input, from a strength on that is beyond the best one: denoisers then take
  away more of the picture than of the noise, sharpening and deconvolution lift more noise than detail.

A set ranks all its members or none, so the damaged input, which may be better or worse than what was smoothed too much,
is no member of the third form. `python -m experiments.restoration.certainty` measures how often the judge and the
squared error see the order of the last two forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from distortion_engine.recipe import RESTORATION_OUTPUTS, Operation, RankedSet, Recipe, Value
from distortion_engine.restoration.sampling import (
    Damaged,
    camera_deviation,
    check_families,
    draw_seed,
    families_for,
    log_uniform,
    sample_algorithm,
    sample_damage,
    sample_finish,
    sample_outputs,
    shown,
)

BM3D_SHARE = 0.5  # of sets that may have an output of BM3D, which takes longer than all else
INPUT_SHARE = 0.2  # of sets of rising damage that show the damaged images themselves
# From member to member, these are multiplied by a number from the range: noise, 100 less the quality of a JPEG, and the
# strength of an algorithm.
NOISE_RISE, JPEG_RISE, STRENGTH_RISE = (1.25, 1.6), (1.5, 1.9), (1.5, 2.1)
# After rising damage denoisers are told of this share of the least noise, at most: one that is told of all of it can
# leave more texture where there is more noise. A fine JPEG counts as noise of JPEG_DEVIATION.
MOST_TOLD, JPEG_DEVIATION = 0.7, 0.02


@dataclass(frozen=True)
class Strength:
    """How a family of algorithms is made too strong.

    Args:
        damage: "noise", or "blur" for noise after a blur.
        parameter: of the algorithm.
        first: its value in the first member, from where on every photograph loses; a deviation: times the noise.
        power: of the rise by which it is multiplied from there on.
    """

    damage: str
    parameter: str
    first: float
    power: float = 1.0


# Without the families that come to an end where more strength changes nothing: wavelets, bilateral, guided and local
# Wiener filters.
BEYOND_BEST: Mapping[str, Strength] = {
    "non_local_means": Strength("noise", "deviation", 2.5),
    "total_variation": Strength("noise", "deviation", 2.5),
    "unsharp_mask": Strength("noise", "gain", 0.4),
    "richardson_lucy": Strength("blur", "iterations", 20),
    "wiener_deconvolution": Strength("blur", "noise_to_signal", 0.01, power=-2.0),
}


def sample_restoration_set(
    rng: np.random.Generator, members: int, ordered_share: float, without: Sequence[str] = ()
) -> RankedSet:
    """A ranked set of restoration outputs.

    Args:
        rng: decides everything.
        members: how many, the damaged input included.
        ordered_share: share of sets with an order by construction, half of them by damage, half by strength.
        without: families of algorithms that are left out.

    Raises:
        UsageError: for an unknown family, and where none is left.
    """
    check_families(without)
    form = rng.random()
    if form < 0.5 * ordered_share:
        return sample_rising_damage(rng, members, without)
    if form < ordered_share and any(family not in without for family in BEYOND_BEST):
        return sample_rising_strength(rng, members, without)
    damaged = sample_damage(rng, without)
    others = (*without, "bm3d")
    slow = rng.random() < BM3D_SHARE or not families_for(damaged, others)
    outputs = sample_outputs(rng, damaged, members - 1, without if slow else others)
    recipes = tuple(Recipe((), output.operations) for output in outputs)
    return RankedSet(RESTORATION_OUTPUTS, recipes, (0,) * members, certainty=0.0)


def sample_rising_damage(rng: np.random.Generator, members: int, without: Sequence[str] = ()) -> RankedSet:
    """One algorithm, or none, after damage whose noise or compression rises."""
    damaged = _least_damage(sample_damage(rng, without), rng)
    *before, last = damaged.operations
    algorithm = shown(damaged)
    # BM3D takes seconds for each member; medians smooth as much whatever they are told; back-projection sharpens, which
    # is not always worse on a coarser JPEG.
    unfit = ("bm3d", "median", "back_projection" if last.name == "jpeg" else "")
    families = [family for family in families_for(damaged, without) if family not in unfit]
    if families and rng.random() >= INPUT_SHARE:
        family = families[int(rng.integers(len(families)))]
        algorithm = tuple(
            _held_back(operation, MOST_TOLD * (damaged.deviation or JPEG_DEVIATION))
            for operation in sample_algorithm(rng, damaged, family, without)
        )
        if last.name != "jpeg":
            algorithm += sample_finish(rng, without)
    rises = _rises(rng, members, *(JPEG_RISE if last.name == "jpeg" else NOISE_RISE))
    recipes = tuple(Recipe((), (*before, risen(last, rise), *algorithm)) for rise in rises)
    return RankedSet(RESTORATION_OUTPUTS, recipes, tuple(range(members)))


def sample_rising_strength(rng: np.random.Generator, members: int, without: Sequence[str] = ()) -> RankedSet:
    """One algorithm on one noisy input at strengths that rise beyond the best one."""
    families = [family for family in BEYOND_BEST if family not in without]
    family = families[int(rng.integers(len(families)))]
    strength = BEYOND_BEST[family]
    deviation = log_uniform(rng, 0.015 if strength.damage == "noise" else 0.03, 0.08)
    noise = Operation("white_noise", {"deviation": deviation}, draw_seed(rng))
    damaged = Damaged("noise", (noise,), deviation)
    if strength.damage == "blur":
        sigma_px = log_uniform(rng, 0.8, 1.6)
        damaged = Damaged("blur", (Operation("blur", {"sigma_px": sigma_px}), noise), deviation, sigma_px)
    (algorithm,) = sample_algorithm(rng, damaged, family)
    first = strength.first * (deviation if strength.parameter == "deviation" else 1.0)
    recipes = []
    for rise in _rises(rng, members, *STRENGTH_RISE):
        value = first * rise**strength.power
        params = {**algorithm.params, strength.parameter: round(value) if family == "richardson_lucy" else value}
        recipes.append(Recipe((), (*damaged.operations, replace(algorithm, params=params))))
    return RankedSet(RESTORATION_OUTPUTS, tuple(recipes), tuple(range(members)))


def _held_back(operation: Operation, deviation: float) -> Operation:
    """The same operation, told of no more noise than of this standard deviation."""
    told = operation.params.get("deviation", 0.0)
    return (
        replace(operation, params={**operation.params, "deviation": min(float(told), deviation)}) if told else operation
    )


def risen(operation: Operation, rise: float) -> Operation:
    """The same damage with `rise` times the noise, or times the distance of its JPEG quality from 100."""
    factors = {"shot": rise**2, "read": rise, "chroma_blotch": rise, "deviation": rise}
    params: dict[str, Value] = {
        name: float(value) * factors[name] if name in factors else value for name, value in operation.params.items()
    }
    if operation.name == "jpeg":
        params["quality_jpeg"] = round(100 - rise * (100 - int(operation.params["quality_jpeg"])))
    return replace(operation, params=params)


def _least_damage(damaged: Damaged, rng: np.random.Generator) -> Damaged:
    """Damage like this one whose last operation is little noise, or fine compression, that can rise."""
    deviation = log_uniform(rng, 0.012, 0.05)
    first, noise = damaged.operations[0], Operation("white_noise", {"deviation": deviation}, draw_seed(rng))
    if damaged.kind != "noise":
        quality = int(rng.integers(90, 97))
        codes = damaged.kind == "shrink" and rng.random() < 0.5
        last = Operation("jpeg", {"quality_jpeg": quality}) if codes else noise
        return replace(damaged, operations=(first, last), deviation=0.0 if codes else deviation)
    params = {**first.params, "deviation": deviation}
    if first.name == "camera":
        shot, read = log_uniform(rng, 3e-4, 5e-3), log_uniform(rng, 2e-3, 2e-2)
        params = {**first.params, "shot": shot, "read": read}
        deviation = camera_deviation(shot, read)
    return replace(damaged, operations=(replace(first, params=params),), deviation=deviation)


def _rises(rng: np.random.Generator, members: int, least: float, most: float) -> list[float]:
    """Rising factors, the first 1, each of the others the one before times a number in [least, most]; more than four
    members lie closer together, so that the last is as strong."""
    steps = rng.uniform(least, most, members - 1) ** min(1.0, 3 / max(1, members - 1))
    return [float(rise) for rise in np.cumprod([1.0, *steps])]
