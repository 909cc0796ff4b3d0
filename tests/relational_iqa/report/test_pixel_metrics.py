"""PSNR, SSIM and VSI under the verdict: value and unit, alike in both orders."""

import numpy as np

from relational_iqa.report.pixel_metrics import pixel_metrics


def test_a_difference_of_one_level_everywhere_has_the_psnr_of_the_textbook() -> None:
    """10 log10(255^2 / 1) = 48.13 dB."""
    grey = np.full((40, 64, 3), 100, np.uint8)
    told = pixel_metrics(grey, grey + 1)
    assert [metric.name for metric in told] == ["PSNR", "SSIM", "VSI"]
    assert told[0].text == "48.1 dB" and told[1].text == "1.000"
    assert told == pixel_metrics(grey + 1, grey)


def test_equal_images_are_told_in_words() -> None:
    grey = np.full((40, 64, 3), 100, np.uint8)
    assert [metric.text for metric in pixel_metrics(grey, grey)] == ["infinite", "1.000", "1.000"]
