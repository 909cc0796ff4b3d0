"""Camera raw, DNG among it, through LibRaw (rawpy, the extra `raw`): one development that changes nothing by itself.

Camera white balance, no automatic brightness, demosaicing by AHD, sRGB with its curve, 16 bits. Two raw files are so
developed in the same way whatever they show; what their own cameras would make of them is another picture.
"""

import struct
import warnings
from io import BytesIO

import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.reading.extras import extra
from distortion_engine.reading.notes import Note
from distortion_engine.reading.refusals import check_pixels, damaged
from distortion_engine.reading.samples import Samples
from distortion_engine.reading.tiff_header import TiffDirectory

_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # Fujifilm, Olympus, Panasonic
_MAKE, _SUB_DIRECTORIES, _DNG_VERSION = 271, 330, 50706  # tags of TIFF
_SRGB_CURVE = (2.4, 12.92)
DEVELOPED = "camera raw, developed by LibRaw: white balance of the camera, no automatic brightness, sRGB"


def is_camera_raw(data: bytes) -> bool:
    """Whether a file is camera raw: by its first bytes, or as a TIFF that is a DNG or a camera's preview of one."""
    if data.startswith(_STARTS) or data[4:12] == b"ftypcrx ":
        return True
    if not data.startswith((b"II*\0", b"MM\0*")):
        return False
    if data[8:10] == b"CR":
        return True
    try:
        directory = TiffDirectory(data)
        previews = bool(directory.one(254, 0) & 1) and directory.count(_MAKE) and directory.count(_SUB_DIRECTORIES)
        return directory.count(_DNG_VERSION) > 0 or bool(previews)
    except (struct.error, KeyError, OverflowError, IndexError, ValueError):
        return False


def decode_camera_raw(data: bytes, name: str, max_pixels: int) -> Samples:
    """Developed samples, upright. Width and height are checked before decoding. Raises ImageError."""
    library = extra("rawpy", "raw", "camera raw", name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with library.imread(BytesIO(data)) as raw:
                sizes = raw.sizes
                check_pixels(name, int(sizes.width), int(sizes.height), max_pixels)
                values = raw.postprocess(
                    demosaic_algorithm=library.DemosaicAlgorithm.AHD,
                    use_camera_wb=True,
                    no_auto_bright=True,
                    adjust_maximum_thr=0.0,  # else LibRaw may brighten to the largest value of the picture
                    output_color=library.ColorSpace.sRGB,
                    gamma=_SRGB_CURVE,
                    output_bps=16,
                )
    except ImageError:
        raise
    except Exception as error:  # LibRaw raises whatever a damaged file provokes
        raise damaged(name, error) from error
    return Samples(np.ascontiguousarray(values), "rgb", False, None, (Note("raw", DEVELOPED, tell=True),))
