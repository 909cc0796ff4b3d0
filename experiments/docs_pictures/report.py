"""The picture of a report in README and docs/concepts.md: `python -m experiments.docs_pictures.report`.

The first comparison of `make demo` with the shipped weights, its report opened in headless Chromium (Debian's package
`chromium`), and the top of the page as a PNG. Make it anew after new weights or a change of the report.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file
from relational_iqa import cli

DEMO = Path(__file__).resolve().parents[1] / "demo"
PAIR, REFERENCE = ("skyline.jpg", "skyline.avif"), "skyline_reference.webp"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WINDOW_PX = (1280, 1320)  # CSS px: from the verdict down to the region
SCALE = 0.75  # of the picture to the window, so that the words are read at the width of a page on GitHub
PATIENCE_S = 120


def demo_report(folder: Path) -> Path:
    """The report of the demo in `folder`. Raises UsageError where the comparison ends with an error."""
    target = folder / "report.html"
    arguments = ["compare", *(str(DEMO / name) for name in PAIR), "--reference", str(DEMO / REFERENCE)]
    if cli.main([*arguments, "--out", str(target)]) != 0:
        raise UsageError("the demo could not be compared: see the line above")
    return target


def find_browser() -> str:
    """The path of Chromium. Raises UsageError where there is none."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        raise UsageError(f"no browser found ({', '.join(BROWSERS)}): install Chromium, as with apt install chromium")
    return found


def screenshot(page: Path, out: Path, browser: str) -> Path:
    """The top of a page, WINDOW_PX in the light scheme, as a PNG of SCALE times that size. Raises UsageError where the
    browser makes none within PATIENCE_S."""
    with tempfile.TemporaryDirectory(prefix="riqa-report-") as folder:
        shot = Path(folder, "shot.png")
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # Chromium refuses root else
        command = [
            browser, "--headless=new", *root, "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile",
            f"--window-size={WINDOW_PX[0]},{WINDOW_PX[1]}", "--virtual-time-budget=5000", f"--screenshot={shot}",
            page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise UsageError(f"{browser} made no picture of {page} within {PATIENCE_S} s") from error
        if not shot.is_file():
            said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
            raise UsageError(f"{browser} made no picture of {page}; it said: {said[0]}")
        picture = Image.open(shot).convert("RGB")
        size = (round(SCALE * picture.width), round(SCALE * picture.height))
        with atomic_file(out) as file:
            picture.resize(size, Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and write the picture."""
    parser = argparse.ArgumentParser(prog="python -m experiments.docs_pictures.report", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/report.png"), help="the PNG to write")
    parser.add_argument("--page", type=Path, help="a report that is there already, instead of that of the demo")
    options = parser.parse_args(argv)
    try:
        browser = find_browser()
        with tempfile.TemporaryDirectory(prefix="riqa-report-") as folder:
            screenshot(options.page or demo_report(Path(folder)), options.out, browser)
    except UsageError as error:
        print(f"report picture: {error}", file=sys.stderr)
        return 2
    print(options.out.resolve())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
