"""The viewer of several images in a real Chromium: pixels, keys, zoom, difference, the saved picture, a telephone."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distortion_engine.catalog import AXES
from distortion_engine.reading.file_facts import FileFacts
from relational_iqa.report import league_pictures, write_league
from relational_iqa.results.comparison import Ranking
from relational_iqa.results.league import League

HEIGHT, WIDTH = 120, 180
GREYS = (60, 100, 140, 220)  # a.png, b.png, c.png, the reference
KEYS = ("s", "b", "p", "d", "a")


def build(path: Path) -> str:
    axes = {axis.name: np.zeros(3) for axis in AXES} | {"noise": np.array([0.3, 0.0, 0.1])}
    ranking = Ranking.by_quality(["a.png", "b.png", "c.png"], [-2.0, -0.5, -1.0], {"version": "1"})
    shown = [np.full((HEIGHT, WIDTH, 3), grey, np.uint8) for grey in GREYS]
    for image in shown:
        image[:, : WIDTH // 2, 0] += 10  # the left half is redder
    files = [FileFacts(name, size, "PNG", "", (WIDTH, HEIGHT)) for name, size in (("a", 900), ("b", 9000), ("c", 950))]
    league = League(ranking, np.array([-2.0, -0.5, -1.0]), axes)
    return write_league(league, path, shown[:3], shown[3], files=files, reference_file=files[0]).as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page; best first: b.png, c.png, a.png."""
    return build(tmp_path_factory.mktemp("league") / "league.html")


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    browser.view(1280, 900)
    browser.open("about:blank#")
    browser.open(address)
    browser.wait("document.querySelector('.pane canvas') !== null")
    yield browser
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [address]


def pixel(page: Any, x: float, y: float = 0.5, pane: int = 0) -> list[int]:
    """RGB of a pane at shares of its width and height."""
    return page.run(
        f"(c => Array.from(c.getContext('2d').getImageData({x} * c.width, {y} * c.height, 1, 1).data).slice(0, 3))"
        f"(document.querySelectorAll('.pane canvas')[{pane}])"
    )


def text(page: Any, selector: str) -> str:
    return page.run(f"document.querySelector('{selector}').textContent").replace("\N{NO-BREAK SPACE}", " ")


def test_the_slider_shows_the_best_two_and_says_which_is_better(page: Any) -> None:
    assert pixel(page, 0.25) == [110, 100, 100] and pixel(page, 0.75) == [140, 140, 140]  # b.png, c.png
    assert text(page, ".chip.left") == "1. b.png" and text(page, ".chip.right") == "2. c.png"
    assert text(page, "#said") == "b.png is clearly better than c.png by 0.5 levels."
    page.press("ArrowLeft")  # the pane has no focus: nothing moves
    page.run("document.querySelector('.pane').focus()")
    for _ in range(15):
        page.press("ArrowLeft")  # divider from 50 to 20 %
    assert pixel(page, 0.25) == [150, 140, 140]
    page.press("x")
    assert pixel(page, 0.1) == [150, 140, 140] and pixel(page, 0.75) == [100, 100, 100]


def test_any_two_images_and_the_reference_can_be_chosen_by_list_key_cell_and_thumbnail(page: Any) -> None:
    page.run("(s => { s.value = '3'; s.dispatchEvent(new Event('change')); })(document.getElementById('right'))")
    assert pixel(page, 0.75) == [220, 220, 220] and text(page, "#said") == "b.png: 0.5 levels below the reference."
    page.click("[data-pair='2 1']")
    assert pixel(page, 0.25) == [70, 60, 60] and pixel(page, 0.75) == [140, 140, 140]
    page.click("[data-show='0']")
    assert pixel(page, 0.25) == [110, 100, 100]
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: '3', code: 'Digit3'}))")
    assert pixel(page, 0.25) == [70, 60, 60]
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: '!', code: 'Digit1', shiftKey: true}))")
    assert pixel(page, 0.75) == [100, 100, 100]
    page.press("r")
    assert pixel(page, 0.75) == [220, 220, 220]


def test_the_difference_is_amplified_by_the_stated_factor(page: Any) -> None:
    page.press("d")
    assert text(page, ".chip.left") == "difference × 8: 1. b.png and 2. c.png"
    assert pixel(page, 0.25) == [255, 255, 255]  # 8 x 40, cut off at white
    page.run("(s => { s.value = '2'; s.dispatchEvent(new Event('change')); })(document.getElementById('gain'))")
    assert pixel(page, 0.25) == pixel(page, 0.75) == [80, 80, 80]
    assert text(page, "#shown") == "absolute difference of each channel, times 2, cut off at white"


def test_blink_alternates_and_all_shows_every_image_at_one_place(page: Any) -> None:
    page.press("b")
    for name, grey in (("2. c.png", 140), ("1. b.png", 100), ("2. c.png", 140)):
        page.wait(  # name and pixel at one moment
            "(c => document.querySelector('.chip.left').textContent === '" + name + "' && c.getContext('2d')."
            f"getImageData(0.75 * c.width, 9, 1, 1).data[1] === {grey})(document.querySelector('.pane canvas'))"
        )
    page.press("a")
    assert page.run("document.querySelectorAll('.pane').length") == 4
    assert [pixel(page, 0.75, pane=i)[1] for i in range(4)] == [100, 140, 60, 220]
    page.run("document.querySelectorAll('.pane')[2].focus()")
    for key in ("+", "+", "+", *["ArrowLeft"] * 9):
        page.press(key)
    assert [pixel(page, 0.9, pane=i)[0] for i in range(4)] == [110, 150, 70, 230]  # every pane moved to the red half


def test_zoom_says_the_percentage_of_the_image_and_shows_pixels_as_pixels(page: Any) -> None:
    page.click("[data-zoom='full']")
    assert text(page, "#zoom-value") == "100 %"
    width = page.run("document.querySelector('.pane canvas').width")
    page.press("0")
    assert text(page, "#zoom-value") == f"{round(100 * width / WIDTH)} %"


def test_the_view_is_saved_with_names_and_scale(page: Any) -> None:
    page.press("p")
    page.run(
        "window.saved = []; URL.createObjectURL = blob => { const r = new FileReader(); r.onload = () => "
        "window.saved.push(r.result); r.readAsDataURL(blob); return 'data:,'; }; "
        "HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download); }; 0"
    )
    page.click("#export")
    page.wait("window.saved.length === 2")
    name, data = sorted(page.run("window.saved"), key=len)
    assert name == "riqa-side-by-side.png"
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))).convert("RGB"))
    pane = page.run("[document.querySelector('.pane canvas').width, document.querySelector('.pane canvas').height]")
    assert picture.shape[1] == 2 * pane[0] + 8 and picture.shape[0] > pane[1] + 30
    assert picture[pane[1] // 2 + 28, 10].tolist() == [110, 100, 100]
    assert picture[pane[1] // 2 + 28, -10].tolist() == [140, 140, 140]
    assert (picture[:28] < 100).any() and (picture[-20:] < 100).any()  # names above, scale below


def test_previews_are_never_called_100_percent(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(league_pictures, "_LOSSLESS_PIXELS", 1)
    monkeypatch.setattr(league_pictures, "_JPEG_PIXELS", 4 * HEIGHT * WIDTH // 16)
    browser.view(1280, 900)
    browser.open(build(tmp_path / "large.html"))
    browser.wait("document.querySelector('.pane canvas') !== null")
    said = text(browser, "#zoom-value")
    assert said.startswith("preview, 1/4 size, enlarged ") and said.endswith(" ×")
    browser.click("[data-zoom='full']")
    assert text(browser, "#zoom-value") == "preview, 1/4 size"
    for key in (*KEYS, "+", "+", "0", "z", "-"):
        browser.press(key)
        assert text(browser, "#zoom-value").startswith("preview, 1/4 size")
    browser.press("d")
    assert text(browser, "#shown").endswith("of JPEG copies of the images, quality 95")


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_telephone_nothing_is_wider_than_the_screen_and_letters_have_11_px(
    browser: Any, address: str, dark: bool
) -> None:
    browser.view(400, 800, dark)
    browser.open(address)
    browser.wait("document.querySelector('.pane canvas') !== null")
    assert browser.run("document.documentElement.scrollWidth") <= 400
    small = browser.run(
        "Array.from(document.querySelectorAll('main *')).filter(e => Array.from(e.childNodes).some("
        "n => n.nodeType === 3 && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < 11)"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert small == []
    names = browser.run(
        "Array.from(document.querySelectorAll('#plot svg svg text')).map(t => t.getBoundingClientRect())"
        ".map(r => [r.left, r.right])"
    )
    assert names and all(0 <= left and right <= 400 for left, right in names)


def test_the_whole_height_of_a_portrait_is_on_the_screen(browser: Any, tmp_path: Path) -> None:
    ranking = Ranking.by_quality(["a.png", "b.png"], [-2.0, -0.5], {"version": "1"})
    tall = [np.full((200, 100, 3), grey, np.uint8) for grey in GREYS[:2]]
    league = League(ranking, np.array([-2.0, -0.5]), {})
    browser.view(1280, 900)
    browser.open(write_league(league, tmp_path / "tall.html", tall).as_uri())
    browser.wait("document.querySelector('.pane canvas') !== null")
    box = "(r => [r.width, r.height])(document.querySelector('.pane').getBoundingClientRect())"
    width, height = browser.run(box)
    assert 600 < height <= 900 and height == pytest.approx(2 * width, abs=2)
    assert pixel(browser, 0.25) == [100, 100, 100] and pixel(browser, 0.75) == [60, 60, 60]


def test_the_page_prints_without_controls_and_with_the_table(page: Any) -> None:
    page.send("Emulation.setEmulatedMedia", media="print")
    assert page.run("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert page.run("document.getElementById('league').getBoundingClientRect().height") > 100
    page.send("Emulation.setEmulatedMedia", media="")
