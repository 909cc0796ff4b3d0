"""Two views of a photograph: the augmentations of MoCo-v2 in their shares, drawn from the seed alone."""

import subprocess
import sys

import pytest
import torch

from relational_iqa.training.reiqa.content_views import content_views

NUMBER = 150  # photographs, 300 views


def views_of(photo: torch.Tensor) -> torch.Tensor:
    return torch.cat(content_views([photo] * NUMBER, 16, (5, 1)))


def share(of: torch.Tensor) -> float:
    return float(of.double().mean())


def test_same_seed_same_views_whatever_was_drawn_before() -> None:
    photos = [torch.rand(3, 40, 52), torch.rand(3, 61, 40)]
    first = content_views(photos, 24, (3, 7))
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again, other = content_views(photos, 24, (3, 7)), content_views(photos, 24, (3, 8))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0]) and not torch.equal(first[0], first[1])
    for views in first:
        assert views.shape == (2, 3, 24, 24) and views.min() >= 0 and views.max() <= 1


def test_half_of_the_views_are_mirrored() -> None:
    rising = torch.linspace(0.1, 0.6, 64).expand(3, 64, 64)
    views = views_of(rising)
    assert share(views[..., 0].mean((1, 2)) > views[..., -1].mean((1, 2))) == pytest.approx(0.5, abs=0.12)


def test_four_of_five_views_are_jittered_and_one_of_five_is_grey() -> None:
    plain = torch.tensor([0.6, 0.4, 0.3])[:, None, None].expand(3, 64, 64)
    colours = views_of(plain).mean((2, 3))
    grey = colours.amax(1) - colours.amin(1) < 1e-4
    assert share(grey) == pytest.approx(0.2, abs=0.1)
    untouched = (colours[~grey] - torch.tensor([0.6, 0.4, 0.3])).abs().amax(1) < 1e-4
    assert share(untouched) == pytest.approx(0.2, abs=0.1)
    middle = views_of(torch.full((3, 64, 64), 0.5)).mean((1, 2, 3))
    assert 0.3 - 1e-4 <= middle.min() < 0.35 and 0.65 < middle.max() <= 0.7 + 1e-4  # factors of .6 to 1.4


def test_half_of_the_views_are_blurred_by_up_to_two_pixels() -> None:
    lines = (torch.arange(160) % 2).float().expand(3, 160, 160)
    crops = torch.cat(content_views([lines] * NUMBER, 160, (5, 2)))[:, 0, 80]
    # A crop that was enlarged still has its lines, unless they are blurred away.
    contrast = crops.amax(1) - crops.amin(1)
    assert share(contrast < 0.3) == pytest.approx(0.35, abs=0.15)


def test_kornia_is_imported_only_where_views_are_drawn() -> None:
    code = "import sys, relational_iqa.training.reiqa.stage; assert 'kornia' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
