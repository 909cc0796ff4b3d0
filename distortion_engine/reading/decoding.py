"""Decoding of image files to raw samples, bounded and explicit; `image_io.load_image` turns them into sRGB tensors."""

import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from distortion_engine.errors import ImageError
from distortion_engine.reading.avif import deep_avif, header_of, is_avif, limited_avif, with_properties
from distortion_engine.reading.bmp_and_ppm import decode_bmp, decode_ppm
from distortion_engine.reading.camera_raw import decode_camera_raw, is_camera_raw
from distortion_engine.reading.code_points import refuse_hdr_profile
from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.exif_orientation import read_orientation, turned
from distortion_engine.reading.gain_map import decode_gain_map, has_gain_map
from distortion_engine.reading.heif import decode_heif
from distortion_engine.reading.jpeg import JPEG_START, check_jpeg
from distortion_engine.reading.jpeg2000 import JPEG2000_STARTS, decode_jpeg2000
from distortion_engine.reading.jpegxl import JPEGXL_STARTS, decode_jpegxl
from distortion_engine.reading.light import Light
from distortion_engine.reading.notes import Note, orientation_note
from distortion_engine.reading.openexr import EXR_START, decode_openexr
from distortion_engine.reading.png_header import PngColour, as_chromaticities, png_profile, read_png_colour
from distortion_engine.reading.refusals import check_pixels, damaged, several, unsupported
from distortion_engine.reading.samples import Samples, Space, colour_space, full_range
from distortion_engine.reading.tiff import TIFF_STARTS, decode_tiff
from distortion_engine.reading.unread_formats import unread_format
from distortion_engine.reading.webp_header import read_webp_size

# Pillow's formats that hold one photograph (JPEG covers MPO); EPS (runs Ghostscript) and other containers stay out.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "AVIF", "PPM")
_READABLE = "PNG, JPEG, WebP, AVIF, JPEG XL, JPEG 2000, TIFF, BMP, GIF or PPM"
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"\x00\x00\x00\x0cjP  ")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_PNG_EXIF = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")  # where a PNG may say how it is turned
_DIRECT_FROM_PX = 8_000_000  # PNG of at least this size is decoded straight into an array
_OTHER_BYTES = 1 << 26  # what a file may hold beside its pixels (metadata, previews) before it is refused unread

_open_lock = threading.Lock()


def decode_file(path: Path, max_pixels: int, gain_map: bool = False) -> Samples:
    """Samples of an image file. Width and height are checked before anything is decoded. Raises ImageError.

    gain_map: of a JPEG with a gain map, its HDR rendition in place of its SDR picture.
    """
    name = str(path)
    data = _read(path, max_pixels)
    try:
        samples = _decode(data, name, max_pixels)
        if gain_map and data.startswith(JPEG_START) and has_gain_map(data):
            return _with_gain(data, name, samples)
        return samples
    except ImageError:
        raise
    except (ValueError, LookupError, ArithmeticError, struct.error) as error:  # numbers of a header that make no sense
        raise damaged(name, error) from error


def _with_gain(data: bytes, name: str, sdr: Samples) -> Samples:
    """The HDR rendition of a JPEG, whose SDR picture was read, upright."""
    found = decode_gain_map(data, name, sdr.icc)
    with open_header(data, name) as image:
        orientation = read_orientation(image)
    return replace(found, values=turned(found.values, orientation), notes=orientation_note(orientation))


def _decode(data: bytes, name: str, max_pixels: int) -> Samples:
    """Samples of a file's content; `name` is for messages."""
    if data.startswith(JPEGXL_STARTS):
        return decode_jpegxl(data, name, max_pixels)
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS and not is_avif(data):
        return decode_heif(data, name, max_pixels)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and (size := read_webp_size(data)):
        check_pixels(name, *size, max_pixels)
    if data.startswith(EXR_START):
        return decode_openexr(data, name, max_pixels)
    if is_camera_raw(data):
        return decode_camera_raw(data, name, max_pixels)
    if (format_name := unread_format(data)) is not None:
        raise unsupported(name, format_name)
    of_jpeg = check_jpeg(data, name, max_pixels) if data.startswith(JPEG_START) else None
    if isinstance(of_jpeg, Samples):
        refuse_hdr_profile(name, of_jpeg.icc)
        return of_jpeg
    for decode in (decode_bmp, decode_ppm):
        if (samples := decode(data, name, max_pixels)) is not None:
            return samples
    is_tiff = data.startswith(TIFF_STARTS)
    if is_tiff and (samples := decode_tiff(data, name, max_pixels, always=False)) is not None:
        refuse_hdr_profile(name, samples.icc)
        return samples
    try:
        image = open_header(data, name)
    except UnidentifiedImageError as error:
        if is_tiff and (samples := decode_tiff(data, name, max_pixels, always=True)) is not None:
            return samples
        raise _not_opened(data, name) from error
    check_pixels(name, *image.size, max_pixels)
    _check_single(image, name)
    _check_covered(image, name)
    if of_jpeg is not None and of_jpeg.shape[:2] == (image.height, image.width):
        space, alpha = colour_space(of_jpeg.shape[2])
        orientation = read_orientation(image)
        notes = orientation_note(orientation) + _frame_note(image)
        return Samples(turned(of_jpeg, orientation), space, alpha, _profile(image, name, data), notes)
    if image.format == "AVIF":
        return _decode_avif(image, data, name, max_pixels)
    if data.startswith(JPEG2000_STARTS):
        found = decode_jpeg2000(data, name)
        if isinstance(found, Samples):
            return found
        return replace(decode_pil(image, name, max_pixels), profile=found.profile)
    deep = _direct_decoder(image, data)
    if deep is None:
        samples = decode_pil(image, name, max_pixels)
        return replace(samples, profile=_profile(image, name, data))
    # Behind the pixels of a PNG Pillow finds the orientation only by decoding them all.
    upright = image.format == "PNG" and not any(mark in data for mark in _PNG_EXIF)
    orientation = 1 if upright else read_orientation(image)
    try:
        with quiet_decoders():
            values = deep(data)
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    values = values if values.ndim == 3 else values[:, :, None]
    space, alpha = colour_space(values.shape[2])
    profile = _profile(image, name, data)
    return Samples(turned(values, orientation), space, alpha, profile, orientation_note(orientation))


def _decode_avif(image: Image.Image, data: bytes, name: str, max_pixels: int) -> Samples:
    header = header_of(data, name)
    found = image.info.get("icc_profile")
    if header.bits > 8:
        values = deep_avif(data, name, header)
    else:
        image.info.pop("exif", None)  # into which Pillow puts rotation and mirror, without the crop before them
        limited = limited_avif(data, name, header) if image.mode in ("RGB", "RGBA") else None
        values = decode_pil(image, name, max_pixels).values if limited is None else limited
    return with_properties(values, found if isinstance(found, bytes) and found else None, name, header)


def decode_pil(image: Image.Image, name: str, max_pixels: int) -> Samples:
    """Samples of a Pillow image (decoded here where it is lazy). Raises ImageError."""
    check_pixels(name, *image.size, max_pixels)
    _check_single(image, name)
    try:
        with quiet_decoders():
            image.load()
            orientation = read_orientation(image)  # after load: Pillow turns TIFF itself and drops the tag
            values, space, alpha = _pil_samples(image, name)
            profile = _profile(image, name)
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    values = values if values.ndim == 3 else values[:, :, None]
    notes = orientation_note(orientation) + _frame_note(image)
    return Samples(turned(values, orientation), space, alpha, profile, notes)


def _frame_note(image: Image.Image) -> tuple[Note, ...]:
    """For a file of a phone that holds a depth or gain map behind its photograph."""
    count = int(getattr(image, "n_frames", 1)) if image.format == "MPO" else 1
    return (Note("frame", f"the first of {count} pictures in the file"),) if count > 1 else ()


def _profile(image: Image.Image, name: str, data: bytes | None = None) -> bytes | Light | None:
    """ICC profile of the colours. `data`: the file, which says more than a Pillow image. Raises ImageError for HDR."""
    found = image.info.get("icc_profile")
    profile = found if isinstance(found, bytes) and found else None
    refuse_hdr_profile(name, profile)
    if image.format == "PNG":
        return png_profile(name, read_png_colour(data) if data is not None else _colour_by_pillow(image), profile)
    return profile


def _colour_by_pillow(image: Image.Image) -> PngColour:
    """What Pillow keeps of a PNG's chunks: not cICP."""
    places = image.info.get("chromaticity")
    return PngColour(
        srgb="srgb" in image.info,
        gamma=image.info.get("gamma"),
        chromaticities=as_chromaticities(list(places)) if places and len(places) == 8 else None,
    )


def _read(path: Path, max_pixels: int) -> bytes:
    try:
        if path.is_dir():
            raise ImageError(f"{path}: is a folder; give the image files in it")
        size = path.stat().st_size
        if not path.is_file():
            raise ImageError(f"{path}: is not a regular file; give an image file")
        if size == 0:
            raise ImageError(f"{path}: is empty (0 bytes); save or download it again")
        if size > _OTHER_BYTES + 16 * max_pixels:
            raise ImageError(
                f"{path}: {size} bytes are more than {max_pixels} pixels need; if it is an image, raise --max-pixels"
            )
        return path.read_bytes()
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        said = getattr(error, "strerror", None) or error
        raise ImageError(f"{str(path)!r}: cannot be read ({said}); check the path and its permissions") from error


def open_header(data: bytes, name: str) -> Image.Image:
    """A file's content as a Pillow image that is not decoded yet, whatever its size.

    Raises ImageError, and UnidentifiedImageError for what Pillow does not read.
    """
    # Pillow's own pixel limit is a global with a warning; ours is checked by the caller, before decoding, so its limit
    # is lifted while the header is read. The lock keeps threads from restoring each other's state.
    with _open_lock, quiet_decoders():
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(BytesIO(data), formats=_FORMATS)
        except UnidentifiedImageError:
            raise
        except Exception as error:  # decoders raise whatever a damaged file provokes
            raise damaged(name, error) from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _not_opened(data: bytes, name: str) -> ImageError:
    """The error for what Pillow does not identify."""
    if data.startswith(_SIGNATURES) or data[8:12] in (b"WEBP", b"avif"):
        return damaged(name, "its header cannot be read")
    return ImageError(f"{name}: is not an image (starts with {data[:12]!r}); use {_READABLE}")


def _check_single(image: Image.Image, name: str) -> None:
    # MPO (phones: a photograph followed by depth or gain map) is its first picture.
    try:
        with quiet_decoders():
            pages = image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    if pages:
        raise several(name)


def _check_covered(image: Image.Image, name: str) -> None:
    """A TIFF may have fewer strips or tiles than its size asks for; Pillow leaves the rest black."""
    if image.format == "TIFF":
        tiles: list[Any] = getattr(image, "tile", [])
        areas = {extents: (extents[2] - extents[0]) * (extents[3] - extents[1]) for _, extents, *_ in tiles}
        if sum(areas.values()) < image.width * image.height:
            raise damaged(name, f"strips for {sum(areas.values())} of {image.width * image.height} pixels")


def _direct_decoder(image: Image.Image, data: bytes) -> Callable[[bytes], np.ndarray] | None:
    """A decoder that keeps 16 bits where Pillow would drop them to 8 without a word, or that spares large images
    Pillow's copies, three times their size at once; else None."""
    if image.format == "PNG" and data[24:25] == b"\x10":  # IHDR bit depth, always at this offset
        return imagecodecs.png_decode
    if image.format == "PNG" and data[24:26] == b"\x08\x02" and "transparency" not in image.info:  # 8 bit RGB
        return imagecodecs.png_decode if image.width * image.height >= _DIRECT_FROM_PX else None
    return None


def _array(image: Image.Image, mode: str) -> np.ndarray:
    """The pixels in one of Pillow's modes; converting into its own mode would copy the image."""
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _pil_samples(image: Image.Image, name: str) -> tuple[np.ndarray, Space, bool]:
    mode = image.mode
    if "transparency" in image.info and mode in ("1", "L", "P", "RGB"):
        return _array(image, "RGBA"), "rgb", True
    if mode in ("1", "L"):
        return _array(image, "L"), "grey", False
    if mode in ("LA", "La"):
        return _array(image, "LA"), "grey", True
    if mode in ("RGBA", "RGBa", "PA"):
        return _array(image, "RGBA"), "rgb", True
    if mode == "CMYK":
        return np.asarray(image), "cmyk", False
    if mode.startswith("I;16") or (mode == "I" and image.format == "PPM"):  # Pillow scales PGM to 16 bit
        tags: Mapping[int, Any] = getattr(image, "tag_v2", {})  # a TIFF that was opened outside: as stored
        values = full_range(np.asarray(image).astype(np.uint16), tags.get(_TIFF_BITS, (16,))[0])
        return 65535 - values if tags.get(_TIFF_PHOTOMETRIC) == 0 else values, "grey", False
    if mode == "F":
        return np.asarray(image), "grey", False
    if mode in ("RGB", "RGBX", "P", "YCbCr", "HSV"):
        return _array(image, "RGB"), "rgb", False
    raise unsupported(name, {"LAB": "CIE Lab", "I": "integers of 32 bits"}.get(mode, f"Pillow's mode {mode}"))
