"""Images of different sizes: both sizes are named, or they are brought to one size where the caller says how."""

import pytest
import torch

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.viewing.alignment import match_sizes


def picture(height: int, width: int) -> torch.Tensor:
    return torch.linspace(0, 1, 3 * height * width).reshape(3, height, width)


def test_equal_sizes_are_returned_as_they_are() -> None:
    a, b = picture(20, 30), picture(20, 30)
    for align in (None, "resize", "crop"):
        first, second = match_sizes([("a", a), ("b", b)], align)
        assert first is a and second is b


def test_different_sizes_are_refused_naming_both_and_the_remedy() -> None:
    with pytest.raises(ImageError, match="a.png is 30x20 px but r.png is 31x21 px.*--align auto, resize or crop"):
        match_sizes([("a.png", picture(20, 30)), ("b.png", picture(20, 30)), ("r.png", picture(21, 31))])


def test_crop_takes_the_centre_and_resize_the_whole() -> None:
    a, b = picture(20, 32), picture(24, 30)
    cropped = match_sizes([("a", a), ("b", b)], "crop")
    assert [tuple(image.shape) for image in cropped] == [(3, 20, 30)] * 2
    assert torch.equal(cropped[0], a[:, :, 1:31]) and torch.equal(cropped[1], b[:, 2:22])
    resized = match_sizes([("a", a), ("b", b)], "resize")
    assert [tuple(image.shape) for image in resized] == [(3, 24, 32)] * 2  # the largest of both
    assert all(0 <= image.min() and image.max() <= 1 for image in resized)


def test_the_order_of_images_does_not_matter() -> None:
    a, b = picture(20, 32), picture(24, 30)
    for align in ("resize", "crop"):
        forward, backward = match_sizes([("a", a), ("b", b)], align), match_sizes([("b", b), ("a", a)], align)
        assert torch.equal(forward[0], backward[1]) and torch.equal(forward[1], backward[0])


def test_an_unknown_alignment_is_named() -> None:
    with pytest.raises(UsageError, match="align is 'stretch': expected 'resize' or 'crop'"):
        match_sizes([("a", picture(20, 32))], "stretch")


def test_resizing_enlarges_to_the_largest_by_a_cubic_clamped_to_the_range() -> None:
    edge = torch.zeros(3, 16, 32)
    edge[:, :, 16:] = 1.0
    sharp, other = match_sizes([("a", edge), ("b", picture(48, 64))], "resize")
    assert sharp.shape == other.shape == (3, 48, 64) and torch.equal(other, picture(48, 64))
    assert float(sharp.min()) == 0.0 and float(sharp.max()) == 1.0  # a cubic overshoots beside an edge


def test_registering_is_not_for_matching_sizes() -> None:
    with pytest.raises(UsageError, match="align is 'auto': expected 'resize' or 'crop'"):
        match_sizes([("a", picture(20, 32)), ("b", picture(20, 32))], "auto")


def test_cropping_an_odd_rest_leaves_the_larger_part_below_and_right() -> None:
    a, b = picture(25, 37), picture(20, 30)
    cropped, _ = match_sizes([("a", a), ("b", b)], "crop")
    assert torch.equal(cropped, a[:, 2:22, 3:33])
