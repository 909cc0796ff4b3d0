"""Names of image formats that are not read, by the first bytes of the file: what a person may well have, and try."""

_NAMES = (
    (b"8BPS", "Photoshop (PSD)"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"PF\n", "colour PFM"),
    (b"P7\n", "PAM (portable arbitrary map)"),
    (b"II\xbc", "JPEG XR"),
    (b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (b"qoif", "QOI"),
    (b"DDS ", "DirectDraw surface (DDS)"),
    (b"\0\0\1\0", "icon (ICO)"),
    (b"SIMPLE  =", "FITS"),
    (b"<svg", "SVG"),
    (b"gimp xcf", "GIMP (XCF)"),
    (b"SDPX", "DPX"),
    (b"XPDS", "DPX"),
    (b"\x8aMNG", "MNG"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
)


def unread_format(data: bytes) -> str | None:
    """The name of a known format that is not read; None for what is read and for what is no image."""
    return next((name for start, name in _NAMES if data.startswith(start)), None)
