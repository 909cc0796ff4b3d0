"""The report in a real Chromium: what a person does with the mouse, the keyboard, a telephone and at night."""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distortion_engine.catalog import AXES
from relational_iqa.report import write_report
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map

HEIGHT, WIDTH = 120, 180
SPOT = (slice(20, 60), slice(100, 150))  # rows, columns: where A is noisy
BLOCKS = (slice(84, 112), slice(10, 50))  # where it is blockier than elsewhere


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report: A grey, B lighter, the reference lightest; A noisier in SPOT and blockier everywhere, faintly."""
    maps = {axis.name: np.zeros((HEIGHT, WIDTH), np.float32) for axis in AXES}
    maps["noise"][SPOT] = -0.8
    maps["blocking"] -= 0.2
    maps["blocking"][BLOCKS] = -0.6
    local = np.full((HEIGHT, WIDTH), -0.3, np.float32)
    local[SPOT], local[BLOCKS] = -1.8, -1.2
    result = Comparison(
        margin=-0.6,
        maps={name: Map.from_array(values) for name, values in maps.items()},
        local_margin=Map.from_array(local),
        weight=Map.from_array(np.ones_like(local)),
        has_reference=True,
        quality_a=-1.0,
        quality_b=-0.4,
        names=("a.png", "b.png"),
        meta={"version": "1"},
    )
    a, b, reference = (np.full((HEIGHT, WIDTH, 3), value, np.uint8) for value in (60, 140, 220))
    path = write_report(result, a, b, tmp_path_factory.mktemp("report") / "r.html", reference, command="riqa compare")
    return path.as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    """The report, freshly opened in a window of a laptop; it may not complain or load anything."""
    browser.view(1280, 900)
    browser.open("about:blank#")
    browser.open(address)
    yield browser
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [address]


def value(page: Any, name: str) -> float:
    return float(page.run(f"getComputedStyle(document.getElementById('page')).getPropertyValue('{name}')").rstrip("%"))


def grey_at(page: Any, tmp_path: Path, share: float) -> int:
    """Brightness of the main pane at a share of its width, as drawn on the screen."""
    return greys_at(page, tmp_path, share)[0]


def greys_at(page: Any, tmp_path: Path, *shares: float) -> list[int]:
    """The same at several shares at one moment."""
    page.run("document.getElementById('main-pane').scrollIntoView({block: 'start'})")
    page.screenshot(tmp_path / "shot.png")
    box = page.run("(r => [r.x, r.y, r.width, r.height])(document.getElementById('main-pane').getBoundingClientRect())")
    pixels = Image.open(io.BytesIO((tmp_path / "shot.png").read_bytes())).convert("L")
    return [int(pixels.getpixel((int(box[0] + share * box[2]), int(box[1] + 0.9 * box[3])))) for share in shares]


def test_a_click_on_a_region_shows_its_box_there(page):
    assert page.run("document.querySelector('.region').innerText").startswith("1 B better by 1.8 levels here")
    page.click('.region[data-region="1"] img')
    assert value(page, "--z") > 1.5
    assert page.run("document.querySelector('#main-pane .box.chosen').dataset.region") == "1"
    box, pane = (
        page.run(f"(r => [r.left, r.top, r.right, r.bottom])(document.querySelector('{what}').getBoundingClientRect())")
        for what in ("#main-pane .box.chosen", "#main-pane")
    )
    assert box[0] >= pane[0] - 1 and box[1] >= pane[1] - 1 and box[2] <= pane[2] + 1 and box[3] <= pane[3] + 1
    assert 0 <= pane[1] < 100  # scrolled into view
    assert page.run("document.activeElement.id") == "main-pane"
    assert page.run("location.hash") == "#region-1"


def test_dragging_moves_the_divider_and_the_images_with_it(page, tmp_path):
    assert [grey_at(page, tmp_path, share) for share in (0.25, 0.75)] == [60, 140]
    left, top, width, height = page.run(
        "(r => [r.x, r.y, r.width, r.height])(document.getElementById('main-pane').getBoundingClientRect())"
    )
    page.drag((left + width / 2, top + height / 2), (left + 0.1 * width, top + height / 2))
    assert value(page, "--x") == pytest.approx(10, abs=1)
    assert grey_at(page, tmp_path, 0.25) == 140


def test_the_flicker_key_shows_both_images_in_turn_and_stops(page, tmp_path):
    page.press("f")
    seen = "document.getElementById('corner-left').textContent"
    assert page.run("document.querySelector('[data-mode=flicker]').ariaPressed") == "true"
    for name in ("B", "A", "B"):
        page.wait(f"{seen} === '{name}'")
    left, right = greys_at(page, tmp_path, 0.25, 0.75)
    assert left == right
    page.press("f")
    assert page.run("document.querySelector('[data-mode=slider]').ariaPressed") == "true"
    assert [grey_at(page, tmp_path, share) for share in (0.25, 0.75)] == [60, 140]


def test_letters_show_one_image_alone_and_buttons_choose_the_pair(page, tmp_path):
    for key, grey in (("b", 140), ("r", 220), ("a", 60)):
        page.press(key)
        assert {grey_at(page, tmp_path, share) for share in (0.25, 0.75)} == {grey}
    page.click('[data-pair="1 2"]')
    assert [grey_at(page, tmp_path, share) for share in (0.25, 0.75)] == [140, 220]


def test_zoom_and_panning_move_every_picture_alike(page):
    page.run("document.getElementById('main-pane').focus()")
    for _ in range(4):
        page.press("+")
    page.press("ArrowRight")
    assert value(page, "--z") > 4 and value(page, "--tx") < -150
    page.press("d")
    transforms = page.run(
        "Array.from(new Set(Array.from(document.querySelectorAll('.pane .layer')).filter(e => e.offsetParent)"
        ".map(e => { const m = new DOMMatrix(getComputedStyle(e).transform);"
        " const r = e.closest('.pane').getBoundingClientRect();"
        " return [m.a.toFixed(3), (m.e / r.width).toFixed(2), (m.f / r.height).toFixed(2)].join(' '); })))"
    )
    assert len(transforms) == 1 and transforms[0] != "1.000 0.00 0.00"
    before = value(page, "--tx")
    left, top, width, height = page.run(
        "(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); return [r.x, r.y, r.width,"
        " r.height]; })(document.querySelector('[data-map] .pane'))"
    )
    page.drag((left + width / 2, top + height / 2), (left + 0.7 * width, top + height / 2))
    assert value(page, "--tx") == pytest.approx(before + 20, abs=1)
    page.press("0")
    assert value(page, "--z") == 1 and value(page, "--tx") == 0


def test_the_overlay_appears_with_its_opacity_and_goes(page, tmp_path):
    page.press("o")
    assert page.run("document.getElementById('overlay').hidden") is False
    covered = grey_at(page, tmp_path, 0.75)
    page.run("(e => { e.value = 0; e.dispatchEvent(new Event('input')); })(document.getElementById('opacity'))")
    assert grey_at(page, tmp_path, 0.75) == 140 != covered
    page.press("o")
    assert page.run("document.getElementById('overlay').hidden") is True


def test_side_by_side_shows_all_three_under_their_letters(page):
    page.click('[data-mode="side"]')
    names = page.run("Array.from(document.querySelectorAll('#panes .corner.left')).map(e => e.textContent)")
    assert names == ["A", "B", "reference"]
    assert page.run("Array.from(document.querySelectorAll('#panes .pane')).every(e => e.clientWidth > 200)")


def test_an_address_with_a_region_opens_there(browser, address):
    browser.view(1280, 900)
    browser.open("about:blank#")
    browser.open(address + "#region-2")
    assert browser.run("document.querySelector('.region.chosen').dataset.region") == "2"


@pytest.mark.parametrize("dark", [False, True])
def test_a_telephone_needs_no_sideways_scrolling_by_day_and_by_night(page, dark):
    page.view(400, 800, dark)
    page.run("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert page.run("document.documentElement.scrollWidth") <= 400
    page.click('[data-mode="side"]')
    assert page.run("document.documentElement.scrollWidth") <= 400
    ink, paper = page.run("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    brightness = [sum(int(part) for part in colour[4:-1].split(",")) for colour in (ink, paper)]
    assert (brightness[0] > brightness[1]) is dark and abs(brightness[0] - brightness[1]) > 500


def test_tab_reaches_every_control_and_the_focus_is_seen(page):
    seen = []
    for _ in range(40):
        page.press("Tab")
        seen.append(
            page.run(
                "(e => [e.id || e.dataset.mode || e.dataset.zoom || e.dataset.pair ||"
                " e.getAttribute('href') || e.className,"
                " getComputedStyle(e).outlineStyle])(document.activeElement)"
            )
        )
    reached = {name for name, _ in seen}
    assert {
        "slider",
        "side",
        "flicker",
        "0 1",
        "fit",
        "divider",
        "overlay-choice",
        "opacity",
        "main-pane",
        "#region-1",
    } <= reached
    assert all(outline != "none" for name, outline in seen if name not in ("", "page"))


NOISE_WIDTH, NOISE_HEIGHT = 1400, 900


@pytest.fixture(scope="module")
def noise() -> list[np.ndarray]:
    """A and B, noise that no preview can hold without loss."""
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (NOISE_HEIGHT, NOISE_WIDTH, 3), dtype=np.uint8) for _ in range(2)]


def noise_report(folder: Path, noise: list[np.ndarray], full_size: bool = False) -> str:
    """Its address; B is worse in a box about (1000, 300)."""
    damage, local = np.zeros((NOISE_HEIGHT, NOISE_WIDTH), np.float32), np.zeros((NOISE_HEIGHT, NOISE_WIDTH), np.float32)
    damage[240:360, 940:1060], local[240:360, 940:1060] = 0.6, 2.0
    maps = {"noise": Map.from_array(damage)}
    weight = Map.from_array(np.ones_like(local))
    result = Comparison(0.5, maps, Map.from_array(local), weight, names=("a.png", "b.png"))
    return write_report(result, *noise, folder / "r.html", full_size=full_size).as_uri()


def middle_of_main_pane(browser: Any, folder: Path, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """A square of the screen in the middle of the main pane, and the pixel of the image in its upper left corner."""
    browser.run("document.getElementById('main-pane').scrollIntoView({block: 'start'})")
    browser.settle()
    browser.screenshot(folder / "shot.png")
    left, top, width, height = browser.run(
        "(p => { const r = p.getBoundingClientRect(); return [r.x, r.y, p.clientWidth, p.clientHeight]; })"
        "(document.getElementById('main-pane'))"
    )
    x, y = round(width / 2) - side // 2, round(height / 2) - side // 2
    shot = (
        Image.open(folder / "shot.png")
        .convert("RGB")
        .crop((round(left) + x, round(top) + y, round(left) + x + side, round(top) + y + side))
    )
    view = browser.run(
        "(s => ['--tx', '--ty'].map(n => parseFloat(s.getPropertyValue(n))))(document.getElementById('page').style)"
    )
    origin = [round(width * view[0] / 100), round(height * view[1] / 100)]
    return np.asarray(shot), (x - origin[0], y - origin[1])


@pytest.mark.parametrize("full_size", [False, True])
def test_inside_a_region_100_percent_are_the_pixels_of_the_image(browser, tmp_path, noise, full_size):
    browser.view(640, 900)
    browser.open("about:blank#")
    browser.open(noise_report(tmp_path, noise, full_size))
    browser.press("1")
    browser.click('[data-zoom="100"]')
    browser.press("b")
    browser.wait("document.getElementById('zoom-value').textContent.startsWith('100 %')")
    near = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]  # the window's place is known but for rounding

    def shows_the_pixels() -> bool:
        browser.run("dispatchEvent(new Event('resize'))")
        seen, (x, y) = middle_of_main_pane(browser, tmp_path, 70)
        return any(np.array_equal(seen, noise[1][y + dy : y + dy + 70, x + dx : x + dx + 70]) for dx, dy in near)

    ends = time.monotonic() + 20
    while not shows_the_pixels():  # tiles are decoded beside
        assert time.monotonic() < ends


def test_an_enlarged_preview_is_called_that_and_not_100_percent(browser, tmp_path, noise):
    browser.view(640, 900)
    browser.open("about:blank#")
    browser.open(noise_report(tmp_path, noise))
    said = "document.getElementById('zoom-value').textContent"
    browser.wait(f"{said} !== ''")
    assert browser.run(said).endswith(" %") and browser.run("document.querySelector('.preview-note').hidden")
    browser.press("1")
    browser.click('[data-zoom="100"]')
    browser.run("document.getElementById('main-pane').focus()")
    for _ in range(12):
        browser.press("ArrowLeft")  # to where there is no tile
    browser.wait(f"{said}.startsWith('preview')")
    note = browser.run("document.querySelector('#main-pane .preview-note').textContent")
    assert note.startswith("preview, 1/") and note.endswith(" size") and browser.run(said) == note


def test_paper_shows_a_beside_b_and_the_reference_whatever_the_viewer_shows(page):
    page.press("b")
    page.press("+")
    page.run("dispatchEvent(new Event('beforeprint'))")
    page.send("Emulation.setEmulatedMedia", media="print")
    boxes = page.run(
        "['#photo-left', '#photo-right', '#photo-reference'].map(s => (r => [r.left, r.top, r.width, r.height])"
        "(document.querySelector(s).getBoundingClientRect()))"
    )
    shown = page.run("['tools', 'keys'].map(c => getComputedStyle(document.querySelector('.' + c)).display)")
    page.send("Emulation.setEmulatedMedia", media="")
    assert boxes[0][0] < boxes[1][0] < boxes[2][0] and len({round(box[1]) for box in boxes}) == 1
    assert len({round(box[2]) for box in boxes}) == 1 and min(box[3] for box in boxes) > 100
    assert shown == ["none", "none"]
    assert page.run("document.getElementById('photo-left').dataset.index") == "0"


@pytest.mark.parametrize("width", [400, 1280])
def test_no_letters_are_smaller_than_eleven_pixels(page, width):
    page.view(width, 900)
    page.run("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    small = page.run(
        "Array.from(document.querySelectorAll('main *')).filter(e => e.offsetParent && Array.from(e.childNodes)"
        ".some(n => n.nodeType === 3 && n.textContent.trim()) && parseFloat(getComputedStyle(e).fontSize) < 11)"
        ".map(e => e.className + ': ' + e.textContent.slice(0, 30))"
    )
    assert small == []
