"""Colours of the report, and maps laid over a grey picture so that the place can be recognised.

One rule throughout: **hue says which image is better**, blue A and orange B, and nothing else does. Blue against orange
is told apart with every common kind of colour blindness; strength is carried by opacity and by lightness as well as by
hue. The strength of a defect has a palette of its own, the same for both images: from pale to dark plum.
"""

import numpy as np
from jaxtyping import Float, UInt8

A_ANCHORS = ("#7fb2e5", "#2f7fd0", "#0c55b3", "#083c90")  # from weak to strong
B_ANCHORS = ("#f6b77a", "#ee8420", "#d06000", "#a84400")
A_MORE_ANCHORS = ("#c9a8d8", "#9a62b8", "#7a3a9c", "#581c7a")  # which image has more of something, better or not
B_MORE_ANCHORS = ("#9fd3ac", "#4aa866", "#1f8040", "#065a26")
NEUTRAL_ANCHORS = ("#16171a", "#5a5f68", "#a8adb5", "#f4f4f1")  # from nothing to much, without a side
STRENGTH_ANCHORS = ("#d9a0cc", "#b44a9c", "#821f72", "#4d0b47")

SHADING = 0.5  # how much the picture's light and dark change the colour over it
MAX_OPACITY = 0.88  # the picture stays faintly visible under the strongest value
OPACITY_GAMMA = 0.75  # < 1: weak values (0.1 of the scale) are still seen, at about a sixth of full opacity


def _ramp(anchors: tuple[str, ...], steps: int) -> Float[np.ndarray, "{steps} 3"]:
    """Colours in [0, 1], piecewise linear in sRGB through hex colours."""
    colours = np.array([[int(anchor[i : i + 2], 16) for i in (1, 3, 5)] for anchor in anchors]) / 255
    position = np.linspace(0, len(anchors) - 1, steps)
    return np.stack([np.interp(position, range(len(anchors)), colours[:, c]) for c in range(3)], axis=1)


# Row 0: strongest A (value -1), last row: strongest B (value +1), as float32 RGB in [0, 1].
DIVERGING = np.concatenate([_ramp(A_ANCHORS, 128)[::-1], _ramp(B_ANCHORS, 128)]).astype(np.float32)
# The same for "A has more" to "B has more": purple and green, which colour-blind people tell apart too.
MORE_OF = np.concatenate([_ramp(A_MORE_ANCHORS, 128)[::-1], _ramp(B_MORE_ANCHORS, 128)]).astype(np.float32)
NEUTRAL = _ramp(NEUTRAL_ANCHORS, 256).astype(np.float32)  # values 0 to 1
# Row 0: no defect, last row: the strongest.
SEQUENTIAL = _ramp(STRENGTH_ANCHORS, 256).astype(np.float32)


def colour_of(
    values: Float[np.ndarray, "*grid"], colours: Float[np.ndarray, "256 3"] = DIVERGING
) -> tuple[Float[np.ndarray, "*grid 3"], Float[np.ndarray, "*grid"]]:
    """Returns colour and opacity, both in [0, 1], of values clipped to [-1, 1]: -1 is blue (A), 1 orange (B), or the
    first and last of other colours."""
    clipped = np.clip(values, -1, 1)
    index = np.where(clipped < 0, 127 + np.floor(clipped * 127.999), 128 + np.floor(clipped * 127)).astype(np.intp)
    return colours[np.clip(index, 0, 255)], MAX_OPACITY * np.abs(clipped) ** OPACITY_GAMMA


def tint(values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 4"]:
    """Returns values, clipped to [-1, 1], as a transparent RGBA layer to be laid over any picture."""
    return _layer(*colour_of(values))


def shade(values: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 4"]:
    """Returns the strength of a defect, clipped to [0, 1], as a transparent RGBA layer in the palette SEQUENTIAL."""
    clipped = np.clip(values, 0, 1)
    colour = SEQUENTIAL[np.rint(clipped * 255).astype(np.intp)]
    return _layer(colour, MAX_OPACITY * clipped**OPACITY_GAMMA)


def _layer(colour: Float[np.ndarray, "h w 3"], opacity: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 4"]:
    rgba: np.ndarray = np.rint(np.concatenate([colour, opacity[..., None]], axis=-1) * 255).astype(np.uint8)
    return rgba


def overlay(
    values: Float[np.ndarray, "h w"],
    picture: UInt8[np.ndarray, "h w 3"],
    colours: Float[np.ndarray, "256 3"] = DIVERGING,
) -> UInt8[np.ndarray, "h w 3"]:
    """Lays values in [-1, 1] over a grey version of an RGB picture; the opacity rises with |value|.

    The grey is compressed to the middle of the range so that colour shows on black and on white; the colour is
    shaded by the picture a little, so that structure stays visible under the strongest values.
    """
    luma = picture.astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32) / 255
    colour, opacity = colour_of(values, colours)
    colour = colour * (1 + SHADING * (luma - 0.5))[..., None]
    blended = (1 - opacity[..., None]) * (0.25 + 0.6 * luma)[..., None] + opacity[..., None] * colour
    shown: np.ndarray = np.rint(np.clip(blended, 0, 1) * 255).astype(np.uint8)
    return shown


def legend_gradient(stops: int = 21) -> str:
    """The scale as a CSS gradient from -1 to +1, drawn as `overlay` draws it over middle grey."""
    strip = overlay(np.linspace(-1, 1, stops)[None].astype(np.float32), np.full((1, stops, 3), 128, np.uint8))[0]
    return "linear-gradient(90deg, " + ", ".join(f"rgb({r} {g} {b})" for r, g, b in strip.tolist()) + ")"


def strength_gradient(stops: int = 11) -> str:
    """The scale of `shade` as a CSS gradient from 0 to 1, drawn over middle grey."""
    strip = shade(np.linspace(0, 1, stops, dtype=np.float32)[None])[0].astype(np.float32)
    opacity = strip[:, 3:] / 255
    colours = np.rint(opacity * strip[:, :3] + (1 - opacity) * 140).astype(int)  # 140: middle grey as a backdrop
    return "linear-gradient(90deg, " + ", ".join(f"rgb({r} {g} {b})" for r, g, b in colours.tolist()) + ")"
