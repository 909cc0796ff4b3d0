"""Experts on the stages of a backbone: moments by definition, whitening by its closed form, one backbone for both."""

import pytest
import torch
from torch import Tensor

from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.networks.moment_encoder import LARGEST_MOMENT, MomentEncoder, MomentHead, MomentSize, moments_of
from relational_iqa.networks.reiqa import ReIQAEncoders
from relational_iqa.networks.resnet import half_scale

TAPS = (-1, 0, 1, 2)


@pytest.fixture(scope="module")
def backbone() -> EfficientNetLite:
    torch.manual_seed(0)
    return EfficientNetLite(BackboneArchitecture(taps=TAPS)).eval()


def pairs(number: int = 400, inputs: int = 6) -> tuple[Tensor, Tensor]:
    """Things that differ in all directions, looked at twice with noise that is strong along two of them."""
    generator = torch.Generator().manual_seed(1)
    things = torch.randn(number, inputs, generator=generator)
    noise = torch.tensor([3.0, 3.0, 0.1, 0.1, 0.1, 0.1])
    first, second = (things + noise * torch.randn(number, inputs, generator=generator) for _ in range(2))
    return first * 5 + 7, second * 5 + 7


def test_moments_are_mean_and_standard_deviation_of_every_channel() -> None:
    planes = [torch.rand(2, 3, 4, 5), torch.rand(2, 2, 2, 2)]
    expected = []
    for image in range(2):
        row = []
        for plane in planes:
            values = plane[image].flatten(1).double()
            row += [*values.mean(1), *((values - values.mean(1, keepdim=True)) ** 2).mean(1).sqrt()]
        expected.append(torch.stack(row))
    assert torch.allclose(moments_of(planes).double(), torch.stack(expected), atol=1e-6)


def test_the_chosen_moments_are_their_columns_among_all(backbone: EfficientNetLite) -> None:
    image = torch.rand(2, 3, 48, 40)
    with torch.no_grad():
        everything = moments_of(backbone(image))
        for taps in ((-1, 0), (0, 2), TAPS):
            encoder = MomentEncoder(backbone, MomentSize(taps, 4))
            assert torch.equal(encoder.moments(image), everything[:, encoder.columns()])


def test_a_new_head_gives_the_moments_whitened_by_how_pairs_differ() -> None:
    first, second = pairs()
    head = MomentHead(6, 8)
    head.calibrate(first, second)
    z = head.standardised(torch.cat([first, second]))
    assert torch.allclose(z.mean(0), torch.zeros(6), atol=1e-2) and torch.allclose(z.std(0), torch.ones(6), atol=2e-2)
    apart = head.standardised(first) - head.standardised(second)
    within = apart.T @ apart / (2 * len(apart))
    shrunk = within + 0.1 * within.diagonal().mean() * torch.eye(6)
    assert torch.allclose(head.whitening @ shrunk @ head.whitening, torch.eye(6), atol=1e-3)
    assert torch.allclose(head(first), head.standardised(first) @ head.whitening, atol=1e-6)
    spread = head(first).std(0)
    assert spread[:2].max() < 0.5 * spread[2:].min()  # what differs between looks at one thing counts for little


def test_odd_images_do_not_drown_the_others() -> None:
    first, second = pairs()
    head = MomentHead(6, 8)
    head.calibrate(first, second)
    assert head.standardised(torch.full((1, 6), 1e9)).max() == LARGEST_MOMENT


def test_one_backbone_runs_once_for_both_experts_and_gives_what_each_alone_gives(backbone: EfficientNetLite) -> None:
    torch.manual_seed(2)
    encoders = ReIQAEncoders(
        MomentEncoder(backbone, MomentSize((-1, 0), 4)), MomentEncoder(backbone, MomentSize((1, 2), 4))
    )
    image, runs = torch.rand(1, 3, 64, 48), []
    assert encoders.one_backbone
    handle = backbone.register_forward_pre_hook(lambda *_: runs.append(1))
    with torch.inference_mode():
        alone = [encoder.two_scales(image) for encoder in (encoders.quality, encoders.content)]
        expected = encoders.content.represent(encoders.content.moments(half_scale(image)))
        runs.clear()
        found = encoders.two_scales(image)
    handle.remove()
    assert len(runs) == 2  # once a scale
    assert torch.equal(found, torch.cat(alone, 1))
    assert torch.equal(found[:, -encoders.content.features :], expected)


@pytest.mark.parametrize("taps", [(), (0, -1), (0, 0), (0, 9)])
def test_stages_that_the_backbone_does_not_give_are_refused(taps: tuple[int, ...], backbone: EfficientNetLite) -> None:
    with pytest.raises(ValueError, match="expected some of the backbone's"):
        MomentEncoder(backbone, MomentSize(taps))
