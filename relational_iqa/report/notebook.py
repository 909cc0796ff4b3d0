"""A comparison in a notebook: verdict, scale of the margin, and the maps that matter, as one piece of HTML.

It needs nothing else, has no script, takes less than 200 kB, and inherits the colours of the page, light or dark.
"""

from __future__ import annotations

import base64
import html
import io

import numpy as np
from PIL import Image

from relational_iqa.report.panel import local_picture, strength_picture, strongest
from relational_iqa.report.views import LOCAL_SCALE, scale_bands, scale_position
from relational_iqa.results.colormaps import A_ANCHORS, B_ANCHORS
from relational_iqa.results.comparison import Comparison

SIDE_PX = 240  # longer side of a map
_STEPS = 32  # values of a map, so that even noise is a small file
_SCALE_HEIGHT = 34
_TILE = "display:inline-block;margin:8px 12px 0 0;vertical-align:top;max-width:240px"


def notebook_html(result: Comparison) -> str:
    """HTML of a comparison."""
    verdict, reasons = result.verdict(), result.reasons()
    parts = [f'<div style="font-weight:600">{html.escape(verdict)}</div>']
    if reasons:
        parts.append(f"<div>{html.escape(reasons)}.</div>")
    if not result.identical:
        parts += [_scale(result), _local(result), *_defects(result)]
    return f'<div style="font:14px/1.5 system-ui,sans-serif;max-width:1040px">{"".join(parts)}</div>'


def _scale(result: Comparison) -> str:
    """The words of the margin from one image to the other, and a mark where this one is."""
    bands = scale_bands()
    step = 100 / len(bands)
    colours = {"a": A_ANCHORS[1], "b": B_ANCHORS[1], "tie": "#888"}
    boxes = "".join(
        f'<rect x="{number * step:.2f}%" y="14" width="{step:.2f}%" height="8" fill="{colours[band["side"]]}" '
        f'fill-opacity="{0.25 + 0.15 * abs(number - len(bands) // 2):.2f}"/>'
        for number, band in enumerate(bands)
    )
    mark = f"{100 * scale_position(result.margin):.2f}%"
    a, b = (html.escape(_short(name)) for name in result.labels)
    text = 'fill="currentColor" font-size="11" y="32"'
    return (
        f'<svg width="100%" height="{_SCALE_HEIGHT}" role="img" style="max-width:520px;display:block;margin-top:6px">'
        f'<title>{html.escape(result.verdict())}</title>{boxes}'
        f'<circle cx="{mark}" cy="18" r="6" fill="none" stroke="currentColor" stroke-width="2"/>'
        f'<text x="0" {text}>{a} better</text><text x="50%" text-anchor="middle" {text}>equal</text>'
        f'<text x="100%" text-anchor="end" {text}>{b} better</text></svg>'
    )  # fmt: skip


def _local(result: Comparison) -> str:
    a, b = (html.escape(_short(name)) for name in result.labels)
    text = f"Where which is better: blue {a}, orange {b} ({LOCAL_SCALE:g} levels and more in full colour)"
    return _tile(local_picture(result, SIDE_PX, _STEPS), text)


def _defects(result: Comparison) -> list[str]:
    tiles = []
    for finding in strongest(result):
        name = html.escape(_short(result.labels["ab".index(finding.side)]))
        text = f"{name}: {finding.word} ({finding.strength}, {html.escape(finding.where)})"
        tiles.append(_tile(strength_picture(result.map_of(finding), SIDE_PX, _STEPS), text))
    return tiles


def _tile(picture: np.ndarray, text: str) -> str:
    stream = io.BytesIO()
    Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    height, width = picture.shape[:2]
    image = f'<img src="{uri}" alt="{text}" width="{width}" height="{height}" style="max-width:100%">'
    return f'<div style="{_TILE}">{image}<div style="font-size:12px;line-height:1.3">{text}</div></div>'


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:13]}…{name[-14:]}"
