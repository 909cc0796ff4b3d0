"""The report of a comparison: one file that needs nothing else, escapes every name and says what was found."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distortion_engine.catalog import AXES
from relational_iqa.report import write_report
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.words.margins import MARGIN_WORDS
from tests.relational_iqa.report.pages import Page, comparison, flat, written

NASTY = "<script>alert('x')</script>&\"quoted\".png"


def test_verdict_and_reasons_stand_on_top(tmp_path: Path, photo: np.ndarray) -> None:
    page = Page(written(tmp_path, comparison(noise=flat(-0.4), haze=flat(0.3)), photo))
    assert "B is clearly better by 1.3 levels A is noisier (moderate, everywhere), though B is hazier" in page.text
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("h1") == 1


def with_spot() -> Comparison:
    """A noisy corner of B, where A is better."""
    noise, local = flat(), flat(-0.05)
    noise[:16, :16], local[:16, :16] = 0.6, 2.0
    spotted = comparison(0.5, noise=noise)
    return replace(spotted, local_margin=Map.from_array(local))


def test_a_verdict_without_a_reason_says_where_the_lead_is_and_every_crop_is_there_at_once(
    tmp_path: Path, photo: np.ndarray
) -> None:
    left = flat()
    left[:, :24] = -1.0
    smeared = comparison(-0.8, smearing=flat(0.3))
    result = Comparison(-0.8, smeared.maps, Map.from_array(left), smeared.weight, meta=smeared.meta)
    text = written(tmp_path, result, photo)
    assert (
        "No known kind of defect explains that; it is ahead on 38\N{NO-BREAK SPACE}% "
        "of the picture, on the left side, though more smeared (moderate, everywhere)."
    ) in text
    crops = [
        image for image in Page(written(tmp_path, with_spot(), photo)).all("img") if "in region" in str(image["alt"])
    ]
    assert crops and not any("loading" in image for image in crops)  # a lazy one is blank on paper


def test_the_headline_says_how_sure_it_is_and_a_line_under_it_what_that_means(
    tmp_path: Path, photo: np.ndarray
) -> None:
    text = Page(written(tmp_path, replace(comparison(), confidence=0.953), photo)).text.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert (
        "B is clearly better by 1.3 levels (95 % sure) "
        "95 % sure: the probability, by the model's own estimate, that B is indeed the better image."
    ) in text
    assert "Confidence 95 % that the sign of the margin is right (below 60 %: cannot tell)" in text
    plain = Page(written(tmp_path, comparison(), photo)).text
    assert "sure" not in plain and "annot tell" not in plain and "Confidence" not in plain


def test_where_nothing_can_be_told_neither_image_nor_size_is_marked_as_the_answer(
    tmp_path: Path, photo: np.ndarray
) -> None:
    page = Page(written(tmp_path, replace(comparison(), confidence=0.55), photo))
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Cannot tell which of A and B is better (B at 55 %, margin 1.3 levels) 55 %: the probability" in text
    assert "Below 60 % no image is called better." in text
    classes = [str(tag.get("class")) for tag in page.all("div")]
    assert "marker tie" in classes and not any(name.startswith("band") and "here" in name for name in classes)


def test_nothing_is_loaded_from_anywhere(tmp_path: Path, photo: np.ndarray) -> None:
    text = written(tmp_path, comparison(noise=flat(0.4)), photo, reference=photo)
    page = Page(text)
    assert not re.search(r"//\w", re.sub(r"data:image/\w+;base64,[\w+/=]+", "", text))
    assert not page.all("link") and not page.all("iframe") and "@import" not in text
    assert all(address.startswith("data:image/") for address in re.findall(r"url\((.{11})", text))
    assert all("src" not in script for script in page.all("script"))
    assert all(image["src"].startswith("data:image/") for image in page.all("img") if "src" in image)
    policy = [tag["content"] for tag in page.all("meta") if tag.get("http-equiv") == "Content-Security-Policy"]
    assert policy and policy[0].startswith("default-src 'none'; img-src data:;")


def test_every_picture_in_it_can_be_decoded_and_has_a_text(tmp_path: Path, photo: np.ndarray) -> None:
    text = written(tmp_path, with_spot(), photo, reference=photo)
    images = [image for image in Page(text).all("img") if image.get("id") != "overlay"]  # shows one of the others
    crops = 3 * text.count('<li class="card region"')
    assert crops > 0 and len(images) == 3 + 3 + 1 + 1 + crops  # thumbnails, previews, local margin, noise
    for image in images:
        assert image["alt"]
        Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1]))).load()


def test_names_and_metadata_are_escaped(tmp_path: Path, photo: np.ndarray) -> None:
    text = written(tmp_path, comparison(names=(NASTY, "b.png"), noise=flat(0.4)), photo)
    assert "<script>alert" not in text and "<b><" not in text and "</script><b>" not in text
    page = Page(text)
    assert NASTY in page.text and len(page.all("script")) == 3


def test_the_json_is_inside_and_complete(tmp_path: Path, photo: np.ndarray) -> None:
    result = comparison(names=(NASTY, "b.png"), noise=flat(0.4))
    text = written(tmp_path, result, photo)
    inside = re.search(r'<script type="application/json" id="result">(.*?)</script>', text, re.DOTALL)
    assert inside and json.loads(inside[1]) == result.to_json()


def test_axes_that_matter_are_open_and_the_others_folded_into_one_line(tmp_path: Path, photo: np.ndarray) -> None:
    faint = flat()
    faint[0, :4] = 0.2  # too small to matter
    text = written(tmp_path, comparison(noise=flat(-0.4), sharpness=flat(0.6), haze=faint), photo)
    folded = text[text.index('<details class="others">') :].split("</details>")[0]
    opened = text.replace(folded, "")
    assert re.findall(r'data-axis="(\w+)"', opened) == ["sharpness", "noise"]
    assert set(re.findall(r'data-axis="(\w+)"', folded)) == {a.name for a in AXES} - {"sharpness", "noise"}
    assert f"Nothing that matters on {len(AXES) - 2} other axes" in folded
    assert "B hazier: faint on &lt;1 % of the picture" in " ".join(
        Page(folded + "</details>").text.replace("<", "&lt;").split()
    )
    assert 'data-map="local-margin"' in opened


def test_where_nothing_differs_one_line_says_so(tmp_path: Path, photo: np.ndarray) -> None:
    text = Page(written(tmp_path, comparison(0.3), photo)).text
    assert f"No kind of distortion sets the two apart. Nothing on {len(AXES)} axes" in text


def test_legends_say_in_words_what_the_colours_mean(tmp_path: Path, photo: np.ndarray) -> None:
    text = Page(written(tmp_path, comparison(noise=flat(-0.4), sharpness=flat(0.6)), photo)).text
    for words in ("A better here", "B better here", "2 levels", "faint moderate strong"):
        assert words in text
    for entry in MARGIN_WORDS:
        assert entry.word in text and entry.meaning in text


def test_strengths_are_words_with_the_number_in_a_tooltip_and_no_hue_says_whose_they_are(
    tmp_path: Path, photo: np.ndarray
) -> None:
    text = written(tmp_path, comparison(noise=flat(-0.4), sharpness=flat(0.6), haze=flat(0.3)), photo)
    rows = re.findall(
        r'<tr data-bar="(\w+)">.*?<span class="badge">(.)</span> ([\w ]+)</th>.*?<rect [^>]*width="([\d.]+)".*?'
        r'<span class="strength" title="([^"]+)">(\w+)<', text, re.DOTALL,
    )  # fmt: skip
    assert rows == [
        ("sharpness", "A", "blurrier", "0.6000", "0.60 on a scale from 0 to 1", "strong"),
        ("noise", "A", "noisier", "0.4000", "0.40 on a scale from 0 to 1", "moderate"),
        ("haze", "B", "hazier", "0.3000", "0.30 on a scale from 0 to 1", "moderate"),
    ]
    what = text[text.index('aria-labelledby="what"') : text.index('aria-labelledby="words"')]
    assert "word-a" not in what and "word-b" not in what


def test_the_map_of_a_defect_is_of_one_scale_for_both_images(tmp_path: Path, photo: np.ndarray) -> None:
    def layer(**maps: np.ndarray) -> str:
        text = written(tmp_path, comparison(**maps), photo)
        return re.findall(r'data-layer="[AB] noisier" src="([^"]+)"', text)[0]

    assert layer(noise=flat(-0.4)) == layer(noise=flat(0.4)) != layer(noise=flat(0.5))


def test_frames_and_titles_of_regions_have_the_colour_of_the_image_that_is_better_there(
    tmp_path: Path, photo: np.ndarray
) -> None:
    text = written(tmp_path, with_spot(), photo)
    assert '<b class="word-a">A better by 2.0 levels here</b>' in text and 'class="frame a"' in text
    assert re.findall(r'class="box (.)"', text) == ["a", "a"]  # in the viewer and on the local margin
    assert "B noisier: strong" in Page(text).text
    assert not re.search(r"[+\u2212]\d", Page(text).text)  # no signed number where a name stands


def test_without_a_reference_a_line_beside_the_confidence_warns_of_it(tmp_path: Path, photo: np.ndarray) -> None:
    alone = replace(comparison(), has_reference=False, confidence=0.9)
    warning = "No pristine image was given: this is a judgement of the two images alone."
    assert f"indeed the better image. {warning}" in Page(written(tmp_path, alone, photo)).text
    assert warning not in Page(written(tmp_path, comparison(), photo, reference=photo)).text


@pytest.mark.parametrize("margin", [0.0, 0.05, 7.5])
def test_ties_identical_images_and_huge_margins_have_a_report(tmp_path: Path, photo: np.ndarray, margin: float) -> None:
    result = comparison(margin)
    assert result.verdict() in Page(written(tmp_path, result, photo)).text


def test_the_command_and_all_metadata_stand_at_the_foot(tmp_path: Path, photo: np.ndarray) -> None:
    path = write_report(comparison(), photo, photo, tmp_path / "r.html", command="riqa compare 'my a.png' b.png")
    text = Page(path.read_text(encoding="utf-8")).text
    assert "Command riqa compare 'my a.png' b.png" in text and "Weights SHA-256 " + "ab" * 32 in text


def test_identical_images_and_images_that_look_the_same_have_no_maps_and_no_warning(
    tmp_path: Path, photo: np.ndarray
) -> None:
    same = replace(comparison(0.0), has_reference=False, confidence=0.5, names=("x.png", "x.png"))
    alike = replace(comparison(-1.3, noise=flat(0.4)), has_reference=False, visible_difference=0.4)
    for result in (same, alike):
        text = written(tmp_path, result, photo)
        assert (
            "data-map" not in text
            and 'aria-labelledby="what"' not in text
            and "No pristine image" not in text
            and "local margin</option>" not in text
        )
        assert result.verdict(("A", "B")) in Page(text).text and "Confidence" not in Page(text).text
    assert "A x.png better" not in (text := Page(written(tmp_path, same, photo)).text) and "A x.png 64 × 40 px" in text
