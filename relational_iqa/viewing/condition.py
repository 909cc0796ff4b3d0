"""How pictures are looked at: how many of their pixels lie in a degree of the visual field, and what an eye sees there.

An eye of normal acuity resolves a minute of arc: SEEN_PPD pixels per degree. Pictures are brought to that, and compared
there and at the octaves below. What counts how much is the sensitivity to contrast at the finest octave of frequencies
that each of these holds (J. L. Mannos, D. J. Sakrison, "The effects of a visual fidelity criterion on the encoding of
images", IEEE Transactions on Information Theory 20, 1974, equation 20). These are facts of vision, no opinions of
pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from distortion_engine.errors import UsageError

PIXEL_PEEP = "pixel-peep"
"""The condition in which every pixel counts, whatever an eye could resolve: pictures are compared as they are."""
SEEN_PPD = 60.0
"""Pixels per degree of what is compared under every other condition."""
OCTAVES_PPD = (60.0, 30.0, 15.0)
LEAST_PPD, MOST_PPD = 20.0, 1000.0


@dataclass(frozen=True)
class Screen:
    """A screen and who looks at it.

    Args:
        wide_cm: its longer side.
        wide_px: the same in pixels.
        distance_cm: from the eye.
    """

    wide_cm: float
    wide_px: int
    distance_cm: float

    def pixels_per_degree(self, longest_px: int) -> float:
        """Of a picture with this longer side, which fills the screen, or is shown pixel by pixel where it is
        smaller."""
        degree_cm = self.distance_cm * math.tan(math.radians(1))
        return max(longest_px, self.wide_px) * degree_cm / self.wide_cm


SCREENS = {
    "phone": Screen(14.1, 2556, 30.0),  # 6.1 inches
    "desktop": Screen(53.1, 1920, 60.0),  # 24 inches, Full HD
}


@dataclass(frozen=True)
class Viewing:
    """A condition for pictures of one size.

    Args:
        name: as it was asked for.
        pixels_per_degree: of the pictures as they are.
    """

    name: str
    pixels_per_degree: float

    @property
    def factor(self) -> float:
        """By which the sides of the pictures are multiplied before they are compared."""
        return SEEN_PPD / self.pixels_per_degree

    def described(self) -> str:
        """What is compared, in words."""
        weights = " : ".join(f"{weight:.2f}" for weight in octave_weights(len(OCTAVES_PPD)))
        at = ", ".join(f"{ppd:g}" for ppd in OCTAVES_PPD)
        named = f"{self.name}, " if self.name in SCREENS else ""
        return (
            f"{named}{self.pixels_per_degree:.3g} pixels per degree; compared at {at} per degree, which count {weights}"
        )


def find_viewing(asked: str | float | None, longest_px: int) -> Viewing | None:
    """The condition of pictures whose longer side is `longest_px`; None for `pixel-peep`.

    Args:
        asked: "phone", "desktop", "pixel-peep", or how many pixels of the pictures lie in a degree; None for
            "pixel-peep".
        longest_px: of the pictures.

    Raises:
        UsageError: for anything else.
    """
    if asked is None or asked == PIXEL_PEEP:
        return None
    if asked in SCREENS:
        return Viewing(str(asked), SCREENS[str(asked)].pixels_per_degree(longest_px))
    try:
        ppd = float(asked)
    except ValueError:
        ppd = math.nan
    if not LEAST_PPD <= ppd <= MOST_PPD:
        names = ", ".join([*SCREENS, PIXEL_PEEP])
        raise UsageError(
            f"viewing {asked}: expected {names}, or pixels per degree from {LEAST_PPD:g} to {MOST_PPD:g}, as 60"
        )
    return Viewing(f"{ppd:g}", ppd)


def contrast_sensitivity(cycles_per_degree: float) -> float:
    """Of an eye to luminance, about 1 at its maximum at 8 cycles per degree."""
    scaled = 0.114 * cycles_per_degree
    return 2.6 * (0.0192 + scaled) * math.exp(-(scaled**1.1))


def octave_weights(count: int) -> tuple[float, ...]:
    """How much the first `count` of OCTAVES_PPD count; the sum is 1.

    The finest octave of frequencies that p pixels per degree hold is p / 4 to p / 2 cycles per degree; its middle
    decides.
    """
    found = [contrast_sensitivity(ppd / 2**1.5) for ppd in OCTAVES_PPD[:count]]
    return tuple(value / sum(found) for value in found)
