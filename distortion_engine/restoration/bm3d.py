"""BM3D: similar blocks are stacked, the stacks shrunk in a 3-D transform, and all estimates of a pixel averaged.

Dabov, Foi, Katkovnik and Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative filtering", TIP
16(8), 2007; colour as in section V: blocks are matched in the luminance alone. Both stages, with the block sizes and
thresholds of the paper's normal profile; the search is exhaustive in its window.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.fft import dctn, idctn
from scipy.linalg import hadamard
from torch import Tensor

from distortion_engine.restoration.planes import to_array, to_image

BLOCK_PX = 8
STEP_PX = 4  # between the reference blocks; the paper has 3
GROUP = 16  # blocks in a stack, the most similar ones
SEARCH_PX = 11  # to each side of a reference block
HARD_THRESHOLD = 2.7  # times the deviation of the noise
# Opponent colours, orthonormal: luminance, blue against yellow, red against green.
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32) / np.sqrt([[3], [2], [6]]).astype(np.float32)
_STACK = (hadamard(GROUP) / np.sqrt(GROUP)).astype(np.float32)


def bm3d(image: Float[Tensor, "3 h w"], deviation: float) -> Float[Tensor, "3 h w"]:
    """Removes white noise of this standard deviation."""
    noisy = to_array(image) @ _OPPONENT.T
    margin = BLOCK_PX
    padded = np.pad(noisy, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    blocks = Blocks(padded.shape[:2])
    matches = blocks.matches(padded[..., 0])
    basic = blocks.filtered(padded, None, matches, deviation)
    matches = blocks.matches(basic[..., 0])
    final = blocks.filtered(padded, basic, matches, deviation)
    return to_image(final[margin:-margin, margin:-margin] @ _OPPONENT)


class Blocks:
    """The grid of reference blocks of an image of this size (H, W)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.tops, self.lefts = (self._starts(side) for side in size)
        self.window = np.kaiser(BLOCK_PX, 2.0)[:, None] * np.kaiser(BLOCK_PX, 2.0)[None, :]

    @staticmethod
    def _starts(side: int) -> np.ndarray:
        last = side - BLOCK_PX
        return np.unique(np.append(np.arange(0, last, STEP_PX), last))

    def matches(self, plane: Float[np.ndarray, "h w"]) -> tuple[Int[np.ndarray, "n group"], Int[np.ndarray, "n group"]]:
        """Top and left of the blocks most similar to each reference block, itself first."""
        height, width = self.size
        tops, lefts = (grid.ravel() for grid in np.meshgrid(self.tops, self.lefts, indexing="ij"))
        shifts = [(y, x) for y in range(-SEARCH_PX, SEARCH_PX + 1) for x in range(-SEARCH_PX, SEARCH_PX + 1)]
        shifts.sort(key=lambda shift: (shift[0] ** 2 + shift[1] ** 2, shift))  # ties go to the nearest
        distances = np.empty((len(shifts), len(tops)), np.float32)
        for number, (down, right) in enumerate(shifts):
            moved = plane[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
            still = plane[max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)]
            sums = np.full((height, width), np.inf, np.float32)
            squares = (moved - still) ** 2
            if min(squares.shape) >= BLOCK_PX:
                # Sum over the block whose top left corner is the pixel.
                means = cv2.boxFilter(squares, -1, (BLOCK_PX, BLOCK_PX), anchor=(0, 0), normalize=False)
                inside = means[: squares.shape[0] - BLOCK_PX + 1, : squares.shape[1] - BLOCK_PX + 1]
                y, x = max(0, -down), max(0, -right)
                sums[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
            distances[number] = sums[tops, lefts]
        best = np.argsort(distances, axis=0, kind="stable")[:GROUP].T  # (N, GROUP)
        offsets = np.array(shifts)
        return tops[:, None] + offsets[best, 0], lefts[:, None] + offsets[best, 1]

    def filtered(
        self,
        noisy: Float[np.ndarray, "h w 3"],
        guide: Float[np.ndarray, "h w 3"] | None,
        matches: tuple[Int[np.ndarray, "n group"], Int[np.ndarray, "n group"]],
        deviation: float,
    ) -> Float32[np.ndarray, "h w 3"]:
        """One stage: hard thresholds without a guide, Wiener shrinkage by the spectrum of `guide` with one."""
        tops, lefts = matches
        rows = tops[..., None, None] + np.arange(BLOCK_PX)[:, None]
        columns = lefts[..., None, None] + np.arange(BLOCK_PX)[None, :]
        total, weights = np.zeros(noisy.shape, np.float64), np.zeros(noisy.shape, np.float64)
        for channel in range(noisy.shape[2]):
            spectrum = _transformed(noisy[rows, columns, channel])
            if guide is None:
                kept = np.abs(spectrum) > HARD_THRESHOLD * deviation
                kept[:, 0, 0, 0] = True
                shrunk, energy = spectrum * kept, kept.sum((1, 2, 3))
            else:
                power = _transformed(guide[rows, columns, channel]) ** 2
                share = power / np.maximum(power + deviation**2, 1e-12)
                shrunk, energy = spectrum * share, (share**2).sum((1, 2, 3))
            weight = 1.0 / np.maximum(energy, 1e-6)
            window = weight[:, None, None, None] * self.window
            index = np.ravel_multi_index((rows, columns), self.size)
            pixels = noisy.shape[0] * noisy.shape[1]
            values = _restored(shrunk) * window
            total[..., channel] = np.bincount(index.ravel(), values.ravel(), pixels).reshape(self.size)
            weights[..., channel] = np.bincount(
                index.ravel(), np.broadcast_to(window, values.shape).ravel(), pixels
            ).reshape(self.size)
        return (total / np.maximum(weights, 1e-12)).astype(np.float32)


def _transformed(stacks: np.ndarray) -> np.ndarray:
    """(N, GROUP, 8, 8) -> its 3-D spectrum: DCT of the blocks, Walsh-Hadamard along the stack, orthonormal."""
    return np.asarray(np.einsum("gh,nhyx->ngyx", _STACK, dctn(stacks, axes=(2, 3), norm="ortho"), optimize=True))


def _restored(spectrum: np.ndarray) -> np.ndarray:
    """The inverse of `_transformed`."""
    return np.asarray(idctn(np.einsum("gh,nhyx->ngyx", _STACK, spectrum, optimize=True), axes=(2, 3), norm="ortho"))
