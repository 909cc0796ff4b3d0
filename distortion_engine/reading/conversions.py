"""Which conversions `to_srgb` makes of the samples of one image, in words."""

from __future__ import annotations

from io import BytesIO

from PIL import ImageCms

from distortion_engine.reading.colour import is_converted
from distortion_engine.reading.light import Light
from distortion_engine.reading.notes import Note
from distortion_engine.reading.samples import Samples

_MAX_NAME = 60


def conversion_notes(samples: Samples) -> tuple[Note, ...]:
    """What was done to the file's samples, and what `to_srgb` does to them."""
    notes = list(samples.notes)
    if isinstance(samples.profile, Light):
        notes.append(Note("hdr", samples.profile.said, tell=True))
    if samples.alpha and not _opaque(samples):
        notes.append(Note("alpha", "alpha laid over white", tell=True))
    if samples.space == "cmyk":
        how = "by its ICC profile" if is_converted(samples) else "without an ICC profile, as 1 - ink"
        notes.append(Note("cmyk", f"CMYK converted to sRGB {how}", tell=True))
    elif is_converted(samples):
        notes.append(Note("profile", f"ICC profile {profile_name(samples.icc)} converted to sRGB"))
    kind = samples.values.dtype
    if kind.itemsize > 1:
        notes.append(Note("depth", f"{8 * kind.itemsize} bit {'floats' if kind.kind == 'f' else 'samples'}, kept"))
    return tuple(notes)


def profile_name(profile: bytes) -> str:
    """What an ICC profile calls itself, "of its own" where it does not."""
    try:
        said = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))
    except Exception:  # a profile that one library reads, another may not
        return "of its own"
    said = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return said[:_MAX_NAME] or "of its own"


def _opaque(samples: Samples) -> bool:
    alpha = samples.values[..., -1]
    full = 1 if alpha.dtype.kind in "fb" else {1: 255, 2: 65535}[alpha.dtype.itemsize]
    return bool((alpha >= full).all())
