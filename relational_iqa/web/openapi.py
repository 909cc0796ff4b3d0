"""The interface of `riqa serve` for programs, as an OpenAPI 3.1 document."""

from typing import Any

from distortion_engine.axes import AXES
from relational_iqa.version import __version__
from relational_iqa.viewing.alignment import ALIGNMENTS
from relational_iqa.web.limits import KEEP_MINUTES, MAX_IMAGES, MAX_MB, MAX_WEB_PIXELS

Schema = dict[str, Any]

STATUSES = {
    400: "The form cannot be read, has too few or too many images, a field of another name, or an option has a value "
    "that is none.",
    403: "A page of another site sent the form.",
    411: "The request does not say how long it is (Content-Length).",
    413: "The files are larger than the limit, or need more memory than there is.",
    415: "The request is no form (multipart/form-data).",
    422: "An image cannot be used: damaged, too large, of another size than the others without `align`, and so on.",
    503: "Too many images are on their way at the same time, or the page has no free connection.",
}
"""Status of a refusal -> what it means."""


def openapi(max_mb: float = MAX_MB, max_pixels: int = MAX_WEB_PIXELS) -> dict[str, Any]:
    """The document.

    Args:
        max_mb: largest size of a request, MB.
        max_pixels: largest width x height of an image.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "relational-iqa",
            "version": __version__,
            "summary": "Which of two processed images is better, by how much, where and in what way.",
            "description": (
                f"Served by `riqa serve`. Nothing is kept on disk; a result can be opened for {KEEP_MINUTES} minutes. "
                "Comparisons are computed one after another. There is no login."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/compare": {"post": _compare(max_mb, max_pixels)},
            "/result/{token}": {
                "get": {
                    "operationId": "result",
                    "summary": "The report of a comparison, or the league table of several images, as a page.",
                    "parameters": [_in_path("token", {"type": "string"}, "Of the `address` of an answer.")],
                    "responses": {"200": _page("The page."), "404": _page("The result is no longer held.")},
                }
            },
            "/result/{token}/{i}-{j}": {
                "get": {
                    "operationId": "pair",
                    "summary": "The report of two of several images, as a page.",
                    "parameters": [
                        _in_path("token", {"type": "string"}, "Of the `address` of an answer."),
                        _in_path("i", {"type": "integer", "minimum": 0}, "Place of A among the images that were sent."),
                        _in_path("j", {"type": "integer", "minimum": 0}, "Place of B."),
                    ],
                    "responses": {"200": _page("The page."), "404": _page("There is no such pair.")},
                }
            },
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "That the program answers, and with which weights.",
                    "responses": {"200": _json("It does.", {"$ref": "#/components/schemas/Health"})},
                }
            },
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document.",
                    "responses": {"200": _json("The document.", {"type": "object"})},
                }
            },
        },
        "components": {
            "schemas": {
                "Answer": _ANSWER, "Comparison": _COMPARISON, "Ranking": _RANKING, "Reason": _REASON, "Region": _REGION,
                "Axis": _AXIS, "Health": _HEALTH,
                "Error": _object({"error": _text("One line: what is wrong, and what to do.")}),
            }
        },
    }  # fmt: skip


def _compare(max_mb: float, max_pixels: int) -> dict[str, Any]:
    image = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = {
        "type": "object",
        "required": ["images"],
        "additionalProperties": False,
        "properties": {
            "images": {
                "type": "array", "items": image, "minItems": 2, "maxItems": MAX_IMAGES,
                "description": f"Images of one scene, of at most {max_pixels:,} pixels each: PNG, JPEG, WebP, AVIF, "
                "JPEG XL, JPEG 2000, TIFF, BMP, GIF or PPM. Each needs a file name.",
            },
            "reference": {**image, "description": "The pristine image, if there is one."},
            "align": {
                "type": "string", "enum": ["", *ALIGNMENTS], "default": "",
                "description": "What to do with images of different sizes: refuse them (empty), register them on the "
                "reference or the first image (auto), enlarge to the largest (resize) or cut to the smallest (crop).",
            },
        },
    }  # fmt: skip
    answered = _json("The numbers, with the address of the page.", {"$ref": "#/components/schemas/Answer"})
    refused = {str(status): _json(about, {"$ref": "#/components/schemas/Error"}) for status, about in STATUSES.items()}
    for one in refused.values():
        one["content"] |= _page("")["content"]  # where no JSON was asked for
    return {
        "operationId": "compare",
        "summary": "Compares two images, or ranks several.",
        "description": (
            "Gives JSON where the request has `Accept: application/json` or `?format=json`; else status 303 leads to "
            f"the page, which is what a browser shows. At most {max_mb:g} MB together."
        ),
        "parameters": [
            {
                "name": "format", "in": "query", "required": False,
                "schema": {"type": "string", "enum": ["json", "html"]},
                "description": "What is given, whatever the header Accept says.",
            }
        ],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": {
            "200": answered,
            "303": {
                "description": "Leads to the page, where no JSON was asked for.",
                "headers": {"Location": {"schema": {"type": "string"}, "description": "Address of the page."}},
            },
            **refused,
        },
    }  # fmt: skip


def _page(about: str) -> dict[str, Any]:
    return {"description": about, "content": {"text/html": {"schema": {"type": "string"}}}}


def _json(about: str, schema: Schema) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _in_path(name: str, schema: Schema, about: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": about}


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these members."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _of(kind: str | list[str], about: str = "", **more: Any) -> Schema:
    return {"type": kind, **({"description": about} if about else {}), **more}


def _text(about: str = "", **more: Any) -> Schema:
    return _of("string", about, **more)


def _number(about: str = "", **more: Any) -> Schema:
    return _of("number", about, **more)


def _maybe(about: str = "", kind: str = "number") -> Schema:
    return _of([kind, "null"], about)


def _list(items: Schema, about: str = "") -> Schema:
    return _of("array", about, items=items)


_SIDE = _text("The image that has the defect, or is behind.", enum=["a", "b"])
_SHARE = _number("Part of the whole, 0 to 1.")
_META = _of("object", "Version, weights and their SHA-256, size, device, seconds.")
_REASON = _object({
    "side": _SIDE, "axis": _text("The kind of defect."), "word": _text('As in "A is blurrier".'),
    "intensity": _number("Strength, 0 to 1; 0.2 is about the first of five severity levels."),
    "strength": _text("The same in a word.", enum=["faint", "moderate", "strong"]),
    "share": _number("Part of the better image's lead that it holds, 0 to 1."), "where": _text("Its place in words."),
    "against": _of("boolean", "Whether it speaks against the verdict."),
})  # fmt: skip
_REGION = _of("object", "A box in which one image leads: left, top, width, height (px), share, margin, side, axis.")
_AXIS = _object({
    "name": _text("Of the axis.", enum=[axis.name for axis in AXES]),
    "mean": _number("Mean over the image; positive where B has more."),
    "intensity": _number("Of its strongest finding; positive where B has more."), "share": _SHARE,
    "where": _text("Its place in words."), "matters": _of("boolean", "Whether it deserves a sentence."),
    "findings": _list(_of("object")),
})  # fmt: skip
_COMPARISON = _object({
    "verdict": _text("The answer, short."), "sentence": _text("The answer with its reasons."),
    "better": _text("A is the first image, B the second.", enum=["a", "b", "tie", "cannot tell"]),
    "margin": _number("Levels, positive where A is better; 1 is one level of a five-level distortion ladder."),
    "margin_means": _text(), "told_margin": _number("The margin, or 0 where nothing can be told or seen."),
    "confidence": _maybe("Probability that the sign of the margin is right, .5 to 1."), "confidence_means": _text(),
    "visible_difference": _of(["object", "null"], "What an eye can see of the difference."),
    "noticed": _of("object", "What was noticed before the verdict."), "unit": _text(),
    "word": _text("The size of the margin in words."), "tie_below": _number(), "cannot_tell_below": _number(),
    "names": _object({"a": _text(), "b": _text()}), "has_reference": _of("boolean"),
    "quality": {
        "oneOf": [_of("null"), _object({"a": _number("Levels below the reference, at most 0."), "b": _number()})]
    },
    "size": _object({"width": _of("integer", "px"), "height": _of("integer", "px")}),
    "viewing": _text("The condition of viewing."),
    "local_margin": _object({
        "min": _number(), "max": _number(), "mean": _number(), "share_a_better": _SHARE, "share_b_better": _SHARE,
    }),
    "reasons": _list({"$ref": "#/components/schemas/Reason"}, "What the sentence names, in its order."),
    "explained_share": _maybe("Part of the better image's lead that the reasons hold, 0 to 1."),
    "regions": _list({"$ref": "#/components/schemas/Region"}, "Where one image leads the other most."),
    "axes": _list({"$ref": "#/components/schemas/Axis"}, "One entry for each distortion axis."),
    "rois": _list(_of("object"), "Regions that were asked for; none here."), "meta": _META,
})  # fmt: skip
_RANKING = _of("object", "What `riqa rank --json` gives: docs/commands.md.", properties={
    "sentence": _text("The answer."), "unit": _text(),
    "ranking": _list(_of("object", properties={
        "rank": _of("integer"), "place": _of("integer", "Shared by images that cannot be told apart."),
        "index": _of("integer", "Place among the images that were sent."), "name": _text(),
        "quality": _maybe("Levels below the reference."), "margin_over_next": _maybe("Levels."), "score": _number(),
    }, required=["rank", "place", "index", "name", "quality", "margin_over_next", "score"]), "Best first."),
    "pairwise": _list(_list(_number()), "Margins of every image over every other, levels."), "meta": _META,
}, required=["sentence", "unit", "ranking", "pairwise", "meta"])  # fmt: skip
_HEALTH = _object({
    "status": _text(enum=["ok"]), "version": _text(), "weights": _maybe("Name of the weights.", "string"),
    "weights_sha256": _maybe("", "string"),
})  # fmt: skip
_ANSWER = _object({
    "address": _text("Path of the page with the report, or with the league table."),
    "comparison": {"$ref": "#/components/schemas/Comparison"}, "ranking": {"$ref": "#/components/schemas/Ranking"},
}, optional=("comparison", "ranking"))  # fmt: skip
_ANSWER["description"] = "`comparison` of two images, `ranking` of more."
