"""How one image lies on another: shift, scale and rotation, to a fraction of a pixel, or that neither can be told.

A guess is made on small previews (that nothing moved; one shift of the whole, by phase correlation; SIFT features and
RANSAC for scale and rotation). It is then checked and refined at full resolution: a dozen patches with structure are
taken from both images, and the phase of their cross-spectrum says how far each is off. Only what most patches agree on
counts, so noise, blur, compression, colour and local wobble are not taken for a shift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from relational_iqa.viewing.scene import correlation_at
from relational_iqa.viewing.warping import Picture, warped_window

PREVIEW_PX = 1024
"""Longest side of a preview."""
LEAST_MOTION_PX = 0.25
"""Images whose corners lie closer to each other than this count as aligned."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_STRIP_PX = 1 << 20
_GRID = 4  # x 4 cells, of each of which one patch is taken
_PATCHES_PX = (128, 64, 32)
_ROUNDS = 3
_COARSE_PX, _IN_PLACE = 64, 0.85  # images that correlate this well when so small are not scaled or turned much
_SAME_PX = 0.1  # a scale or turn that moves no corner farther is not said
_COHERENCE = 0.5  # of the phases of a patch: 1 for the same structure, 0 for unrelated ones
_SLOW_COHERENCE = 0.8  # the same where phases vary slowly
_ABOUT_PX = 2.0  # how far a feature may be off
_AGREE_PX = 0.3  # how far a patch may be off what most say
_SURE = 0.6  # least share of the patches that are coherent
_AGREEING = 0.75  # least share of these that agree
_LEAST_PATCHES = 4
_BAND = 0.25  # cycles per pixel; above it noise and interpolation rule
_SLOW_BAND = 0.06  # cycles per pixel; what is blurred along a line turns phases round above it
_STILL_PX = 0.1  # median displacement of patches of an image that is taken as aligned at once
_SCALED_PX = 0.3  # median displacement beside one shift, from which on images are scaled or turned
_BETTER = 0.5  # a richer motion leaves at most this share of what a plainer one leaves unexplained
_SCALES = (0.4, 2.5)  # plausible ones
_FEATURES, _RATIO, _LEAST_MATCHES = 1500, 0.75, 10  # the ratio test of Lowe, IJCV 2004
_GRADIENT_BLUR_PX = 8


@dataclass(frozen=True)
class Motion:
    """Where the places of one image, the fixed one, lie in another.

    Args:
        matrix: place (x, y, 1) in the fixed image -> place in the other; centres of pixels are whole numbers.
        size: height and width of the fixed image.
    """

    matrix: Float64[np.ndarray, "2 3"]
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Above 1: the other image shows things larger."""
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def angle_deg(self) -> float:
        """Clockwise, as images are drawn."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))

    @property
    def shift_px(self) -> tuple[float, float]:
        """To the right and downwards, of the centre of the fixed image."""
        centre = np.array([(self.size[1] - 1) / 2, (self.size[0] - 1) / 2])
        x, y = self.matrix @ [*centre, 1.0] - centre
        return float(x), float(y)

    @property
    def largest_px(self) -> float:
        """How far the corner that moves most moves."""
        return float(np.linalg.norm(_corners(self.size) @ (self.matrix - np.eye(2, 3)).T, axis=1).max())

    def said(self) -> str:
        """What sets the other image apart from the fixed one: "shifted by 1.0 px to the right", "enlarged by 2.0 % and
        shifted by 3.1 px to the left and 0.5 px up"."""
        parts = []
        if abs(self.scale - 1) * max(self.size) / 2 >= _SAME_PX:
            how = "enlarged" if self.scale > 1 else "reduced"
            parts.append(
                f"{how} by {abs(self.scale - 1):.{1 if abs(self.scale - 1) >= 0.002 else 2}%}".replace("%", " %")
            )
        if abs(np.radians(self.angle_deg)) * max(self.size) / 2 >= _SAME_PX:
            side = "clockwise" if self.angle_deg > 0 else "counter-clockwise"
            parts.append(
                f"turned by {abs(self.angle_deg):.{1 if abs(self.angle_deg) >= 0.2 else 2}f}\N{DEGREE SIGN} {side}"
            )
        x, y = (round(value, 1) for value in self.shift_px)
        ways = [(x, "to the right" if x > 0 else "to the left"), (y, "down" if y > 0 else "up")]
        shifts = [f"{abs(length):.1f} px {way}" for length, way in ways if length]
        if shifts:
            parts.append(f"shifted by {' and '.join(shifts)}")
        return " and ".join(parts) or "moved"

    @property
    def is_none(self) -> bool:
        """Whether the two images lie on each other."""
        return self.largest_px < LEAST_MOTION_PX


def find_motion(
    fixed: Picture, moving: Picture, previews: tuple[np.ndarray, np.ndarray] | None = None
) -> Motion | None:
    """How `moving` lies on `fixed`; None where nothing is found that most of the picture agrees on.

    Args:
        fixed: the picture that stays.
        moving: the other one.
        previews: of both by `preview_factor`, where they are known.
    """
    factor = preview_factor(fixed, moving)
    first, second = previews or (preview(fixed, factor), preview(moving, factor))
    patches = _patches(first, factor, (int(fixed.shape[-2]), int(fixed.shape[-1])))
    for guess in _guesses(first, second, factor, tuple(fixed.shape[-2:]) == tuple(moving.shape[-2:])):
        found = _refined(fixed, moving, guess, *patches)
        if found is not None:
            return Motion(found, (int(fixed.shape[-2]), int(fixed.shape[-1])))
    return None


def preview_factor(*pictures: Picture) -> int:
    """By how much pictures are made smaller for a first guess."""
    return -(-max(side for picture in pictures for side in picture.shape[-2:]) // PREVIEW_PX)


def preview(picture: Picture, factor: int) -> Float32[np.ndarray, "h w"]:
    """Luma, made smaller by a whole factor by averaging; read strip by strip."""
    _, height, width = picture.shape
    rows = max(1, _STRIP_PX // (width * factor)) * factor
    strips = []
    for top in range(0, height - height % factor, rows):
        bottom = min(top + rows, height - height % factor)
        strip = picture.window(top, bottom, 0, width - width % factor).detach().cpu().numpy()
        luma = np.tensordot(_LUMA, strip.astype(np.float32), 1)
        strips.append(luma.reshape(len(luma) // factor, factor, -1, factor).mean((1, 3)))
    return np.concatenate(strips)


def _guesses(
    first: np.ndarray, second: np.ndarray, factor: int, same_size: bool
) -> Iterator[Float64[np.ndarray, "2 3"]]:
    """Motions at full resolution that are worth a closer look, the cheapest first."""
    if same_size:
        yield np.eye(2, 3)
    height, width = (min(a, b) for a, b in zip(first.shape, second.shape, strict=True))
    shift, _ = _displacement(first[:height, :width], second[:height, :width])
    yield np.array([[1.0, 0.0, shift[0] * factor], [0.0, 1.0, shift[1] * factor]])
    if same_size and (correlation_at(first, second, _COARSE_PX) or 0.0) >= _IN_PLACE:
        return  # what is damaged where it lies has no features that agree
    found = _by_features(first, second)
    if found is not None:
        middle = (factor - 1) / 2  # of the pixels that make one of the preview
        linear = found[:, :2]
        yield np.column_stack([linear, factor * found[:, 2] + middle - linear @ [middle, middle]])


def _by_features(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """A similarity by SIFT features on previews; None where too few agree."""
    sift: Any = cv2.SIFT.create(_FEATURES)
    (at_first, words_first), (at_second, words_second) = (
        sift.detectAndCompute(np.clip(np.rint(image * 255), 0, 255).astype(np.uint8), None) for image in (first, second)
    )
    if min(len(at_first), len(at_second)) < _LEAST_MATCHES:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(words_first, words_second, 2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
    if len(good) < _LEAST_MATCHES:
        return None
    source = np.array([at_first[match.queryIdx].pt for match in good])
    target = np.array([at_second[match.trainIdx].pt for match in good])
    found, inside = _similarity(source, target, _ABOUT_PX)
    if found is None or inside < _LEAST_MATCHES:
        return None
    scale = float(np.hypot(found[0, 0], found[1, 0]))
    return found if _SCALES[0] <= scale <= _SCALES[1] else None


def _patches(first: np.ndarray, factor: int, size: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Upper left corners (n, 2) as x and y of square patches with structure, one in each cell of a grid, at full
    resolution; then their side."""
    side = next((side for side in _PATCHES_PX if side <= min(size) // 3), min(_PATCHES_PX[-1], min(size) // 2))
    across, down = (cv2.Sobel(first, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    strength = cv2.GaussianBlur(across**2 + down**2, (0, 0), max(1.0, side / factor / _GRADIENT_BLUR_PX))
    places = []
    for row in range(_GRID):
        for column in range(_GRID):
            cell = [
                slice(k * length // _GRID, max((k + 1) * length // _GRID, k * length // _GRID + 1))
                for k, length in zip((row, column), strength.shape, strict=True)
            ]
            part = strength[cell[0], cell[1]]
            y, x = np.unravel_index(int(part.argmax()), part.shape)
            centre = (int(x) + cell[1].start + 0.5, int(y) + cell[0].start + 0.5)
            left, top = (
                int(min(max(factor * c - side / 2, 0), length - side))
                for c, length in zip(centre, size[::-1], strict=True)
            )
            places.append((float(part.max()), left, top))
    strongest = max(place[0] for place in places)
    kept = [(left, top) for found, left, top in places if found > 1e-4 * strongest and found > 0]
    return np.array(sorted(set(kept)), np.float64).reshape(-1, 2), side


def _refined(
    fixed: Picture, moving: Picture, guess: np.ndarray, patches: np.ndarray, side: int
) -> Float64[np.ndarray, "2 3"] | None:
    """The motion on which most patches agree, near a guess; None where they do not."""
    matrix = guess
    cut = [_luma_of(fixed, int(x), int(y), side) for x, y in patches]
    height, width = moving.shape[-2:]
    for _ in range(_ROUNDS):
        places = patches + (side - 1) / 2
        there = np.column_stack([places, np.ones(len(places))]) @ matrix.T
        margin = side / 2 - 1
        inside = ((there >= margin) & (there <= [width - 1 - margin, height - 1 - margin])).all(1)
        if inside.sum() < _LEAST_PATCHES:
            return None
        measured = [_measured(moving, matrix, cut[k], patches[k], side) for k in np.flatnonzero(inside)]
        shifts = np.array([shift for shift, _ in measured])
        sure = np.array([coherence for _, coherence in measured]) >= _COHERENCE
        if sure.sum() < max(_LEAST_PATCHES, _SURE * len(sure)):
            return None
        lengths = np.linalg.norm(shifts[sure], axis=1)
        if np.array_equal(matrix, np.eye(2, 3)) and np.quantile(lengths, _AGREEING) < _STILL_PX:
            return matrix
        source, target = places[inside][sure], there[inside][sure] + shifts[sure] @ matrix[:, :2].T
        new, agreeing = _similarity(source, target, _AGREE_PX)
        if new is None:
            return None
        matrix, of_all = new, agreeing / len(sure)
    return _plainest(matrix, source, target) if of_all >= _AGREEING else None


def _similarity(
    source: np.ndarray, target: np.ndarray, within_px: float
) -> tuple[Float64[np.ndarray, "2 3"] | None, int]:
    """The similarity that takes most places (n, 2) to places, and how many of them; None where there is none."""
    cv2.setRNGSeed(0)
    found: Any
    found, inside = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=within_px, confidence=0.999
    )
    return (None, 0) if found is None else (np.asarray(found, np.float64), int(inside.sum()))


def _plainest(matrix: np.ndarray, source: np.ndarray, target: np.ndarray) -> Float64[np.ndarray, "2 3"]:
    """No motion or one shift, where a similarity explains the displacements of patches not much better."""
    moved = target - source
    shift = np.median(moved, axis=0)
    rest_of_shift = float(np.median(np.linalg.norm(moved - shift, axis=1)))
    by_matrix = np.column_stack([source, np.ones(len(source))]) @ matrix.T
    rest = float(np.median(np.linalg.norm(target - by_matrix, axis=1)))
    if rest_of_shift > _SCALED_PX and rest < _BETTER * rest_of_shift:
        return matrix
    length = float(np.linalg.norm(shift))
    if length < LEAST_MOTION_PX or rest_of_shift > _BETTER * length:
        return np.eye(2, 3)
    return np.column_stack([np.eye(2), shift])


def _measured(
    moving: Picture, matrix: np.ndarray, cut: np.ndarray, corner: np.ndarray, side: int
) -> tuple[np.ndarray, float]:
    """Displacement (x, y) of what `matrix` takes for the patch, and its coherence."""
    left, top = (int(value) for value in corner)
    seen = warped_window(moving, matrix, top, top + side, left, left + side) @ _LUMA
    return _displacement(cut, seen)


def _luma_of(picture: Picture, left: int, top: int, side: int) -> np.ndarray:
    window = picture.window(top, top + side, left, left + side).detach().cpu().numpy()
    return np.tensordot(_LUMA, window.astype(np.float32), 1)


def _displacement(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float]:
    """How far (x, y) the content of `second` lies from that of `first`, and how well the phases of their cross-spectrum
    agree with such a shift, at most 1; _COHERENCE is enough.

    The peak of the phase correlation, whitened only where there is energy, then Gauss-Newton steps on the phases.
    """
    height, width = first.shape
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    spectra = [np.fft.rfft2((image - image.mean()) * window) for image in (first, second)]
    cross = spectra[1] * spectra[0].conj()
    strength = np.abs(cross)
    u, v = np.fft.rfftfreq(width)[None, :], np.fft.fftfreq(height)[:, None]
    band = np.hypot(u, v) <= _BAND
    if not strength[band].max() > 0:
        return np.zeros(2), 0.0
    white = np.where(band, cross / (strength + 0.1 * strength[band].mean()), 0)
    surface = np.fft.irfft2(white, (height, width))
    row, column = np.unravel_index(int(surface.argmax()), surface.shape)
    shift = np.array([(column + width // 2) % width - width // 2, (row + height // 2) % height - height // 2], float)
    u, v = np.broadcast_to(u, cross.shape)[band], np.broadcast_to(v, cross.shape)[band]
    weight, turn = np.abs(white[band]), np.angle(cross[band])
    for _ in range(4):
        rest = np.angle(np.exp(1j * (turn + 2 * np.pi * (u * shift[0] + v * shift[1]))))
        own = weight * np.cos(rest).clip(0)  # phases that disagree have no say
        if not own.sum() > 0:
            break
        slopes = -2 * np.pi * np.stack([u, v])
        normal = (slopes * own) @ slopes.T
        if np.linalg.cond(normal) > 1e6:
            break
        shift = shift + np.linalg.solve(normal, (slopes * own) @ rest).clip(-1, 1)
    agreement = weight * np.cos(turn + 2 * np.pi * (u * shift[0] + v * shift[1]))
    slow = np.hypot(u, v) <= _SLOW_BAND
    of_slow, of_fast = (float(agreement[part].sum() / weight[part].sum()) for part in (slow, ~slow))
    return shift, min(of_slow - (_SLOW_COHERENCE - _COHERENCE), of_fast)


def _corners(size: tuple[int, int]) -> Float64[np.ndarray, "4 3"]:
    """Of an image, as (x, y, 1)."""
    return np.array([[x, y, 1.0] for x in (0, size[1] - 1) for y in (0, size[0] - 1)])
