"""What every distortion shares: the per-sample calling convention and colour transforms.

A family file writes each distortion for one image, `(3, H, W)` and one `amount > 0`; `per_sample` turns that into the
batched pure function the catalogue holds. Working sample by sample makes a result independent of the batch it is in, to
the bit, and lets kernel sizes follow the amount. On the CPU samples are spread over as many threads as PyTorch has.
"""

import functools
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
from torch import Generator, Tensor

from distortion_engine.distortions.filters import box as box  # these also from here, for every family file
from distortion_engine.distortions.filters import convolve as convolve
from distortion_engine.distortions.filters import fast_path, pixel_grid
from distortion_engine.distortions.filters import gaussian as gaussian
from distortion_engine.distortions.filters import pad_symmetric as pad_symmetric
from distortion_engine.distortions.filters import warp as warp
from distortion_engine.distortions.random_fields import unit_normal as unit_normal
from distortion_engine.distortions.random_fields import unit_uniform as unit_uniform
from distortion_engine.errors import UsageError

Apply = Callable[[Tensor, Tensor, Mapping[str, Tensor], Sequence[Generator]], Tensor]
Support = Callable[[Tensor, Mapping[str, Tensor], Sequence[Generator], int, int], Tensor]

# (amount, params, height, width) -> (H, W) of mean 1: the strength of the damage at each pixel over its mean.
Profile = Callable[[float, Mapping[str, float], int, int], Tensor]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma, as in JFIF
MIN_SIDE_PX = 16


def per_sample(function: Callable[..., Tensor]) -> Apply:
    """Batch `function(image (3, H, W), amount, generator, **params) -> (3, H, W)`, only called with amount > 0.

    The result has signature `(image (B, 3, H, W), amount (B,), params, generators) -> (B, 3, H, W)`: a new tensor of
    the same dtype and device in [0, 1]. A sample of amount 0 comes back equal to its input and draws nothing.
    Raises UsageError for a wrong shape, a negative or non-finite amount, or a wrong number of generators.

    On the CPU each sample is the work of one thread, and OpenCV is set to one in this process: so results are bit-equal
    for any number of threads, and a data-loading worker, where PyTorch has one, starts none.
    """

    @functools.wraps(function)
    def apply(image: Tensor, amount: Tensor, params: Mapping[str, Tensor], generators: Sequence[Generator]) -> Tensor:
        amounts = _checked(image, amount, generators)
        values = {name: value.tolist() for name, value in params.items()}

        def distorted(i: int) -> Tensor:
            own = {name: value[i] for name, value in values.items()}
            return function(image[i].to(torch.float32).contiguous(), amounts[i], generators[i], **own)

        if image.device.type != "cpu" or (image.requires_grad and torch.is_grad_enabled()):
            results = [distorted(i).clamp(0.0, 1.0) if amounts[i] else image[i] for i in range(len(amounts))]
            return torch.stack([result.to(image.dtype) for result in results])
        if cv2.getNumThreads() != 1:
            cv2.setNumThreads(1)
        image = image.detach()
        pixels: list[np.ndarray] = [np.empty(0)] * len(amounts)

        def work(i: int) -> None:
            with torch.inference_mode():
                if amounts[i]:
                    pixels[i] = _clipped(distorted(i).numpy(), image[i])
                else:
                    pixels[i] = image[i].to(torch.float32).numpy()

        _for_each(work, len(amounts))
        # A single result is passed on as it is, unless it is the caller's own memory.
        stacked = pixels[0][None] if len(pixels) == 1 and amounts[0] else np.stack(pixels)
        return torch.from_numpy(stacked).to(image.dtype)

    return apply


def _clipped(values: np.ndarray, source: Tensor) -> np.ndarray:
    """The values clamped to [0, 1], in place where they are nobody else's."""
    shared = source.dtype == torch.float32 and np.may_share_memory(values, source.numpy())
    own = values.flags.c_contiguous and values.flags.writeable and not shared
    return np.clip(values, 0.0, 1.0, out=values if own else np.empty(values.shape, np.float32))


def _for_each(work: Callable[[int], None], count: int) -> None:
    """`work` on 0 to count - 1, on PyTorch's number of threads if that is more than one."""
    threads = torch.get_num_threads()
    if threads <= 1:
        for i in range(count):
            work(i)
    else:
        list(_pool(os.getpid(), threads).map(work, range(count)))


@functools.cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads in each of which PyTorch has but one; by process, because threads do not survive a fork."""
    pool, all_started = ThreadPoolExecutor(threads, "distortion"), threading.Barrier(threads)

    def start(_: int) -> None:
        torch.set_num_threads(1)
        all_started.wait()

    list(pool.map(start, range(threads)))
    torch.set_num_threads(threads)  # what threads that start later begin with, and this one has
    return pool


def per_sample_support(function: Callable[..., Tensor]) -> Support:
    """Batch `function(amount, generator, height, width, **params) -> (H, W)` weights into `(B, 1, H, W)` in [0, 1].

    Draws in the same order as the distortion does, so generators seeded alike give the pixels that were touched.
    """

    @functools.wraps(function)
    def support(
        amount: Tensor, params: Mapping[str, Tensor], generators: Sequence[Generator], height: int, width: int
    ) -> Tensor:
        values = {name: value.tolist() for name, value in params.items()}
        weights = []
        for i, strength in enumerate(amount.tolist()):
            own = {name: value[i] for name, value in values.items()}
            empty = torch.zeros(height, width)
            weights.append(function(strength, generators[i], height, width, **own) if strength > 0.0 else empty)
        return torch.stack(weights)[:, None]

    return support


def _checked(image: Tensor, amount: Tensor, generators: Sequence[Generator]) -> list[float]:
    if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < MIN_SIDE_PX:
        raise UsageError(
            f"image has shape {tuple(image.shape)}; expected (B, 3, H, W) with sides of at least {MIN_SIDE_PX} px"
        )
    if amount.shape != image.shape[:1] or len(generators) != image.shape[0]:
        raise UsageError(
            f"{tuple(amount.shape)} amounts and {len(generators)} generators for {image.shape[0]} images; "
            "give one of each per image"
        )
    amounts: list[float] = amount.tolist()
    for value in amounts:
        if not math.isfinite(value) or value < 0.0:
            raise UsageError(f"amount {value}; expected a finite number >= 0 in the distortion's own unit")
    return amounts


def frame_coordinates(image: Tensor) -> tuple[Tensor, Tensor]:
    """Row (H, 1) and column (1, W) of every pixel, from -0.5 at one edge of the frame to 0.5 at the other."""
    row, column = pixel_grid(image)
    return row / (image.shape[1] - 1) - 0.5, column / (image.shape[2] - 1) - 0.5


def profile_coordinates(height: int, width: int) -> tuple[Tensor, Tensor]:
    """The same for profiles, rounded otherwise: the fields of an engine version keep their last bit."""
    return torch.linspace(-0.5, 0.5, height)[:, None], torch.linspace(-0.5, 0.5, width)[None, :]


def with_mean_one(strength: Tensor) -> Tensor:
    """A map of values >= 0 over its mean."""
    return strength / strength.mean().clamp_min(1e-9)


def _image_plane(image: Tensor) -> np.ndarray:
    """`(3, H, W)` as one matrix `(3 H, W)` for OpenCV's point operations, sharing its memory if it can."""
    return image.detach().contiguous().numpy().reshape(-1, image.shape[-1])


def luma(image: Tensor) -> Tensor:
    """BT.601 luma `(1, H, W)` of `(3, H, W)`."""
    red, green, blue = LUMA
    if fast_path(image):
        planes = image.numpy()
        tone = cv2.addWeighted(planes[0], red, planes[1], green, 0.0)
        return torch.from_numpy(cv2.scaleAdd(planes[2], blue, tone))[None]
    return image[0:1] * red + image[1:2] * green + image[2:3] * blue


def mean_luma(image: Tensor) -> Tensor:
    """Mean BT.601 luma of `(3, H, W)`, a tensor of shape (1, 1, 1)."""
    if fast_path(image):
        means = [cv2.mean(plane)[0] for plane in image.numpy()]
        return torch.full((1, 1, 1), sum(share * mean for share, mean in zip(LUMA, means, strict=True)))
    return luma(image).mean(dim=(1, 2), keepdim=True)


def with_chroma(image: Tensor, blue_difference: Tensor, red_difference: Tensor) -> Tensor:
    """`(3, H, W)` with these `(H, W)` amounts added to Cb and Cr at constant luma (JFIF matrix)."""
    green = torch.add(image[1], blue_difference, alpha=-0.344136)
    return torch.stack(
        [
            torch.add(image[0], red_difference, alpha=1.402),
            torch.add(green, red_difference, alpha=-0.714136),
            torch.add(image[2], blue_difference, alpha=1.772),
        ]
    )


def power(image: Tensor, exponent: float) -> Tensor:
    """`image ** exponent` of values >= 0: by OpenCV on the CPU, elsewhere by way of float64.

    The float32 power of PyTorch differs in the last bit between its vector loop and the remainder, so its result would
    depend on the number of threads.
    """
    if fast_path(image):
        return torch.from_numpy(cv2.pow(_image_plane(image), exponent)).reshape(image.shape)
    return (image.to(torch.float64) ** exponent).to(image.dtype)


@functools.cache
def _linear_of_code() -> np.ndarray:
    """Linear light of 65,536 sRGB code values."""
    code = np.arange(65536) / 65535.0
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32).reshape(1, -1)


@functools.cache
def _code_of_root() -> np.ndarray:
    """sRGB code values of the squares of 65,536 values: the curve is steep at 0 and that of the root is not."""
    light = (np.arange(65536) / 65535.0) ** 2
    curve = 1.055 * np.maximum(light, 0.0031308) ** (1.0 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curve).astype(np.float32).reshape(1, -1)


def _looked_up(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    index = np.multiply(values, np.float32(65535.0), dtype=np.float32)
    index += np.float32(0.5)
    return cv2.LUT(np.clip(index, 0.0, 65535.0, out=index).astype(np.uint16), table)


def to_linear(image: Tensor) -> Tensor:
    """sRGB code values in [0, 1] to linear light (IEC 61966-2-1); from a table on the CPU, error below 2e-5."""
    if fast_path(image):
        return torch.from_numpy(_looked_up(_linear_of_code(), _image_plane(image))).reshape(image.shape)
    return torch.where(image <= 0.04045, image / 12.92, power(((image + 0.055) / 1.055).clamp_min(0.0), 2.4))


def from_linear(light: Tensor) -> Tensor:
    """Linear light, clamped to [0, 1], to sRGB code values (IEC 61966-2-1); from a table on the CPU, error 2e-5."""
    if fast_path(light):
        root = np.sqrt(np.maximum(_image_plane(light), np.float32(0.0)))
        return torch.from_numpy(_looked_up(_code_of_root(), root)).reshape(light.shape)
    light = light.clamp(0.0, 1.0)
    curve = 1.055 * power(light.clamp_min(0.0031308), 1.0 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, curve)
