"""Draws the parameters of a distortion beside its amount: which of the many implementations of it this one is."""

from collections.abc import Callable

import numpy as np

Sampler = Callable[[np.random.Generator], dict[str, float]]

AT_AN_END = 0.25  # probability of each end of a range in `with_ends`
UPRIGHT = 0.4  # share of channel shifts along rows or columns, as by whole pixels in a file
# How channels part: share of the draws; px by which red and blue move an amount of 1, and whether only chroma does.
# The px are such that the cases come near to being equally bad, measured on photographs: blue weighs little in luma.
# Chroma alone would need twice as many, but planes that far apart do not look worse with every further px.
MISREGISTRATIONS = (
    (0.30, 1.0, -1.0, 0.0),  # red and blue apart
    (0.30, 1.2, 0.0, 0.0),  # red alone
    (0.15, 0.0, 2.0, 0.0),  # blue alone
    (0.15, 1.0, 1.0, 0.0),  # green alone, seen from it
    (0.10, 2.0, -2.0, 1.0),  # the chroma planes
)


def none(rng: np.random.Generator) -> dict[str, float]:
    """No parameters."""
    return {}


def uniform(**ranges: tuple[float, float]) -> Sampler:
    """A sampler of independent uniform parameters, drawn in the order given."""
    return lambda rng: {name: float(rng.uniform(low, high)) for name, (low, high) in ranges.items()}


def choice(**options: tuple[float, ...]) -> Sampler:
    """A sampler that picks one of the values of each parameter."""
    return lambda rng: {name: float(values[int(rng.integers(len(values)))]) for name, values in options.items()}


def with_ends(**ranges: tuple[float, float]) -> Sampler:
    """A sampler of parameters that are often one of the two ends of their range, else uniform between: most tools do
    the one or the other."""

    def draw(rng: np.random.Generator) -> dict[str, float]:
        drawn = {}
        for name, (low, high) in ranges.items():
            place = (rng.random() - AT_AN_END) / (1.0 - 2.0 * AT_AN_END)
            drawn[name] = float(low + (high - low) * min(max(place, 0.0), 1.0))
        return drawn

    return draw


def joined(*samplers: Sampler) -> Sampler:
    """A sampler of the parameters of all of these, drawn in the order given."""
    return lambda rng: {name: value for sampler in samplers for name, value in sampler(rng).items()}


def grey(rng: np.random.Generator) -> dict[str, float]:
    """What colours fade to, as shares of HSL lightness and of the mean of the channels; the rest is luma. One of the
    three, or, as often as each, a mixture."""
    pure = int(rng.integers(4))
    shares = rng.dirichlet((1.0, 1.0, 1.0)) if pure == 3 else np.eye(3)[pure]
    return {"lightness": float(shares[1]), "mean": float(shares[2])}


def misregistration(rng: np.random.Generator) -> dict[str, float]:
    """Which channels move along which direction, how far an amount of 1, and how sharp they stay."""
    shares = [case[0] for case in MISREGISTRATIONS]
    _, red, blue, chroma = MISREGISTRATIONS[int(rng.choice(len(shares), p=shares))]
    angle = rng.uniform(0.0, 360.0)
    if rng.random() < UPRIGHT:
        angle = 90.0 * (angle // 90.0)
    red, blue = red * rng.uniform(0.8, 1.25), blue * rng.uniform(0.8, 1.25)
    crisp = with_ends(crisp=(0.0, 1.0))(rng)
    return {"angle_deg": float(angle), "red": float(red), "blue": float(blue), "chroma": chroma, **crisp}
