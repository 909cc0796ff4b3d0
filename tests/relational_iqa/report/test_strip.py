"""The strip of images: what each file is, which image is better, and how far each is from the reference."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from distortion_engine.reading.file_facts import FileFacts
from relational_iqa.report.strip import byte_size, image_cards
from tests.relational_iqa.report.pages import HEIGHT, WIDTH, comparison

DATE = datetime(2026, 11, 28, 17, 5)


def test_a_card_tells_format_bytes_bits_size_date_and_distance(photo: np.ndarray) -> None:
    files = [
        FileFacts("a.jpg", 1280, "JPEG", "quality 90", (WIDTH, HEIGHT), DATE),
        FileFacts("b.png", 12_345, "PNG", "lossless", (HEIGHT, WIDTH)),
        FileFacts("r.avif", 2_500_000, "AVIF", "", (2 * WIDTH, 2 * HEIGHT)),
    ]
    cards, difference = image_cards(comparison(-1.3, ("a.jpg", "b.png")), [photo, photo, photo], files)
    assert [(card.role, card.name, card.winner) for card in cards] == [
        ("A", "a.jpg", ""), ("B", "b.png", "b"), ("reference", "r.avif", ""),
    ]  # fmt: skip
    first, turned, other = (" | ".join(card.lines).replace("\N{NO-BREAK SPACE}", " ") for card in cards)
    assert first.startswith("JPEG, quality 90 · 1.28 kB · 4.00 bits per pixel | 64 × 40 px · 2026-11-28 17:05 | 2.0 ")
    assert turned.startswith("PNG, lossless · 12.3 kB · 38.58 bits per pixel | 64 × 40 px | 0.7 levels")
    assert other == "AVIF · 2.5 MB · 1953.12 bits per pixel | 128 × 80 px, compared at 64 × 40 px"
    assert [len(card.metrics) for card in cards] == [3, 3, 0] and difference == ()
    assert cards[0].metrics[0].text == "infinite"


def test_without_files_and_reference_only_the_size_and_the_difference_are_told(photo: np.ndarray) -> None:
    plain = replace(comparison(0.0), quality_a=None, quality_b=None, has_reference=False)
    cards, difference = image_cards(plain, [photo, 255 - photo], [None, None])
    assert [(card.name, card.lines, card.metrics, card.winner) for card in cards] == [("", ("64 × 40 px",), (), "")] * 2
    assert [metric.name for metric in difference] == ["PSNR", "SSIM", "VSI"]


@pytest.mark.parametrize(
    ("nbytes", "said"),
    [(999, "999 bytes"), (1000, "1 kB"), (123_456, "123 kB"), (999_600, "1 MB"), (98_765_432, "98.8 MB")],
)
def test_bytes_are_told_in_units_of_a_thousand(nbytes: int, said: str) -> None:
    assert byte_size(nbytes).replace("\N{NO-BREAK SPACE}", " ") == said
