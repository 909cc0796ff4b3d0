"""The page of a sequence: a click on the timeline shows a frame, and the worst moments lead to their reports."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distortion_engine.axes import AXES
from relational_iqa.sequences.frame_row import CELL_NAMES, FrameRow
from relational_iqa.sequences.page import Moment, polyline, write_sequence_page
from relational_iqa.sequences.summary import place_of, summarise_frames, worst_moments

COUNT = 40


def row(frame: int, name: str, quality: float, margin: float | None) -> FrameRow:
    confidence, visible = (None, None) if margin is None else (0.95, 1.0)
    axes = {axis.name: 0.0 for axis in AXES}
    return FrameRow(
        frame, name, frame / 25, margin, confidence, visible, quality, (64, 48), axes, (quality,) * len(CELL_NAMES)
    )


@pytest.fixture
def address(tmp_path: Path) -> str:
    new = [-1.0 - 0.01 * frame for frame in range(COUNT)]
    old = [-2.0 - 0.6 * (frame % 2) - 0.01 * frame for frame in range(COUNT)]
    rows = {
        "new": [row(frame, "new", new[frame], None) for frame in range(COUNT)],
        "</script>": [row(frame, "</script>", old[frame], new[frame] - old[frame]) for frame in range(COUNT)],
    }
    summaries = [summarise_frames(each, "" if name == "new" else "new", 2) for name, each in rows.items()]
    moment = Moment(summaries[1].behind[0], "frame-000007.html", (), (), "a sentence")
    (tmp_path / "frame-000007.html").write_text("<title>report</title>")
    return write_sequence_page(tmp_path, rows, summaries, [moment], fps=25, notes=["a note"]).as_uri()


def test_a_click_on_the_timeline_shows_the_frame_and_a_worst_moment_leads_to_its_report(
    browser: Any, address: str
) -> None:
    browser.view(1280, 900)
    browser.open("about:blank#")
    browser.open(address)
    assert "flickers: its quality alternates from frame to frame (12.5 Hz) by 0.6" in browser.run(
        "document.querySelector('[data-flicker]').textContent"
    )
    browser.run(
        "(function () { var t = document.getElementById('timeline'), b = t.getBoundingClientRect();"
        "t.setPointerCapture = function () {};"
        "t.dispatchEvent(new PointerEvent('pointerdown', { clientX: b.left + b.width * 10 / 39, clientY: b.top + 5,"
        "pointerId: 1 })); }())"
    )
    assert browser.run("document.getElementById('which').textContent") == "frame 10, 0.40 s"
    assert "new: -1.10 levels" in browser.run("document.getElementById('numbers').textContent")
    assert browser.run("document.getElementById('report').hidden") is True
    browser.run("document.querySelector('[data-go]').click()")
    assert browser.run("document.getElementById('report').hidden") is False
    browser.run("document.getElementById('report').click()")
    browser.wait("document.title === 'report'")
    assert browser.errors == []


def test_worst_moments_lie_apart() -> None:
    values = np.array([0, -1, -5, -4.9, -4.8, 0, 0, 0, -2, 0, 0, 0.0])
    rows = [row(frame, "x", 0.0, float(value)) for frame, value in enumerate(values)]
    assert [each.frame for each in worst_moments(rows, values, 2)] == [2, 4]
    assert [each.frame for each in worst_moments(rows, values, 1)] == [2]
    assert worst_moments(rows, values, 0) == ()
    assert [each.frame for each in worst_moments(rows, values, 1, np.arange(len(rows)) > 2)] == [3]


def test_a_line_of_many_frames_keeps_its_peaks() -> None:
    values = [0.0] * 9000
    values[4321] = -3.0
    points = [point.split(",") for point in polyline(values, -3, 0).split()]
    assert len(points) <= 2000 and sum(float(y) > 200 for _, y in points) == 1


def test_places_have_words() -> None:
    assert [place_of(name) for name in ("local_1_1", "local_1_2", "local_2_3", "local_4_4", "local_3_1")] == [
        "top left", "top", "middle", "bottom right", "left"
    ]  # fmt: skip


def test_bad_frames_are_said_beside_a_mean_that_says_nothing() -> None:
    rows = [
        row(frame, "old", -3.6 if 14 <= frame < 17 else -1.2, 2.4 if 14 <= frame < 17 else 0.0)
        for frame in range(COUNT)
    ]
    said = summarise_frames(rows, "new", 2).verdict()
    assert said.startswith("new and old: no difference on the mean of 40 frames to rely on (0.18 levels, the interval ")
    assert said.endswith("includes 0), but new is better in 3 of them and old in none.")
