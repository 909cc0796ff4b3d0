"""Draws recipes and ranked sets from a seeded generator; nothing here touches pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.masks import MASK_KINDS, MaskSpec
from distortion_engine.recipe import RESTORATION_OUTPUTS, RankedSet, Recipe, Step
from distortion_engine.severity import amount_for, max_severity, min_severity

# Least distance in severity between neighbours of a ladder: half a level, which any metric sees.
MIN_STEP = 0.1
# The order in which compositions apply their steps is that of a camera: optics, light, sensor, coding. Smoothing after
# noise would remove what the field still claims, and a member with one step more could look better.
PIPELINE = (
    "geometric", "sharpness", "pixelation", "smearing", "chroma_defect", "haze", "brightness", "contrast", "saturation",
    "color_cast", "tint", "hue", "quantization", "noise", "chroma_noise", "impulse", "blocking", "local_damage",
)  # fmt: skip
# Certainty of extent sets by axis and sign: the share of neighbours that the judge sees in this order, rounded down,
# where it is under 85 %. A part that is brightened shows its outline; the whole may look better. All others have 1.
EXTENT_CERTAINTY: Mapping[tuple[str, int], float] = {
    ("brightness", -1): 0.66,
    ("brightness", +1): 0.55,
    ("contrast", +1): 0.79,
    ("local_damage", +1): 0.83,
    ("haze", +1): 0.60,
}
# Gaps in damage between neighbours of a cross-type set, and the share of such pairs that the judge sees in that order.
# Both tables: `python -m experiments.severity.certainty --photos ../shared/photos --sets 12 --cross 500`.
CROSS_TYPE_CERTAINTY = ((0.0, 0.075, 0.15, 0.25, 0.35, 0.5), (0.58, 0.63, 0.76, 0.8, 0.91, 0.94))
_LOCAL_MASKS = tuple(kind for kind in MASK_KINDS if kind != "whole")


@dataclass(frozen=True)
class SamplingConfig:
    """What is drawn, and how often.

    Args:
        kinds: weight of each kind of set; restoration outputs are drawn where they are named.
        members: number of images in a set besides the reference.
        min_severity: severity of the weakest step that is drawn.
        mask_share: share of the steps that act on a part of the image.
        distortions: names to draw from; empty for all that are `trained`.
        without_families: families of restoration algorithms that are left out, by their names in `FAMILIES` of
            `distortion_engine.restoration.sampling`, or "neural".
        ordered_outputs: share of the restoration outputs whose order is sure by construction.
    """

    kinds: Mapping[str, float] = field(
        default_factory=lambda: {
            "ladder": 0.22,
            "dominance": 0.2,
            "extent": 0.12,
            "restoration": 0.08,
            "cross_type": 0.34,
            "tie": 0.04,
        }
    )
    members: int = 4
    min_severity: float = 0.06
    mask_share: float = 0.5
    distortions: Sequence[str] = ()
    without_families: Sequence[str] = ()
    ordered_outputs: float = 0.3

    def names(self) -> tuple[str, ...]:
        """The distortions that are drawn from."""
        return tuple(self.distortions) or tuple(name for name, spec in DISTORTIONS.items() if spec.trained)


DEFAULT_SAMPLING = SamplingConfig()


def sample_set(rng: np.random.Generator, config: SamplingConfig = DEFAULT_SAMPLING, kind: str = "") -> RankedSet:
    """One ranked set of `kind` (drawn by weight when empty).

    Raises KeyError for an unknown kind, UsageError for families of algorithms of which none is left.
    """
    if not kind:
        kinds = sorted(config.kinds)
        weights = np.array([config.kinds[name] for name in kinds], dtype=float)
        kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    return _SAMPLERS[kind](rng, config)


def damage_of(recipe: Recipe) -> float:
    """Severity times the share of the image it covers, summed over the steps: what cross-type sets are ordered by."""
    return sum(step.severity * step.mask.extent for step in recipe.steps)


def sample_step(rng: np.random.Generator, config: SamplingConfig, name: str, severity: float) -> Step:
    """A step of distortion `name` at `severity` (cut to what the type can have), with drawn parameters and mask."""
    severity = float(min(max(severity, min_severity(name)), max_severity(name)))
    params = {key: float(value) for key, value in DISTORTIONS[name].sample_params(rng).items()}
    return Step(name, severity, amount_for(name, severity), params, sample_mask(rng, config), _seed(rng))


def sample_mask(rng: np.random.Generator, config: SamplingConfig) -> MaskSpec:
    """The whole image, or a part of it (.1 to .8 of the area, hard or soft)."""
    if rng.random() >= config.mask_share:
        return MaskSpec()
    kind = _LOCAL_MASKS[int(rng.integers(len(_LOCAL_MASKS)))]
    softness = float(rng.choice([0.0, 0.05, 0.2, 0.4]))
    return MaskSpec(kind, float(rng.uniform(0.1, 0.8)), softness, _seed(rng))


def _least(config: SamplingConfig, name: str) -> float:
    """The weakest severity drawn: some types (resampling, codecs) start above 0."""
    return max(config.min_severity, min_severity(name))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31 - 1))


def _pick(rng: np.random.Generator, config: SamplingConfig, count: int) -> list[str]:
    """`count` distortions on different axes, as far as there are so many."""
    names = list(config.names())
    rng.shuffle(names)
    picked: list[str] = []
    for distinct in (True, False):
        for name in names:
            used = {DISTORTIONS[other].axis for other in picked}
            if len(picked) < count and name not in picked and not (distinct and DISTORTIONS[name].axis in used):
                picked.append(name)
    while len(picked) < count:
        picked.append(names[int(rng.integers(len(names)))])
    return picked


def _compose(rng: np.random.Generator, config: SamplingConfig, count: int) -> list[str]:
    """`count` distortions on different axes in the order of `PIPELINE`, codecs after everything but local damage."""

    def place(name: str) -> int:
        return PIPELINE.index("blocking" if DISTORTIONS[name].codec else DISTORTIONS[name].axis)

    return sorted(_pick(rng, config, count), key=place)


def _at(step: Step, severity: float) -> Step:
    return replace(step, severity=severity, amount=amount_for(step.distortion, severity))


def _rising(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """`count` severities in [low, high], rising, at least MIN_STEP apart where there is room."""
    gap = min(MIN_STEP, (high - low) / max(1, count - 1))
    room = max(0.0, high - low - gap * (count - 1))
    return np.minimum(low + np.sort(rng.uniform(0.0, room, count)) + gap * np.arange(count), high)


def _ladder(rng: np.random.Generator, config: SamplingConfig) -> RankedSet:
    name = _pick(rng, config, 1)[0]
    step = sample_step(rng, config, name, 1.0)
    severities = _rising(rng, config.members, _least(config, name), max_severity(name))
    members = tuple(Recipe((_at(step, float(severity)),)) for severity in severities)
    return RankedSet("ladder", members, tuple(range(config.members)))


def _dominance(rng: np.random.Generator, config: SamplingConfig) -> RankedSet:
    """Compositions of two or three steps; from member to member one or more steps rise, none falls."""
    steps = [sample_step(rng, config, name, 1.0) for name in _compose(rng, config, int(rng.integers(2, 4)))]
    tops = np.array([step.severity for step in steps])
    lows = [_least(config, step.distortion) for step in steps]
    current = np.array([rng.uniform(low, max(low, 0.4 * top)) for low, top in zip(lows, tops, strict=True)])
    members = []
    for index in range(config.members):
        if index:
            rises = rng.random(len(steps)) < 0.6
            rises[int(rng.integers(len(steps)))] = True
            share = rng.uniform(0.25, 0.6, len(steps))
            current = np.where(rises, current + share * (tops - current), current)
        members.append(Recipe(tuple(_at(step, float(s)) for step, s in zip(steps, current, strict=True))))
    return RankedSet("dominance", tuple(members), tuple(range(config.members)))


def _extent(rng: np.random.Generator, config: SamplingConfig) -> RankedSet:
    name = _pick(rng, config, 1)[0]
    severity = rng.uniform(min(0.3, 0.6 * max_severity(name)), max_severity(name))
    step = sample_step(rng, replace(config, mask_share=1.0), name, severity)
    extents = _rising(rng, config.members, 0.1, 1.0)
    members = tuple(Recipe((replace(step, mask=replace(step.mask, extent=float(e))),)) for e in extents)
    spec = DISTORTIONS[name]
    certainty = EXTENT_CERTAINTY.get((spec.axis, spec.sign), 1.0)
    return RankedSet("extent", members, tuple(range(config.members)), certainty=certainty)


def _restoration(rng: np.random.Generator, config: SamplingConfig) -> RankedSet:
    """A composition whose steps are taken away one at a time; the most damaged member comes last."""
    names = _compose(rng, config, config.members)
    steps = [sample_step(rng, config, name, rng.uniform(0.25, 1.0)) for name in names]
    members = tuple(Recipe(tuple(steps[: count + 1])) for count in range(config.members))
    return RankedSet("restoration", members, tuple(range(config.members)))


def _cross_type(rng: np.random.Generator, config: SamplingConfig) -> RankedSet:
    """Different distortions at severities apart; the order is that of severity, so its certainty is lower."""
    names = _pick(rng, config, config.members)
    severities = _rising(rng, config.members, config.min_severity, 1.0)
    steps = [sample_step(rng, config, name, float(s)) for name, s in zip(names, severities, strict=True)]
    members = tuple(sorted((Recipe((step,)) for step in steps), key=damage_of))
    gaps = np.diff([damage_of(member) for member in members])
    certainty = float(np.interp(gaps, *CROSS_TYPE_CERTAINTY).mean())
    return RankedSet("cross_type", members, tuple(range(config.members)), certainty=certainty)


def _tie(rng: np.random.Generator, config: SamplingConfig) -> RankedSet:
    """One distortion with other seeds: only kinds that draw something, or all members would be the same image."""
    random = tuple(name for name in config.names() if DISTORTIONS[name].seeded)
    name = _pick(rng, replace(config, distortions=random or config.names()), 1)[0]
    step = sample_step(rng, replace(config, mask_share=0.0), name, rng.uniform(config.min_severity, 1.0))
    members = tuple(Recipe((replace(step, seed=_seed(rng)),)) for _ in range(config.members))
    return RankedSet("tie", members, (0,) * config.members, certainty=0.9)


def _restoration_outputs(rng: np.random.Generator, config: SamplingConfig) -> RankedSet:
    # Imported here: the other kinds need none of the algorithms.
    from distortion_engine.restoration.ranked import sample_restoration_set

    return sample_restoration_set(rng, config.members, config.ordered_outputs, config.without_families)


_SAMPLERS: dict[str, Callable[[np.random.Generator, SamplingConfig], RankedSet]] = {
    "ladder": _ladder,
    "dominance": _dominance,
    "extent": _extent,
    "restoration": _restoration,
    "cross_type": _cross_type,
    "tie": _tie,
    RESTORATION_OUTPUTS: _restoration_outputs,
}
