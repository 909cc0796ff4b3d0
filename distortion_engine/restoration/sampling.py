"""Draws what restoration sets are made of: a damage, and algorithms at strengths from too little to too much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distortion_engine.errors import UsageError
from distortion_engine.recipe import Operation, Value
from distortion_engine.restoration.neural import network_names

# Strengths of algorithms over the right one: a third leaves most of the damage, three times wipes texture out.
LEAST_STRENGTH, MOST_STRENGTH = 0.3, 3.0
SHRINK_FACTORS = (2, 3, 4)
SHRINK_KERNELS = ("aliased", "area", "bilinear", "bicubic", "lanczos", "gaussian")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
JPEG_SHARE = 0.3  # of cameras that write a JPEG
FINISH_SHARE = 0.25  # of outputs that are sharpened in the end
AFTER_BLUR_SHARE = 0.6  # of blurred images that get noise too
_MAX_ATTEMPTS = 20  # at an output that a set does not have yet


@dataclass(frozen=True)
class Damaged:
    """A damage and what an algorithm may know of it.

    Args:
        kind: "noise", "blur" or "shrink".
        operations: the damage.
        deviation: standard deviation of its noise, about, in sRGB; 0 for none.
        sigma_px: of its blur.
        factor: by which it shrank.
    """

    kind: str
    operations: tuple[Operation, ...]
    deviation: float = 0.0
    sigma_px: float = 0.0
    factor: int = 1


@dataclass(frozen=True)
class Output:
    """One member of a restoration set. family: of the algorithm, by which evaluations hold some out; "input" for the
    damaged image itself. operations: damage and algorithm."""

    family: str
    operations: tuple[Operation, ...]


def sample_damage(rng: np.random.Generator, without: Sequence[str] = ()) -> Damaged:
    """A damage as users have it, half of all times camera noise or white noise. without: families of algorithms that
    are left out; damage that no other family answers is not drawn. Raises UsageError as `check_families` does."""
    check_families(without)
    while True:
        damaged = _damage(rng)
        if families_for(damaged, without):
            return damaged


def check_families(without: Sequence[str]) -> None:
    """Raises UsageError for a name that is no family of algorithms, and where no family is left."""
    for name in without:
        if name not in _ALGORITHMS:
            raise UsageError(f"family of algorithms {name!r} is unknown; expected some of {', '.join(_ALGORITHMS)}")
    damages = [Damaged("noise", ()), Damaged("blur", ()), *(Damaged("shrink", (), factor=f) for f in SHRINK_FACTORS)]
    if not any(families_for(damaged, without) for damaged in damages):
        raise UsageError("no family of algorithms is left; leave fewer of them out")


def families_used(operations: Sequence[Operation]) -> frozenset[str]:
    """Families of algorithms, of `FAMILY_NAMES`, that are among the operations of a recipe, those of a finish and of
    what is denoised before it is enlarged included. Enlarging without a filter is how shrunk images are shown, and no
    algorithm."""
    names = {operation.name for operation in operations}
    used = names & set(_ALGORITHMS)
    enlarged = [operation for operation in operations if operation.name == "enlarge"]
    if any(operation.params["interpolation"] != INTERPOLATIONS[0] for operation in enlarged):
        used.add("interpolation")
        if names & set(_DENOISED_FIRST):
            used.add("denoised_then_enlarged")
    return frozenset(used)


def families_for(damaged: Damaged, without: Sequence[str] = ()) -> tuple[str, ...]:
    """Families of algorithms that are used on a damage, some more than once, by which they are drawn more often."""
    families = [family for family in FAMILIES[damaged.kind] if family not in without]
    enlarges = any(name not in without for name in _DENOISED_FIRST) and "interpolation" not in without
    if not enlarges:  # it would bring in a family that is left out
        families = [family for family in families if family != "denoised_then_enlarged"]
    if damaged.kind != "blur" and "neural" not in without and network_names(damaged.factor):
        families.append("neural")
    return tuple(families)


def sample_algorithm(
    rng: np.random.Generator, damaged: Damaged, family: str, without: Sequence[str] = ()
) -> tuple[Operation, ...]:
    """An algorithm of a family at a random strength, from too little to too much."""
    if family == "denoised_then_enlarged":
        return _denoised_then_enlarged(rng, damaged, without)
    return _ALGORITHMS[family](rng, damaged)


def sample_finish(rng: np.random.Generator, without: Sequence[str] = ()) -> tuple[Operation, ...]:
    """What comes after an algorithm: sometimes unsharp masking."""
    sharpens = rng.random() < FINISH_SHARE and "unsharp_mask" not in without
    return (_unsharp(rng),) if sharpens else ()


def _damage(rng: np.random.Generator) -> Damaged:
    draw = rng.random()
    if draw < 0.5:
        return sample_noise(rng)
    if draw < 0.65:
        return _blur(rng)
    return sample_shrinking(rng, int(rng.choice(SHRINK_FACTORS)))


def sample_noise(rng: np.random.Generator) -> Damaged:
    """Noise of a camera, or plain white or correlated noise."""
    return _camera_noise(rng) if rng.random() < 0.6 else _plain_noise(rng)


def sample_outputs(
    rng: np.random.Generator, damaged: Damaged, count: int, without: Sequence[str] = ()
) -> tuple[Output, ...]:
    """The damaged image itself and `count` outputs of algorithms on it. without: families that are left out.

    Raises UsageError where none is left for this damage.
    """
    families = families_for(damaged, without)
    if not families:
        raise UsageError(f"no family of algorithms is left for damage by {damaged.kind}; leave fewer of them out")
    order = rng.permutation(len(families))
    outputs = [Output("input", damaged.operations + shown(damaged))]
    for number in range(count):
        family = families[int(order[number % len(order)])]
        for _ in range(_MAX_ATTEMPTS):
            algorithm = sample_algorithm(rng, damaged, family, without) + sample_finish(rng, without)
            output = Output(family, damaged.operations + algorithm)
            if output not in outputs:
                break
        outputs.append(output)
    return tuple(outputs)


def _camera_noise(rng: np.random.Generator) -> Damaged:
    shot = log_uniform(rng, 2e-4, 3e-2)
    params: dict[str, Value] = {
        "shot": shot,
        "read": log_uniform(rng, 1e-3, 3e-2),
        "red": float(rng.uniform(1.2, 2.4)),
        "blue": float(rng.uniform(1.2, 2.4)),
        "demosaicing": str(rng.choice(["bilinear", "malvar"])),
        "chroma_blotch": float(rng.uniform(0.0, 0.06)) if rng.random() < 0.4 else 0.0,
        "blotch_px": float(rng.uniform(1.5, 5.0)),
        "quality_jpeg": int(rng.integers(60, 97)) if rng.random() < JPEG_SHARE else 0,
    }
    deviation = camera_deviation(shot, float(params["read"]))
    return Damaged("noise", (Operation("camera", params, draw_seed(rng)),), deviation)


def camera_deviation(shot: float, read: float) -> float:
    """Standard deviation of the noise of a camera in sRGB at mid-grey, about; see `Sensor` for both numbers."""
    # Mid-grey is .2 in linear light; the sRGB curve has a slope of about 1.4 there.
    return 1.4 * float((0.2 * shot + read**2) ** 0.5)


def _plain_noise(rng: np.random.Generator) -> Damaged:
    deviation = log_uniform(rng, 0.015, 0.2)
    if rng.random() < 0.6:
        return Damaged("noise", (Operation("white_noise", {"deviation": deviation}, draw_seed(rng)),), deviation)
    params = {"deviation": deviation, "grain_px": float(rng.uniform(0.5, 1.5))}
    return Damaged("noise", (Operation("correlated_noise", params, draw_seed(rng)),), deviation)


def _blur(rng: np.random.Generator) -> Damaged:
    sigma_px = log_uniform(rng, 0.6, 3.0)
    ratio = float(rng.uniform(1.0, 2.5)) if rng.random() < 0.4 else 1.0
    blur = Operation("blur", {"sigma_px": sigma_px, "angle_deg": float(rng.uniform(0, 180)), "ratio": ratio})
    if rng.random() >= AFTER_BLUR_SHARE:
        return Damaged("blur", (blur,), 0.002, sigma_px * ratio**0.5)
    deviation = log_uniform(rng, 0.004, 0.03)
    noise = Operation("white_noise", {"deviation": deviation}, draw_seed(rng))
    return Damaged("blur", (blur, noise), deviation, sigma_px * ratio**0.5)


def sample_shrinking(rng: np.random.Generator, factor: int) -> Damaged:
    """Down-sampling by `factor` with any kernel, sometimes with noise or compression after it."""
    kernel = str(rng.choice(SHRINK_KERNELS))
    sigma_px = float(rng.uniform(0.4, 0.7)) * factor
    operations = [Operation("shrink", {"factor": factor, "kernel": kernel, "sigma_px": sigma_px})]
    deviation, draw = 0.0, rng.random()
    if draw < 0.2:
        deviation = log_uniform(rng, 0.01, 0.08)
        operations.append(Operation("white_noise", {"deviation": deviation}, draw_seed(rng)))
    elif draw < 0.4:
        operations.append(Operation("jpeg", {"quality_jpeg": int(rng.integers(30, 95))}))
    return Damaged("shrink", tuple(operations), deviation, sigma_px, factor)


def shown(damaged: Damaged) -> tuple[Operation, ...]:
    """What makes a damaged image comparable: shrunk ones are looked at enlarged without any filter."""
    if damaged.factor == 1:
        return ()
    return (Operation("enlarge", {"factor": damaged.factor, "interpolation": "nearest"}),)


def _denoiser(name: str, *, most: float = 0.6) -> Callable[[np.random.Generator, Damaged], tuple[Operation, ...]]:
    """Told a deviation of up to `most`, in proportion to that of the noise there is."""

    def draw(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
        told = min(max(damaged.deviation, 0.01) * _strength(rng), most)
        params: dict[str, Value] = {"deviation": told}
        if name == "wavelets":
            params |= {"wavelet": str(rng.choice(["db1", "db4", "sym4", "sym8"])), "soft": bool(rng.random() < 0.7)}
        if name == "bilateral":
            params |= {"sigma_px": float(rng.uniform(1.0, 4.0))}
        if name in ("guided", "local_wiener"):
            params |= {"radius_px": int(rng.integers(1, 5))}
        return (Operation(name, params),)

    return draw


def _median(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    times = 2 if rng.random() < 0.2 else 1
    return (Operation("median", {"side_px": int(rng.choice([3, 5]))}),) * times


def _richardson_lucy(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    sigma_px = damaged.sigma_px * float(rng.uniform(0.6, 1.5))
    return (Operation("richardson_lucy", {"sigma_px": sigma_px, "iterations": int(log_uniform(rng, 3, 60))}),)


def _wiener(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    sigma_px = damaged.sigma_px * float(rng.uniform(0.6, 1.5))
    return (Operation("wiener_deconvolution", {"sigma_px": sigma_px, "noise_to_signal": log_uniform(rng, 1e-4, 0.1)}),)


def _unsharp(rng: np.random.Generator, damaged: Damaged | None = None) -> Operation:
    return Operation("unsharp_mask", {"sigma_px": log_uniform(rng, 0.6, 3.0), "gain": log_uniform(rng, 0.2, 3.0)})


def _interpolation(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    return (Operation("enlarge", {"factor": damaged.factor, "interpolation": str(rng.choice(INTERPOLATIONS[1:]))}),)


def _back_projection(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    params: dict[str, Value] = {
        "factor": damaged.factor,
        "interpolation": str(rng.choice(INTERPOLATIONS[1:])),
        "kernel": str(rng.choice(SHRINK_KERNELS)),
        "iterations": int(log_uniform(rng, 1, 20)),
        "sigma_px": damaged.sigma_px * float(rng.uniform(0.7, 1.4)),
    }
    return (Operation("back_projection", params),)


def _denoised_then_enlarged(
    rng: np.random.Generator, damaged: Damaged, without: Sequence[str] = ()
) -> tuple[Operation, ...]:
    name = str(rng.choice([name for name in _DENOISED_FIRST if name not in without]))
    return (*_denoiser(name)(rng, damaged), *_interpolation(rng, damaged))


def _neural(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    """A shipped network as it was trained, or, half of the time, with too little or too much of its correction."""
    strength = float(rng.uniform(0.4, 1.6)) if rng.random() < 0.5 else 1.0
    name = str(rng.choice(network_names(damaged.factor)))
    return (Operation("neural", {"network": name, "strength": strength}),)


_DENOISED_FIRST = ("non_local_means", "bilateral", "guided", "local_wiener")
_ALGORITHMS: dict[str, Callable[[np.random.Generator, Damaged], tuple[Operation, ...]]] = {
    "non_local_means": _denoiser("non_local_means", most=0.25),
    "total_variation": _denoiser("total_variation"),
    "wavelets": _denoiser("wavelets"),
    "bilateral": _denoiser("bilateral"),
    "guided": _denoiser("guided"),
    "local_wiener": _denoiser("local_wiener"),
    "bm3d": _denoiser("bm3d"),
    "median": _median,
    "richardson_lucy": _richardson_lucy,
    "wiener_deconvolution": _wiener,
    "unsharp_mask": lambda rng, damaged: (_unsharp(rng),),
    "interpolation": _interpolation,
    "back_projection": _back_projection,
    "denoised_then_enlarged": _denoised_then_enlarged,
    "neural": _neural,
}
FAMILY_NAMES = tuple(_ALGORITHMS)
_NOISE = (
    "non_local_means", "total_variation", "wavelets", "bilateral", "guided", "local_wiener", "bm3d", "median",
)  # fmt: skip
# Families of algorithms that are used on each kind of damage; beside these "neural" on noise and on what was shrunk, as
# far as networks are shipped.
FAMILIES: dict[str, tuple[str, ...]] = {
    "noise": _NOISE,
    "blur": ("richardson_lucy", "wiener_deconvolution", "unsharp_mask", "guided", "total_variation"),
    "shrink": ("interpolation", "interpolation", "back_projection", "back_projection", "denoised_then_enlarged"),
}


def _strength(rng: np.random.Generator) -> float:
    return log_uniform(rng, LEAST_STRENGTH, MOST_STRENGTH)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform between those of `low` and `high`."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_seed(rng: np.random.Generator) -> int:
    """The seed of an operation."""
    return int(rng.integers(2**31 - 1))
