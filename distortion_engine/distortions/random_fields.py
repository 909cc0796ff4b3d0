"""Random numbers of the distortions: drawn on the CPU, the same on every device and machine, and fast.

A distortion's `torch.Generator` gives one seed; the numbers are the raw bits of NumPy's SFC64 from that seed. Fields
take 16 of them a value and look the value up among 65,536 equally likely ones: far finer than the 8 bits of an image.
"""

import functools
import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int64, UInt64
from scipy.special import ndtri
from torch import Generator, Tensor

_VALUES = 1 << 16
_ROW = 1024  # OpenCV looks tables up in matrices; a row of this many values


def bit_stream(generator: Generator) -> np.random.SFC64:
    """A stream of 64-bit words, seeded by the next number of `generator`; a longer draw begins with the shorter one."""
    return np.random.SFC64(int(torch.randint(2**62, (1,), generator=generator)))


def unit_normal(shape: Sequence[int], generator: Generator, like: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Standard normal noise, float32, of variance 1 and cut off at 4.2, where `like` is."""
    return _looked_up(_normal_values(), shape, generator).to(like.device)


def unit_uniform(shape: Sequence[int], generator: Generator, like: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Uniform noise in (0, 1), float32, where `like` is."""
    return _looked_up(_uniform_values(), shape, generator).to(like.device)


def _looked_up(table: np.ndarray, shape: Sequence[int], generator: Generator) -> Tensor:
    count = math.prod(shape)
    rows = math.ceil(count / _ROW)
    words = bit_stream(generator).random_raw(rows * _ROW // 4)
    values = cv2.LUT(words.astype("<u8", copy=False).view("<u2").reshape(rows, _ROW), table)
    return torch.from_numpy(values.reshape(-1)[:count].reshape(tuple(shape)))


@functools.cache
def _uniform_values() -> np.ndarray:
    return ((np.arange(_VALUES) + 0.5) / _VALUES).astype(np.float32).reshape(1, -1)


@functools.cache
def _normal_values() -> np.ndarray:
    values = ndtri((np.arange(_VALUES) + 0.5) / _VALUES)
    row: np.ndarray = (values / values.std()).astype(np.float32).reshape(1, -1)
    return row


def hits(
    count: int, probability: float, generator: Generator
) -> tuple[Int64[np.ndarray, " n"], UInt64[np.ndarray, " n"]]:
    """Which of `count` places are hit, each with `probability`, and a random word for each of them.

    Places are drawn one after the other, with replacement, and the probability says how many draws are made; so what is
    hit at a low probability is hit, with the same word, at a higher one. Returns places and their words; a place
    may come twice, and its first word counts.
    """
    # Of n draws from N places a place is missed with probability (1 - 1 / N)^n.
    draws = math.log1p(-min(probability, 1.0 - 0.5 / count)) / math.log1p(-1.0 / count)
    words = bit_stream(generator).random_raw(2 * math.ceil(draws - 1e-9))
    places = ((words[::2] >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)
    return places.astype(np.int64), words[1::2]
