"""TIFF that Pillow would read at another depth, with another meaning or not at all: by the libtiff of imagecodecs."""

import imagecodecs
import numpy as np

from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.exif_orientation import turned
from distortion_engine.reading.icc_matrix import chromaticities_of, is_linear
from distortion_engine.reading.light import Light
from distortion_engine.reading.notes import orientation_note
from distortion_engine.reading.refusals import check_pixels, damaged, several, unsupported
from distortion_engine.reading.samples import Samples, Space, full_range, straight
from distortion_engine.reading.tiff_header import TiffHeader, read_tiff_header

TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _LAB = 0, 1, 2, 3, 5, 8
_CODING_NOISE = 0.05  # how far lossy coding takes values out of [0, 1]
_LERC, _WEBP = 34887, 50001
_UNSIGNED, _FLOAT = 1, 3
_ASSOCIATED, _UNASSOCIATED = 1, 2
_SPACES = {
    _PALETTE: "a palette",
    _SEPARATED: "CMYK",
    6: "YCbCr",
    _LAB: "CIE Lab",
    9: "ICC Lab",
    32803: "a colour filter array (raw)",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear raw",
}


def decode_tiff(data: bytes, name: str, max_pixels: int, always: bool) -> Samples | None:
    """Samples of a TIFF, or None where Pillow reads it as it is. Size and layout are checked before decoding.

    always: Pillow does not know this kind of file. Raises ImageError.
    """
    try:
        header = read_tiff_header(data)
    except ValueError as error:
        if always:
            raise damaged(name, error) from error
        return None  # Pillow says what is wrong with it
    if header.preview:
        raise unsupported(name, "camera raw, or TIFF that begins with a preview,", "save it as TIFF or PNG first")
    deep = max(header.bits) > 8 and header.photometric not in (_PALETTE, _SEPARATED, _LAB)  # these Pillow reads
    if not always and not deep and header.compression not in (_LERC, _WEBP):
        return None
    check_pixels(name, header.width, header.height, max_pixels)
    if header.several:
        raise several(name)
    _check_kind(header, name)
    if not header.covered:
        raise damaged(name, "fewer strips or tiles than its size asks for")
    try:
        with quiet_decoders():
            values = imagecodecs.tiff_decode(data)
    except Exception as error:  # decoders raise whatever a damaged file provokes
        if "not implemented" in str(error) or "not configured" in str(error):
            raise unsupported(name, f"TIFF of compression {header.compression}") from error
        raise damaged(name, error) from error
    values = np.moveaxis(values, 0, -1) if header.separate else values.reshape(header.height, header.width, -1)
    if values.shape != (header.height, header.width, header.samples):
        raise damaged(name, f"samples of shape {values.shape}")
    return _interpreted(values, header)


def _check_kind(header: TiffHeader, name: str) -> None:
    bits, formats = set(header.bits), set(header.formats)
    if len(bits) > 1 or len(formats) > 1:
        raise unsupported(name, f"TIFF of samples of {header.bits} bits")
    (depth,), (kind,) = bits, formats
    if not (kind == _UNSIGNED and depth <= 16) and not (kind == _FLOAT and depth in (16, 32, 64)):
        said = {_UNSIGNED: "unsigned", 2: "signed", _FLOAT: "floating-point"}.get(kind, "unknown")
        raise unsupported(name, f"TIFF of {said} {depth} bit samples")
    if header.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
        space = _SPACES.get(header.photometric, f"colour space {header.photometric}")
        raise unsupported(name, f"{depth} bit TIFF in {space}")
    if kind == _FLOAT and header.photometric == _WHITE_IS_ZERO:
        raise unsupported(name, "floating-point TIFF in which white is zero")


def _interpreted(values: np.ndarray, header: TiffHeader) -> Samples:
    """Samples of full scale: black is zero, alpha is straight, what is neither colour nor alpha is left out."""
    floats = values.dtype.kind == "f"
    if not floats:
        values = full_range(values, header.bits[0])
    colours = 3 if header.photometric == _RGB else 1
    rest = [index for index, kind in enumerate(header.extra) if kind in (_ASSOCIATED, _UNASSOCIATED)][:1]
    inside = values[:, :, :colours]
    if header.photometric == _WHITE_IS_ZERO:
        inside = np.iinfo(values.dtype).max - inside
    if rest:
        alpha = values[:, :, colours + rest[0], None]
        if header.extra[rest[0]] == _ASSOCIATED:
            inside = straight(inside, alpha)
        inside = np.concatenate([inside, alpha], axis=2)
    space: Space = "rgb" if colours == 3 else "grey"
    turn, colours_of = header.orientation, _light(header) if floats and _is_beyond(inside) else None
    return Samples(turned(inside, turn), space, bool(rest), colours_of or header.profile, orientation_note(turn))


def _is_beyond(values: np.ndarray) -> bool:
    """Whether floats are finite, and larger than what SDR has."""
    return bool(np.isfinite(values).all() and values.max() > 1 + _CODING_NOISE)


def _light(header: TiffHeader) -> Light | None:
    """Linear light, where an ICC profile says that the values are it; its white is the reference white."""
    profile = header.profile
    if profile is None or not is_linear(profile):
        return None
    found = chromaticities_of(profile)
    return Light("linear", found, source="linear TIFF") if found else None
