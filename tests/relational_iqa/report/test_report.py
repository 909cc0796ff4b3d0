"""The report: one file that needs nothing else, shows every map, escapes every name and says what was found."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from distortion_engine.catalog import AXES
from distortion_engine.errors import ImageError, UsageError
from relational_iqa.report import write_report
from relational_iqa.report.pictures import (
    LOSSLESS_PIXELS,
    MAP_BYTES,
    PREVIEW_BYTES,
    PREVIEW_SIDE_PX,
    as_uint8,
    map_uri,
    previews,
)
from relational_iqa.results.colormaps import tint
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.words.margins import MARGIN_WORDS

HEIGHT, WIDTH = 40, 64
NASTY = "<script>alert('x')</script>&\"quoted\".png"


def flat(value: float = 0.0) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), value, np.float32)


def comparison(margin: float = -1.3, names: tuple[str, str] = ("A", "B"), **maps: np.ndarray) -> Comparison:
    full = {name: Map.from_array(values) for name, values in ({axis.name: flat() for axis in AXES} | maps).items()}
    meta = {"version": "0.1", "weights_sha256": "ab" * 32, "note": "</script><b>"}
    local, weight = Map.from_array(flat(margin)), Map.from_array(flat(1.0))
    return Comparison(margin, full, local, weight, True, -2.0, -0.7, names, meta)


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


class Page(HTMLParser):
    """The tags of a page, their text, and whether they are balanced."""

    VOID = {"meta", "img", "input", "link", "br", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def written(tmp_path, result: Comparison, photo: np.ndarray, reference=None) -> str:
    path = write_report(result, photo, photo, tmp_path / "new" / "report.html", reference)
    assert path == tmp_path / "new" / "report.html"
    return path.read_text(encoding="utf-8")


def test_verdict_and_reasons_stand_on_top(tmp_path, photo):
    page = Page(written(tmp_path, comparison(noise=flat(-0.4), haze=flat(0.3)), photo))
    assert "B is clearly better by 1.3 levels A is noisier (0.4, everywhere), though B is hazier" in page.text
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_a_verdict_without_a_reason_says_where_the_lead_is_and_every_crop_is_there_at_once(tmp_path, photo):
    left = flat()
    left[:, :24] = -1.0
    smeared = comparison(-0.8, smearing=flat(0.3))
    result = Comparison(-0.8, smeared.maps, Map.from_array(left), smeared.weight, meta=smeared.meta)
    text = written(tmp_path, result, photo)
    assert (
        "No single kind of distortion explains the verdict, but place by place B is better on 38\N{NO-BREAK SPACE}% "
        "of the picture, on the left side; against that, B is more smeared (0.3, everywhere)."
    ) in text
    crops = [image for image in Page(text).all("img") if "in region" in str(image["alt"])]
    assert crops and not any("loading" in image for image in crops)  # a lazy one is blank on paper


def test_nothing_is_loaded_from_anywhere(tmp_path, photo):
    text = written(tmp_path, comparison(noise=flat(0.4)), photo, reference=photo)
    page = Page(text)
    assert not re.search(r"//\w", re.sub(r"data:image/\w+;base64,[\w+/=]+", "", text))
    assert not page.all("link") and not page.all("iframe") and "@import" not in text
    assert all(address.startswith("data:image/") for address in re.findall(r"url\((.{11})", text))
    assert all("src" not in script for script in page.all("script"))
    assert all(image["src"].startswith("data:image/") for image in page.all("img") if "src" in image)
    policy = [tag["content"] for tag in page.all("meta") if tag.get("http-equiv") == "Content-Security-Policy"]
    assert policy and policy[0].startswith("default-src 'none'; img-src data:;")


def test_every_picture_in_it_can_be_decoded_and_has_a_text(tmp_path, photo):
    text = written(tmp_path, comparison(noise=flat(0.4)), photo, reference=photo)
    images = [image for image in Page(text).all("img") if image.get("id") != "overlay"]  # shows one of the others
    crops = 3 * text.count('<a class="card region"')
    assert crops > 0 and len(images) == 3 + 1 + len(AXES) + crops
    for image in images:
        assert image["alt"]
        Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1]))).load()


def test_names_and_metadata_are_escaped(tmp_path, photo):
    text = written(tmp_path, comparison(names=(NASTY, "b.png"), noise=flat(0.4)), photo)
    assert "<script>alert" not in text and "<b>" not in text.replace("<b>1.3</b>", "")
    page = Page(text)
    assert NASTY in page.text and len(page.all("script")) == 2


def test_the_json_is_inside_and_complete(tmp_path, photo):
    result = comparison(names=(NASTY, "b.png"), noise=flat(0.4))
    text = written(tmp_path, result, photo)
    inside = re.search(r'<script type="application/json" id="result">(.*?)</script>', text, re.DOTALL)
    assert inside and json.loads(inside[1]) == result.to_json()


def test_axes_that_matter_are_open_and_the_others_folded(tmp_path, photo):
    text = written(tmp_path, comparison(noise=flat(-0.4), sharpness=flat(0.6)), photo)
    opened, folded = text.split("<details>")[0], text.split("<details>")[1]
    folded = folded.split("</details>")[0]
    assert re.findall(r'data-axis="(\w+)"', opened) == ["sharpness", "noise"]
    assert set(re.findall(r'data-axis="(\w+)"', folded)) == {a.name for a in AXES} - {"sharpness", "noise"}
    assert 'data-map="local-margin"' in opened


def test_legends_say_in_words_what_the_colours_mean(tmp_path, photo):
    text = Page(written(tmp_path, comparison(noise=flat(-0.4), sharpness=flat(0.6)), photo)).text
    for words in ("A better here", "B better here", "A blurrier", "B blurrier", "A noisier", "B noisier", "2 levels"):
        assert words in text
    for entry in MARGIN_WORDS:
        assert entry.word in text and entry.meaning in text


def test_bars_point_to_the_image_the_word_is_said_of(tmp_path, photo):
    text = written(tmp_path, comparison(noise=flat(-0.4), sharpness=flat(0.6), haze=flat(0.3)), photo)
    bars = dict(re.findall(r'<th scope="row">([\w ]+)<span class="word">.*?<rect class="fill-(a|b)"', text, re.DOTALL))
    assert (bars["Sharpness"], bars["Noise"], bars["Haze"]) == ("a", "a", "b")


def test_the_slider_works_by_pointer_and_keyboard(tmp_path, photo):
    inputs = Page(written(tmp_path, comparison(), photo)).all("input")
    assert [(field["type"], field["id"], bool(field["aria-label"])) for field in inputs] == [
        ("range", "divider", True),
        ("range", "opacity", True),
    ]


@pytest.mark.parametrize("margin", [0.0, 0.05, 7.5])
def test_ties_identical_images_and_huge_margins_have_a_report(tmp_path, photo, margin):
    result = comparison(margin)
    assert result.verdict() in Page(written(tmp_path, result, photo)).text


def test_tensors_and_arrays_give_the_same_file(tmp_path, photo):
    tensor = torch.from_numpy(np.moveaxis(photo, 2, 0).copy()).float() / 255
    first = write_report(comparison(), photo, photo, tmp_path / "1.html").read_bytes()
    assert first == write_report(comparison(), tensor, tensor[None], tmp_path / "2.html").read_bytes()


def test_the_images_handed_in_are_not_changed(tmp_path, photo):
    before = photo.copy()
    write_report(comparison(noise=flat(0.4)), photo, photo, tmp_path / "r.html")
    assert np.array_equal(before, photo)


def test_images_of_another_size_are_refused_and_nothing_is_written(tmp_path, photo):
    with pytest.raises(ImageError, match="image b is 32 x 40 px but the maps are 64 x 40"):
        write_report(comparison(), photo, photo[:, :32], tmp_path / "r.html")
    with pytest.raises(ImageError, match="reference has shape"):
        write_report(comparison(), photo, photo, tmp_path / "r.html", photo[..., 0])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_report(tmp_path, photo, monkeypatch):
    target = tmp_path / "r.html"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("distortion_engine.jobs.safe_files.os.replace", fail)
    with pytest.raises(UsageError, match="disk full"):
        write_report(comparison(), photo, photo, target)
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"] and target.read_text() == "old"


def test_large_images_are_reduced_and_the_page_says_so():
    for height, width, expected in ((100, 2 * PREVIEW_SIDE_PX, "1600 × 50"), (2 * PREVIEW_SIDE_PX, 100, "50 × 1600")):
        shown = previews([np.zeros((height, width, 3), np.uint8)])[0]
        assert f"{shown.width} × {shown.height}" == expected
        assert f"reduced from {width} × {height} to {expected} px" in shown.note


def test_small_previews_are_lossless(photo):
    shown = previews([photo])[0]
    assert np.array_equal(np.asarray(decoded(shown.uri)), photo) and "lossless" in shown.note


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_previews_of_noise_keep_to_the_bytes_they_have_and_are_encoded_alike():
    side = int(LOSSLESS_PIXELS**0.5)
    noise = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    shown = previews([noise, np.zeros_like(noise), noise[::-1]])
    assert sum(len(view.uri) for view in shown) <= 4 / 3 * PREVIEW_BYTES + 200
    assert len({(view.note, view.width, view.height, view.uri[:20]) for view in shown}) == 1
    assert "JPEG quality" in shown[0].note


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ImageError, match="image a has values that are not finite"):
        as_uint8(np.full((3, 16, 16), np.nan), "image a")


def test_a_negative_scale_swaps_the_colours():
    half = Map.from_array(flat(0.5))
    assert map_uri(half, -2.0) == map_uri(-half, 2.0) != map_uri(half, 2.0)


def test_a_map_of_pure_noise_keeps_to_the_bytes_it_has():
    noise = Map.from_array(np.random.default_rng(2).uniform(-1, 1, (500, 700)))
    assert len(map_uri(noise, 1.0)) <= 4 / 3 * MAP_BYTES + 50


def test_a_layer_is_transparent_where_nothing_differs():
    values = flat()
    values[:, WIDTH // 2 :] = 0.9
    layer = np.asarray(decoded(map_uri(Map.from_array(values), 1.0)))
    assert layer.shape == (HEIGHT, WIDTH, 4)
    assert (layer[:, :28, 3] == 0).all() and (layer[:, 36:, 3] > 180).all()
    assert np.array_equal(tint(values)[..., 3] == 0, values == 0)


def test_every_part_the_script_asks_for_is_in_the_page(tmp_path, photo):
    text = written(tmp_path, comparison(noise=flat(-0.4)), photo, reference=photo)
    script = text[text.rindex("<script>") :]
    page = Page(text)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    asked = set(re.findall(r'byId\("([\w-]+)"\)', script)) | set(re.findall(r'onClick\("(\w+)"', script))
    assert len(asked) >= 14 and asked <= ids
    assert len(ids) == len([1 for _, attributes in page.tags if "id" in attributes])
    modes = {tag["data-mode"] for tag in page.all("button") if "data-mode" in tag}
    assert modes == {"slider", "side", "flicker"} and all(f'"{mode}"' in script for mode in modes)
    layers = {tag["data-layer"] for tag in page.all("img") if "data-layer" in tag}
    assert {tag["value"] for tag in page.all("option")} <= layers | {""}


def test_without_a_reference_the_script_finds_what_it_needs(tmp_path, photo):
    text = written(tmp_path, comparison(noise=flat(-0.4)), photo)
    ids = {attributes["id"] for _, attributes in Page(text).tags if "id" in attributes}
    missing = set(re.findall(r'byId\("([\w-]+)"\)', text[text.rindex("<script>") :])) - ids
    assert missing == {"photo-reference"} and 'id="pairs"' not in text


def test_every_control_has_a_name_and_every_pane_can_be_focused(tmp_path, photo):
    page = Page(written(tmp_path, comparison(noise=flat(-0.4)), photo, reference=photo))
    panes = [tag for tag in page.all("div") if "pane" in (tag.get("class") or "").split()]
    assert len(panes) == 2 + len(AXES) and all(pane["tabindex"] == "0" and pane["aria-label"] for pane in panes)
    assert "prefers-color-scheme: dark" in written(tmp_path, comparison(), photo)


def test_the_command_and_all_metadata_stand_at_the_foot(tmp_path, photo):
    path = write_report(comparison(), photo, photo, tmp_path / "r.html", command="riqa compare 'my a.png' b.png")
    text = Page(path.read_text(encoding="utf-8")).text
    assert "Command riqa compare 'my a.png' b.png" in text and "Weights SHA-256 " + "ab" * 32 in text
