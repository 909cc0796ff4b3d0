"""Draws what restoration sets are made of: a damage, and algorithms at strengths from too little to too much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distortion_engine.restoration.operations import Operation, Value

# Strengths of algorithms over the right one: a third leaves most of the damage, three times wipes texture out.
LEAST_STRENGTH, MOST_STRENGTH = 0.3, 3.0
SHRINK_KERNELS = ("aliased", "area", "bilinear", "bicubic", "lanczos", "gaussian")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
JPEG_SHARE = 0.3  # of cameras that write a JPEG
FINISH_SHARE = 0.25  # of outputs that are sharpened in the end
AFTER_BLUR_SHARE = 0.6  # of blurred images that get noise too


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


def sample_damage(rng: np.random.Generator) -> Damaged:
    """A damage as users have it, half of all times camera noise or white noise."""
    draw = rng.random()
    if draw < 0.5:
        return sample_noise(rng)
    if draw < 0.65:
        return _blur(rng)
    return sample_shrinking(rng, int(rng.choice([2, 3, 4])))


def sample_noise(rng: np.random.Generator) -> Damaged:
    """Noise of a camera, or plain white or correlated noise."""
    return _camera_noise(rng) if rng.random() < 0.6 else _plain_noise(rng)


def sample_outputs(
    rng: np.random.Generator, damaged: Damaged, count: int, without: Sequence[str] = ()
) -> tuple[Output, ...]:
    """The damaged image itself and `count` outputs of algorithms on it. without: families that are left out."""
    families = [family for family in FAMILIES[damaged.kind] if family not in without]
    order = rng.permutation(len(families))
    outputs = [Output("input", damaged.operations + _input(damaged))]
    for number in range(count):
        family = families[int(order[number % len(order)])]
        algorithm = _ALGORITHMS[family](rng, damaged)
        if rng.random() < FINISH_SHARE:
            algorithm += (_unsharp(rng),)
        outputs.append(Output(family, damaged.operations + algorithm))
    return tuple(outputs)


def _camera_noise(rng: np.random.Generator) -> Damaged:
    shot = _log_uniform(rng, 2e-4, 3e-2)
    params: dict[str, Value] = {
        "shot": shot,
        "read": _log_uniform(rng, 1e-3, 3e-2),
        "red": float(rng.uniform(1.2, 2.4)),
        "blue": float(rng.uniform(1.2, 2.4)),
        "demosaicing": str(rng.choice(["bilinear", "malvar"])),
        "chroma_blotch": float(rng.uniform(0.0, 0.06)) if rng.random() < 0.4 else 0.0,
        "blotch_px": float(rng.uniform(1.5, 5.0)),
        "quality_jpeg": int(rng.integers(60, 97)) if rng.random() < JPEG_SHARE else 0,
    }
    # Mid-grey is .2 in linear light; the sRGB curve has a slope of about 1.4 there.
    deviation = 1.4 * (0.2 * shot + float(params["read"]) ** 2) ** 0.5
    return Damaged("noise", (Operation("camera", params, _seed(rng)),), deviation)


def _plain_noise(rng: np.random.Generator) -> Damaged:
    deviation = _log_uniform(rng, 0.015, 0.2)
    if rng.random() < 0.6:
        return Damaged("noise", (Operation("white_noise", {"deviation": deviation}, _seed(rng)),), deviation)
    params = {"deviation": deviation, "grain_px": float(rng.uniform(0.5, 1.5))}
    return Damaged("noise", (Operation("correlated_noise", params, _seed(rng)),), deviation)


def _blur(rng: np.random.Generator) -> Damaged:
    sigma_px = _log_uniform(rng, 0.6, 3.0)
    ratio = float(rng.uniform(1.0, 2.5)) if rng.random() < 0.4 else 1.0
    blur = Operation("blur", {"sigma_px": sigma_px, "angle_deg": float(rng.uniform(0, 180)), "ratio": ratio})
    if rng.random() >= AFTER_BLUR_SHARE:
        return Damaged("blur", (blur,), 0.002, sigma_px * ratio**0.5)
    deviation = _log_uniform(rng, 0.004, 0.03)
    noise = Operation("white_noise", {"deviation": deviation}, _seed(rng))
    return Damaged("blur", (blur, noise), deviation, sigma_px * ratio**0.5)


def sample_shrinking(rng: np.random.Generator, factor: int) -> Damaged:
    """Down-sampling by `factor` with any kernel, sometimes with noise or compression after it."""
    kernel = str(rng.choice(SHRINK_KERNELS))
    sigma_px = float(rng.uniform(0.4, 0.7)) * factor
    operations = [Operation("shrink", {"factor": factor, "kernel": kernel, "sigma_px": sigma_px})]
    deviation, draw = 0.0, rng.random()
    if draw < 0.2:
        deviation = _log_uniform(rng, 0.01, 0.08)
        operations.append(Operation("white_noise", {"deviation": deviation}, _seed(rng)))
    elif draw < 0.4:
        operations.append(Operation("jpeg", {"quality_jpeg": int(rng.integers(30, 95))}))
    return Damaged("shrink", tuple(operations), deviation, sigma_px, factor)


def _input(damaged: Damaged) -> tuple[Operation, ...]:
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
    return (Operation("richardson_lucy", {"sigma_px": sigma_px, "iterations": int(_log_uniform(rng, 3, 60))}),)


def _wiener(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    sigma_px = damaged.sigma_px * float(rng.uniform(0.6, 1.5))
    return (Operation("wiener_deconvolution", {"sigma_px": sigma_px, "noise_to_signal": _log_uniform(rng, 1e-4, 0.1)}),)


def _unsharp(rng: np.random.Generator, damaged: Damaged | None = None) -> Operation:
    return Operation("unsharp_mask", {"sigma_px": _log_uniform(rng, 0.6, 3.0), "gain": _log_uniform(rng, 0.2, 3.0)})


def _interpolation(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    return (Operation("enlarge", {"factor": damaged.factor, "interpolation": str(rng.choice(INTERPOLATIONS[1:]))}),)


def _back_projection(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    params: dict[str, Value] = {
        "factor": damaged.factor,
        "interpolation": str(rng.choice(INTERPOLATIONS[1:])),
        "kernel": str(rng.choice(SHRINK_KERNELS)),
        "iterations": int(_log_uniform(rng, 1, 20)),
        "sigma_px": damaged.sigma_px * float(rng.uniform(0.7, 1.4)),
    }
    return (Operation("back_projection", params),)


def _denoised_then_enlarged(rng: np.random.Generator, damaged: Damaged) -> tuple[Operation, ...]:
    name = str(rng.choice(["non_local_means", "bilateral", "guided", "local_wiener"]))
    return (*_denoiser(name)(rng, damaged), *_interpolation(rng, damaged))


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
}
_NOISE = (
    "non_local_means", "total_variation", "wavelets", "bilateral", "guided", "local_wiener", "bm3d", "median",
)  # fmt: skip
# Families of algorithms that are used on each kind of damage.
FAMILIES: dict[str, tuple[str, ...]] = {
    "noise": _NOISE,
    "blur": ("richardson_lucy", "wiener_deconvolution", "unsharp_mask", "guided", "total_variation"),
    "shrink": ("interpolation", "interpolation", "back_projection", "back_projection", "denoised_then_enlarged"),
}


def _strength(rng: np.random.Generator) -> float:
    return _log_uniform(rng, LEAST_STRENGTH, MOST_STRENGTH)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31 - 1))
