"""Why an image is refused, each in one line that names the file and the remedy."""

from distortion_engine.errors import ImageError


def check_pixels(name: str, width: int, height: int, max_pixels: int) -> None:
    """Raises ImageError where width * height exceeds `max_pixels`."""
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width}x{height} px are {width * height} pixels, over the limit of {max_pixels}; "
            f"use a smaller image or allow it with --max-pixels {width * height} (max_pixels= in Python)"
        )


def out_of_memory(name: str) -> ImageError:
    """The error for an image that is within the limit of pixels but not within what the machine has."""
    return ImageError(f"{name}: decoding it takes more memory than there is; use a smaller image or free some")


def several(name: str) -> ImageError:
    """The error for animations and files of several pages."""
    return ImageError(f"{name}: is an animation or has several pages; save one frame as PNG and use that")


def damaged(name: str, error: object) -> ImageError:
    """The error for a file that its decoder does not read; `error`: what the decoder says."""
    if isinstance(error, MemoryError):
        return out_of_memory(name)
    told = error.args[0] if isinstance(error, Exception) and error.args else error
    text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(error)  # LibRaw speaks in bytes
    said = " ".join(text.split()) or type(error).__name__
    if said.lower().startswith("unsupported"):  # as Pillow says of valid files
        return unsupported(name, f"a kind of file ({said[:120]})")
    return ImageError(f"{name}: is damaged or cut short ({said[:120]}); save or download it again")


def unsupported(name: str, what: str, remedy: str = "save it as 8 or 16 bit sRGB PNG") -> ImageError:
    """The error for a valid file of a kind that is not read. `what`: for example "12 bit JPEG"."""
    return ImageError(f"{name}: {what} is not read; {remedy}")
