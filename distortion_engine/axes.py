"""The axes on which images are compared: one channel of a field each, with words for its two directions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """One kind of damage that a field measures, with a channel of its own.

    Args:
        name: for recipes, files and results.
        more: comparative word for the positive direction.
        less: comparative word for the negative direction.
        about: what the axis measures, in a few words.
        two_sided: True where less than in the pristine image is a defect too; on the other axes it is none.
    """

    name: str
    more: str
    less: str
    about: str
    two_sided: bool = False


AXES: tuple[Axis, ...] = (
    Axis("sharpness", "sharper", "blurrier", "fine detail and edge acuity; over-sharpening is more", two_sided=True),
    Axis("pixelation", "more pixelated", "less pixelated", "visible sampling grid, staircases, aliasing"),
    Axis("noise", "noisier", "less noisy", "random fluctuation of luma or of all channels"),
    Axis("chroma_noise", "more colour-noisy", "less colour-noisy", "random fluctuation of colour at constant luma"),
    Axis("impulse", "more specked", "less specked", "isolated wrong pixels"),
    Axis("blocking", "blockier", "less blocky", "block edges and basis patterns of JPEG"),
    Axis("smearing", "more smeared", "less smeared", "ringing and texture lost to coding, denoising or upscaling"),
    Axis("brightness", "brighter", "darker", "overall lightness", two_sided=True),
    Axis("contrast", "harsher", "flatter", "spread between dark and light", two_sided=True),
    Axis("saturation", "more saturated", "less saturated", "strength of colour", two_sided=True),
    Axis("color_cast", "warmer", "cooler", "cast from blue (cooler) to orange (warmer)", two_sided=True),
    Axis("tint", "greener", "more magenta", "cast from magenta to green", two_sided=True),
    Axis(
        "hue",
        "turned from red to yellow in hue",
        "turned from red to magenta in hue",
        "hues turned round the colour circle, greys left as they are",
        two_sided=True,
    ),
    Axis("chroma_defect", "more colour-fringed", "less colour-fringed", "colour out of register or bled over edges"),
    Axis("quantization", "more banded", "less banded", "too few levels, false contours"),
    Axis("geometric", "more warped", "less warped", "content moved out of place"),
    Axis("local_damage", "more damaged", "less damaged", "blocks, lost data, generated patterns"),
    Axis("haze", "hazier", "clearer", "veil of scattered light"),
)
AXIS_INDEX: dict[str, int] = {axis.name: i for i, axis in enumerate(AXES)}
