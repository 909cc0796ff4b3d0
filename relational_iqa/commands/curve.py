"""riqa curve: rate and quality of codecs, from a folder of encodes."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import bound_threads, finish, full_path, load_system, write_file
from relational_iqa.commands.options import CSV, Metavar, NonNegativeInt, Positional, Writes
from relational_iqa.commands.shared_options import DeviceOptions, ModelOptions, ViewingOption
from relational_iqa.curves.names import Interpolation
from relational_iqa.version import __version__
from relational_iqa.viewing.condition import PIXEL_PEEP, find_viewing

COLUMNS = ("picture", "codec", "setting", "bpp", "quality", "bytes", "width", "height", "file")
PLOT_KINDS = ("png", "svg", "pdf")


@dataclass(frozen=True, kw_only=True)
class CurveOptions(ViewingOption, ModelOptions, DeviceOptions):
    """Options of `riqa curve`. Raises UsageError for a plot of an unknown kind and a condition of viewing that is
    none."""

    encodes: Annotated[str, Positional("ENCODES")]
    """Folder of encodes, by several codecs at several settings; sub-folders included."""
    reference: Annotated[str, Metavar("R")]
    """The picture that was encoded, or a folder of several."""
    pattern: Annotated[str | None, Metavar("REGEX")] = None
    """How paths below ENCODES name codec, picture and setting, as groups of a regular expression:
    (?P<codec>[^/]+)/(?P<picture>.+)-(?P<setting>.+)[.]. Without it the codec is the sub-folder or the suffix."""
    anchor: Annotated[str | None, Metavar("CODEC")] = None
    """Codec that the others are held against; jpeg or, without one, the first by name if not given."""
    interpolation: Interpolation = "pchip"
    """Curve between the encodes: monotone cubics (pchip) or those of Akima."""
    csv: Annotated[str | None, Metavar("PATH"), CSV] = None
    """Writes a table with one row per encode."""
    plot: Annotated[str | None, Metavar("F.png"), Writes(suffixes=(".png", ".svg", ".pdf"))] = None
    """Writes the curves as png, svg or pdf (extra [plot])."""
    seed: Annotated[NonNegativeInt, Metavar("S")] = 0
    """Seed of the draws behind the intervals."""

    def __post_init__(self) -> None:
        find_viewing(self.viewing, 1)
        if self.plot is not None and self.plot_kind not in PLOT_KINDS:
            raise UsageError(f"{self.plot}: plots are {', '.join(PLOT_KINDS)}; end the name with one of them")

    @property
    def plot_kind(self) -> str:
        """The suffix of the plot without its point, "" without a plot."""
        return "" if self.plot is None else Path(self.plot).suffix.lower().lstrip(".")


def curve(options: CurveOptions) -> None:
    """What codecs need for a quality: bits per pixel, quality below the reference, and BD-rate against an anchor.

    Prints a line a codec, and what it saves against the anchor at equal quality, with a 95 % interval.
    """
    bound_threads(options.threads)

    from distortion_engine.jobs.progress import progress
    from relational_iqa.curves.comparison import curves_of, savings
    from relational_iqa.curves.encodes import find_encodes
    from relational_iqa.curves.plot import check_matplotlib, draw_curves
    from relational_iqa.curves.points import measure

    if options.plot is not None:
        check_matplotlib()
    encodes = find_encodes(options.encodes, options.reference, options.pattern)
    codecs = sorted({encode.codec for encode in encodes})
    anchor = options.anchor or ("jpeg" if "jpeg" in codecs else codecs[0])
    if anchor not in codecs:
        raise UsageError(f"--anchor {anchor}: no encode of it; there are {', '.join(codecs)}")
    model = load_system("pixel_perfect", options.weights, options.device, options.precision)
    with progress(len(encodes), "encodes", options.quiet) as tick:
        measured = measure(model, encodes, options.max_pixels, options.align, tick, options.viewing)
    curves = curves_of(measured.points)
    found = savings(measured, anchor, options.interpolation, options.seed)

    width = max(map(len, codecs))
    lines = [f"{'codec':{width}}  encodes    bits per pixel          quality"]
    for codec, pictures in curves.items():
        points = [point for each in pictures.values() for point in each]
        rates, qualities = [point[0] for point in points], [point[1] for point in points]
        lines.append(
            f"{codec:{width}}  {len(points):7}  {min(rates):6.2f} to {max(rates):5.2f}  {min(qualities):6.2f} to "
            f"{max(qualities):5.2f}"
        )
    lines += [saving.line() for saving in found]
    if options.viewing is not None:
        lines.append(f"viewing: {options.viewing}")
    if measured.noise is not None:
        lines.append(f"intervals: a quality is taken as sure to ±{measured.noise:.2f} levels, by its confidences")
    if options.plot is not None:
        picture = io.BytesIO()
        draw_curves(curves, [saving.line() for saving in found], picture, options.plot_kind)
        write_file(options.plot, picture.getvalue())
        lines.append(f"plot: {full_path(options.plot)}")
    rows = [
        {
            "picture": point.encode.picture, "codec": point.encode.codec, "setting": point.encode.setting,
            "bpp": point.bpp, "quality": point.quality, "bytes": point.bytes, "width": point.width,
            "height": point.height, "file": str(point.encode.file),
        }
        for point in measured.points
    ]  # fmt: skip
    if options.csv is not None:
        from relational_iqa.folders.csv_table import csv_table

        with csv_table(options.csv, COLUMNS) as table:
            for row in rows:
                table.add(row)
        lines.append(f"csv: {full_path(options.csv)}")
    content = {
        "anchor": anchor, "interpolation": options.interpolation, "noise": measured.noise, "encodes": rows,
        "savings": [saving.to_json() for saving in found], "reference": options.reference,
        "viewing": options.viewing or PIXEL_PEEP, "meta": {"version": __version__, **model.meta},
    }  # fmt: skip
    finish(lines, content, options.json)
