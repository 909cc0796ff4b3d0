"""Distances of the stages of a backbone, place by place: the formula, exact zeros, and the grid."""

import pytest
import torch
from torch import Tensor

from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite, random_weights
from relational_iqa.networks.stage_maps import CELL_PX, StageComparison

TAPS = (0, 2, 4, 7)


@pytest.fixture(scope="module")
def comparison(versions: list[Tensor]) -> StageComparison:
    backbone = EfficientNetLite(BackboneArchitecture(width=0.25, taps=TAPS))
    photos = torch.stack(versions)
    random_weights(backbone, photos, 0)
    found = StageComparison(backbone, 2, 4).eval()
    found.calibrate(photos)
    return found


def images(count: int, height: int, width: int) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height + width))


def literal(x: Tensor, y: Tensor, floor: Tensor, row: int, column: int) -> tuple[float, float]:
    """Structure and mean of the 7 x 7 window around a value, halved, mean over channels; what lies outside does not
    count."""
    window = slice(max(0, row - 3), row + 4), slice(max(0, column - 3), column + 4)
    structure, mean = [], []
    for a, b, g in zip(x, y, floor, strict=True):
        a, b = a[window].double().flatten(), b[window].double().flatten()
        cov = ((a - a.mean()) * (b - b.mean())).mean()
        var = a.var(correction=0) + b.var(correction=0)
        structure.append(1 - (2 * cov + g) / (var + g))
        mean.append(1 - (2 * a.mean() * b.mean() + g) / (a.mean() ** 2 + b.mean() ** 2 + g))
    return float(torch.stack(structure).mean()) / 2, float(torch.stack(mean).mean()) / 2


def test_structure_and_mean_are_those_of_the_formula(comparison: StageComparison) -> None:
    test, reference = images(2, 128, 128).split(1)
    with torch.inference_mode():
        found = comparison(test, reference)
        # The stages of stride 8 at half size are one value a cell: the third of those at half size.
        x, y = (comparison.backbone(torch.nn.functional.avg_pool2d(image, 2))[2][0] for image in (test, reference))
    number = comparison.full_taps + 2
    floor = 0.01 * comparison.variance.split(comparison.channels)[number]
    for row, column in ((0, 0), (4, 5), (7, 2)):
        structure, mean = literal(x, y, floor, row, column)
        assert float(found.structure[0, number, row, column]) == pytest.approx(structure, abs=1e-4)
        assert float(found.mean[0, number, row, column]) == pytest.approx(mean, abs=1e-4)


def test_equal_images_are_at_distance_0_to_the_bit_and_others_are_not(comparison: StageComparison) -> None:
    photo, other = images(2, 96, 64).split(1)
    with torch.inference_mode():
        equal, apart = comparison(photo, photo), comparison(other, photo)
    assert not equal.structure.any() and not equal.mean.any()
    assert torch.equal(equal.test, equal.reference)
    assert (apart.structure.mean((0, 2, 3)) > 0).all() and (apart.mean.mean((0, 2, 3)) > 0).all()
    assert apart.structure.max() <= 1 and apart.mean.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 80), (112, 32)])
def test_every_size_gives_a_value_a_cell(comparison: StageComparison, height: int, width: int) -> None:
    test, reference = images(2, height, width).split(1)
    with torch.inference_mode():
        found = comparison(test, reference)
    cells = (height // CELL_PX, width // CELL_PX)
    assert comparison.strides == (2, 4, 4, 8, 16, 32) and comparison.own_strides == (2, 4, 2, 4, 8, 16)
    for values, count in ((found.structure, 6), (found.mean, 6), (found.test, 9), (found.reference, 9)):
        assert values.shape == (1, count, *cells) and values.isfinite().all()


def test_several_images_of_one_reference_are_compared_as_each_alone(comparison: StageComparison) -> None:
    tests, references = images(4, 64, 64), images(2, 64, 64).flip(1)
    with torch.inference_mode():
        together = comparison(tests, references)
        for number in range(4):
            alone = comparison(tests[number : number + 1], references[number // 2 : number // 2 + 1])
            torch.testing.assert_close(together.structure[number], alone.structure[0], atol=1e-4, rtol=0)
            torch.testing.assert_close(together.reference[number], alone.reference[0], atol=1e-4, rtol=0)


def test_a_busier_image_has_a_higher_context(comparison: StageComparison) -> None:
    photo = images(1, 64, 64)
    with torch.inference_mode():
        found = comparison(0.5 + 0.2 * (photo - 0.5), photo)
    stages = len(comparison.strides)
    assert (found.test[:, :2].mean((0, 2, 3)) < found.reference[:, :2].mean((0, 2, 3))).all() and stages == 6


def test_stages_that_are_not_there_are_refused() -> None:
    backbone = EfficientNetLite(BackboneArchitecture(width=0.25, taps=TAPS))
    for full, half, named in ((5, 0, "full_taps"), (0, 5, "half_taps"), (0, 0, "no stage")):
        with pytest.raises(ValueError, match=named):
            StageComparison(backbone, full, half)
