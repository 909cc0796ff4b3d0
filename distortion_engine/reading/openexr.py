"""OpenEXR, through the package OpenEXR (the extra `exr`): linear light of any size."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.reading.extras import extra
from distortion_engine.reading.light import REFERENCE_WHITE_NITS, Light
from distortion_engine.reading.refusals import check_pixels, damaged, several, unsupported
from distortion_engine.reading.samples import Samples, colour_space

EXR_START = b"v/1\x01"
_ORDERS = ("RGBA", "RGB", "YA", "Y")


def decode_openexr(data: bytes, name: str, max_pixels: int) -> Samples:
    """Samples of a file of one part. Width and height are checked before decoding. Raises ImageError."""
    library = extra("OpenEXR", "exr", "OpenEXR", name)
    with tempfile.TemporaryDirectory() as folder:  # the library reads paths alone
        path = Path(folder, "x.exr")
        path.write_bytes(data)
        try:
            with library.File(str(path), header_only=True) as file:
                header, parts = dict(file.header()), len(file.parts)
            (left, top), (right, bottom) = header["dataWindow"]
            check_pixels(name, int(right - left) + 1, int(bottom - top) + 1, max_pixels)
            if parts > 1:
                raise several(name)
            with library.File(str(path), separate_channels=True) as file:
                planes = {key: np.array(channel.pixels) for key, channel in file.channels().items()}
        except ImageError:
            raise
        except Exception as error:  # the library raises whatever a damaged file provokes
            raise damaged(name, error) from error
    order = next((order for order in _ORDERS if all(channel in planes for channel in order)), None)
    if order is None:
        raise unsupported(name, f"OpenEXR with channels {', '.join(sorted(planes))[:80]}", "save it with R, G and B")
    if len({planes[channel].shape for channel in order}) > 1:
        raise unsupported(name, "OpenEXR with channels of several sizes", "save it with whole R, G and B")
    values = np.dstack([planes[channel].astype(np.float32) for channel in order])
    space, alpha = colour_space(values.shape[2])
    if alpha:  # colours are multiplied by alpha in OpenEXR
        values[:, :, :-1] = _divided(values[:, :, :-1], values[:, :, -1:])
    return Samples(values, space, alpha, _light(header))


def _divided(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Straight colours; 0 where alpha is."""
    found: np.ndarray = np.where(alpha > 0, colours / np.maximum(alpha, 1e-9), 0)
    return found


def _light(header: dict[str, Any]) -> Light:
    """By the attributes chromaticities and whiteLuminance, where there are any."""
    nits = float(header.get("whiteLuminance") or REFERENCE_WHITE_NITS)
    places = header.get("chromaticities")
    if places is None:
        return Light("linear", nits=nits, source="linear OpenEXR")
    numbers = [float(value) for value in np.ravel(np.asarray(places, np.float64))]
    chromaticities = tuple((numbers[i], numbers[i + 1]) for i in range(0, 8, 2))
    return Light("linear", chromaticities, nits, "linear OpenEXR")
