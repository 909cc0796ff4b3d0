"""HDR: what pixels mean as light, and how that is brought to the values that are compared.

1. Code values become absolute luminance in cd/m² of red, green and blue: PQ by SMPTE ST 2084; HLG by ITU-R BT.2100 on a
   display of 1000 cd/m² (system gamma 1.2); linear light by what stands for 1 in it, the reference white of 203 cd/m²
   (ITU-R BT.2408) where the file does not say.
2. Primaries become those of BT.709, which sRGB has; what lies outside of them is cut off.
3. A display of PEAK_NITS shows it: brighter light is PEAK_NITS.
4. PU21 makes equal steps about equally visible (R. K. Mantiuk, M. Azimi, "PU21: A novel perceptually uniform encoding
   for adapting existing quality metrics for HDR", Picture Coding Symposium 2021; its parameters for banding with
   glare), divided by its value at PEAK_NITS, so that values lie in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32

PEAK_NITS = 1000.0
"""Of the display on which HDR is shown, cd/m²."""
REFERENCE_WHITE_NITS = 203.0
"""What diffuse white of SDR, and 1 in linear light, is worth: ITU-R BT.2408-7, table 1."""
DESCRIBED = f"on a display of {PEAK_NITS:.0f} cd/m², encoded by PU21"
LEAST_NITS, MOST_NITS = 0.005, 10000.0  # of PU21

_PU21 = (0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204, 596.3148142)
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128  # ST 2084, section 5
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073  # of HLG: BT.2100, table 5
_HLG_GAMMA = 1.2  # of a display of 1000 cd/m²
_BT2020_LUMA = (0.2627, 0.6780, 0.0593)
_SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), (0.3127, 0.3290))

Chromaticities = tuple[tuple[float, float], ...]
"""xy of red, green, blue and white."""


@dataclass(frozen=True)
class Light:
    """What the values of an HDR image mean.

    Args:
        transfer: "PQ", "HLG" or "linear".
        chromaticities: xy of red, green, blue and white.
        nits: of linear light, what 1 is worth in cd/m².
        source: what to call it where it is more than its transfer, as "the gain map of a JPEG".
    """

    transfer: str
    chromaticities: Chromaticities = _SRGB
    nits: float = REFERENCE_WHITE_NITS
    source: str = ""

    @property
    def said(self) -> str:
        """What was read and how it is shown, in words."""
        worth = f", 1 is {self.nits:g} cd/m²" if self.transfer == "linear" else ""
        return f"HDR ({self.source or self.transfer}{worth}) shown {DESCRIBED}"

    def shown(self, values: Float[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h w 3"]:
        """What is compared, in [0, 1], of code values in [0, 1], or of linear light of any size; grey or RGB."""
        rgb = np.broadcast_to(values, (*values.shape[:2], 3)).astype(np.float32)
        if self.transfer == "PQ":
            nits = nits_of_pq(rgb)
        elif self.transfer == "HLG":
            nits = nits_of_hlg(rgb)
        else:
            nits = np.maximum(rgb, 0) * np.float32(self.nits)
        return encoded(nits @ to_srgb_primaries(self.chromaticities).T)


def nits_of_pq(values: Float32[np.ndarray, "*any"]) -> Float32[np.ndarray, "*any"]:
    """Luminance in cd/m² of code values in [0, 1] (ST 2084, equation 4.1)."""
    root = np.power(np.clip(values, 0, 1), np.float32(1 / _M2))
    ratio = np.maximum(root - np.float32(_C1), 0) / (np.float32(_C2) - np.float32(_C3) * root)
    nits: np.ndarray = np.float32(10000) * np.power(ratio, np.float32(1 / _M1))
    return nits


def nits_of_hlg(values: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Luminance in cd/m² of code values in [0, 1] on a display of 1000 cd/m² (BT.2100, table 5)."""
    values = np.clip(values, 0, 1)
    scene = np.where(
        values <= 0.5, values**2 / 3, (np.exp((values - np.float32(_C)) / np.float32(_A)) + np.float32(_B)) / 12
    )
    luma = scene @ np.asarray(_BT2020_LUMA, np.float32)
    nits: np.ndarray = np.float32(1000) * scene * np.power(luma, np.float32(_HLG_GAMMA - 1))[..., None]
    return nits


def encoded(nits: Float[np.ndarray, "*any"]) -> Float32[np.ndarray, "*any"]:
    """What is compared, in [0, 1], of luminance in cd/m²."""
    top = pu21(np.array(PEAK_NITS))
    found: np.ndarray = np.clip(pu21(np.minimum(nits, PEAK_NITS)) / top, 0, 1).astype(np.float32)
    return found


def pu21(nits: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """PU21 of luminance in cd/m², 0 for 0.005; about 256 for 100 and 595 for 10,000."""
    p1, p2, p3, p4, p5, p6, p7 = _PU21
    power = np.power(np.clip(nits, LEAST_NITS, MOST_NITS), p4)
    return np.asarray(p7 * (np.power((p1 + p2 * power) / (1 + p3 * power), p5) - p6))


def nits_of_shown(values: Float[np.ndarray, "*any"]) -> Float32[np.ndarray, "*any"]:
    """Luminance in cd/m² of what is compared, in [0, 1]: the inverse of `encoded` up to PEAK_NITS."""
    p1, p2, p3, p4, p5, p6, p7 = _PU21
    root = np.power(np.asarray(values, np.float64) * float(pu21(np.array(PEAK_NITS))) / p7 + p6, 1 / p5)
    found: np.ndarray = np.power(np.maximum(root - p1, 0) / (p2 - p3 * root), 1 / p4).astype(np.float32)
    return found


def sdr_shown(srgb: Float32[np.ndarray, "*any"]) -> Float32[np.ndarray, "*any"]:
    """What is compared beside HDR, of sRGB in [0, 1], whose white is the reference white."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4)
    return encoded(linear.astype(np.float32) * np.float32(REFERENCE_WHITE_NITS))


def white_shown() -> float:
    """What the reference white is in what is compared: what lies under a transparent HDR image."""
    return float(encoded(np.array(REFERENCE_WHITE_NITS)))


@lru_cache(maxsize=32)
def to_srgb_primaries(chromaticities: Chromaticities) -> Float32[np.ndarray, "3 3"]:
    """Linear RGB of these primaries to linear RGB of BT.709; other whites are adapted (Bradford)."""
    if chromaticities == _SRGB:
        return np.eye(3, dtype=np.float32)
    own, srgb = _to_xyz(chromaticities), _to_xyz(_SRGB)
    white_own, white = own.sum(1), srgb.sum(1)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    adapted = np.linalg.inv(bradford) @ np.diag((bradford @ white) / (bradford @ white_own)) @ bradford
    found: np.ndarray = (np.linalg.inv(srgb) @ adapted @ own).astype(np.float32)
    return found


def _to_xyz(chromaticities: Chromaticities) -> np.ndarray:
    """(3, 3): XYZ of RGB, white of luminance 1 (SMPTE RP 177)."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in chromaticities]).T
    primaries, white = columns[:, :3], columns[:, 3]
    found: np.ndarray = primaries * np.linalg.solve(primaries, white)
    return found
