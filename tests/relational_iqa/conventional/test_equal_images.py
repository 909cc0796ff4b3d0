"""Equal images have exactly the best value of every metric, in float32 on every processor, and no pair a better one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from relational_iqa.conventional import METRICS, gmsd_map, psnr_map, ssim_map

ALL = pytest.mark.parametrize("name", METRICS)
SIZES = ((16, 16), (17, 33), (64, 48), (129, 200), (400, 70))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def pictures(photo: Tensor) -> list[Tensor]:
    """Batches (B, 3, H, W) of one and of several, of many sizes: noise, constants, black, white, a photograph."""
    plain = [torch.full((2, 3, 40, 51), value) for value in (0.0, 0.2, 0.5, 1.0)]
    coloured = torch.tensor([0.9, 0.1, 0.3]).view(1, 3, 1, 1).expand(1, 3, 37, 64)
    random = [noise(batch, 3, *size, seed=batch) for batch, size in zip((1, 2, 3, 1, 5), SIZES, strict=True)]
    return [photo[None], photo[None, :, 1:80, 3:101], torch.stack([photo, 1 - photo]), coloured, *plain, *random]


@ALL
def test_equal_images_have_exactly_the_best_value(name: str, photos: list[Tensor]) -> None:
    metric = METRICS[name]
    assert metric.identical == metric.range[1 if metric.higher_is_better else 0]
    for image in pictures(photos[0]):
        assert (metric.function(image, image.clone()) == metric.identical).all(), tuple(image.shape)


@ALL
def test_the_memory_layout_of_equal_images_does_not_matter(name: str, photos: list[Tensor]) -> None:
    metric, batch = METRICS[name], torch.stack([image[:, :77, :101] for image in photos])
    same: list[tuple[Tensor, Tensor]] = [
        (batch.to(memory_format=torch.channels_last), batch),
        (batch[1:2], batch[1:2].clone()),  # begins in the middle of a block of memory
        (batch[:1].expand(3, -1, -1, -1), batch[:1].repeat(3, 1, 1, 1)),
        (batch.transpose(2, 3), batch.transpose(2, 3).contiguous()),
        (batch, batch.double()),
    ]
    for test, reference in same:
        assert (metric.function(test, reference) == metric.identical).all()
        assert (metric.function(reference, test) == metric.identical).all()


@ALL
def test_equal_images_among_others_in_a_batch_are_exact_too(name: str, photos: list[Tensor]) -> None:
    metric, reference = METRICS[name], torch.stack(photos)
    test = reference.clone()
    test[1] = (test[1] + 0.2 * noise(*test[1].shape)).clamp(0, 1)
    values = metric.function(test, reference)
    assert (values == metric.identical).tolist() == [True, False, True]


@ALL
def test_a_loss_with_gradients_starts_at_the_same_value(name: str, photos: list[Tensor]) -> None:
    test = photos[0][None].clone().requires_grad_()
    value = METRICS[name].function(test, photos[0][None])
    assert value.item() == METRICS[name].identical
    value.sum().backward()
    assert test.grad is not None and torch.isfinite(test.grad).all()


@pytest.mark.parametrize(("function", "best"), [(psnr_map, 80.0), (ssim_map, 1.0), (gmsd_map, 1.0)])
def test_maps_are_exactly_the_best_value_where_images_are_equal(
    function: Callable[[Tensor, Tensor], Tensor], best: float, photos: list[Tensor]
) -> None:
    for image in pictures(photos[0]):
        assert (function(image, image.clone()) == best).all()
    test = photos[0][None].clone()
    test[..., 100:, :] = 0
    assert (function(test, photos[0][None])[..., :40, :] == best).all()


@ALL
def test_no_pair_leaves_the_stated_range(name: str, photos: list[Tensor]) -> None:
    low, high = METRICS[name].range
    photo = photos[0][None]
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    checks = ((x + y) % 2).float().expand(1, 3, 64, 64)
    bars = (x // 8 % 2).float().expand(1, 3, 64, 64)
    black = torch.zeros(1, 3, 64, 64)
    red, cyan = (torch.tensor(c).view(1, 3, 1, 1).expand(1, 3, 64, 64) for c in ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)))
    several = [noise(1, 3, 64, 64), noise(1, 3, 64, 64, seed=9).round(), photo[..., :64, :64], 1 - checks, 1 - bars]
    pairs = [
        (a, b) for a in (black, black + 1, checks, bars, red, cyan, *several) for b in (black, black + 1, *several)
    ]
    pairs += [(photo, 1 - photo), (photo, photo.flip(1)), (photo + 1e-7, photo), (photo * 0.9999, photo)]
    values = torch.cat([METRICS[name].function(*pair) for pair in pairs])
    assert ((values >= low) & (values <= high)).all(), values
    # Differences of the size of rounding are no exception.
    tiny = torch.cat([METRICS[name].function(photo + s * (noise(*photo.shape) - 0.5), photo) for s in (1e-6, 1e-4)])
    assert ((tiny >= low) & (tiny <= high)).all()
