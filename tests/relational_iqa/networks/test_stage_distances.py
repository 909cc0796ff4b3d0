"""Distances of the stages: nothing for equal images, a literal oracle, and what is further away is further away."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.networks.stage_distances import distances_to_first, stage_distances
from relational_iqa.storage.backbone_weights import load_backbone_weights


class Planes(EfficientNetLite):
    """Two stages that can be written down: the red plane, and the green plane at an eighth."""

    def __init__(self) -> None:
        super().__init__(BackboneArchitecture(taps=(-1, 4)))
        self.strides = (2, 8)

    def forward(self, image: Tensor) -> list[Tensor]:
        return [image[:, :1], F.avg_pool2d(image[:, 1:2], 2)]


def windows(x: Tensor, y: Tensor) -> tuple[float, float]:
    """The mean over all 7 x 7 windows of both distances, window by window."""
    floor = 0.01 * float(y.var(correction=0))
    structures, means = [], []
    for top in range(x.shape[0] - 6):
        for left in range(x.shape[1] - 6):
            u, v = (z[top : top + 7, left : left + 7].double().flatten() for z in (x, y))
            covariance = ((u - u.mean()) * (v - v.mean())).mean()
            variances = u.var(correction=0) + v.var(correction=0)
            structures.append(1 - (2 * covariance + floor) / (variances + floor))
            means.append(1 - (2 * u.mean() * v.mean() + floor) / (u.mean() ** 2 + v.mean() ** 2 + floor))
    return float(torch.stack(structures).mean()), float(torch.stack(means).mean())


def test_both_distances_are_those_of_their_formula():
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(1, 3, 36, 40, generator=generator)
    test = (reference + 0.3 * torch.rand(1, 3, 36, 40, generator=generator)).clamp(0, 1)
    found = stage_distances(test, reference, Planes())
    stages = [Planes()(F.avg_pool2d(image, 2)) for image in (test, reference)]
    first, second = (windows(x[0, 0], y[0, 0]) for x, y in zip(*stages, strict=True))
    assert float(found.structure) == pytest.approx(second[0], rel=1e-4)  # of the coarse stage alone
    assert float(found.mean) == pytest.approx((first[1] + second[1]) / 2, rel=1e-4)


def test_equal_images_have_exactly_no_distance_and_blurred_ones_the_more_the_stronger(photos: list[Tensor]):
    backbone, _ = load_backbone_weights()
    for photo in photos[:2]:
        reference = photo[None, :, :160, :160]
        same = stage_distances(reference, reference, backbone)
        assert float(same.structure) == 0 and float(same.mean) == 0
        blurred = [F.avg_pool2d(F.pad(reference, (side // 2,) * 4, mode="reflect"), side, 1) for side in (3, 5, 9)]
        found = [stage_distances(image, reference, backbone) for image in blurred]
        for name in ("structure", "mean"):
            values = [0.0, *(float(getattr(distances, name)) for distances in found)]
            assert values == sorted(values) and values[1] > 0


def test_distances_to_the_first_image_are_those_of_pairs(photos: list[Tensor]):
    backbone, _ = load_backbone_weights()
    images = torch.stack([photos[0][:, :96, :112] * factor for factor in (1.0, 0.7, 0.4)])
    found = distances_to_first(images, backbone)
    expected = torch.stack(stage_distances(images, images[:1].expand_as(images), backbone), 1)
    assert torch.allclose(found, expected, atol=1e-5) and found[0].tolist() == [0, 0]
    assert float(found[2, 1]) > float(found[1, 1]) > 1e-4
