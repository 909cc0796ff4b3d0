"""The consensus of metrics: the scale behind the severity curves, and what training takes its labels from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine import severity
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image
from distortion_engine.severity import (
    CONSENSUS_MAX,
    CONSENSUS_METRICS,
    LEVELS,
    VIEWING_SCALES,
    amount_for,
    at_viewing_scales,
    consensus,
    max_severity,
    metric_quantile,
    min_severity,
)
from relational_iqa.conventional import METRICS
from relational_iqa.training.data.judge import metric_judge

SHIPPED_IMAGE = Path(__file__).resolve().parents[1] / "images" / "photo_1.png"


def judged(test: Tensor, reference: Tensor, names: tuple[str, ...] = CONSENSUS_METRICS) -> Tensor:
    return consensus({name: at_viewing_scales(name, METRICS[name].function, test, reference) for name in names})


def distorted(name: str, reference: Tensor, severities: list[float]) -> Tensor:
    """One image (3, H, W) at several severities with the same parameters and seed, (B, 3, H, W)."""
    distortion = DISTORTIONS[name]
    params = distortion.sample_params(np.random.default_rng(5))
    amounts = [amount_for(name, value) for value in severities]
    return torch.stack(
        [distortion.apply(reference, amount, torch.Generator().manual_seed(5), **params) for amount in amounts]
    )


@pytest.fixture(scope="module")
def photo() -> Tensor:
    image = load_image(SHIPPED_IMAGE)
    return image[:, :160, :160].contiguous()


def test_identical_images_have_consensus_zero(photo: Tensor) -> None:
    noise = torch.rand(3, 3, 45, 70, generator=torch.Generator().manual_seed(1))
    black = torch.zeros(2, 3, 64, 64)
    for images in (photo[None], photo[:, 3:80, 5:101].expand(4, -1, -1, -1), noise, black, 1 - black, black + 0.3):
        assert (judged(images, images.clone()) == 0).all() and (metric_judge(images, images.clone()) == 0).all()


def test_labels_of_training_are_made_by_the_consensus_behind_the_curves() -> None:
    assert CONSENSUS_METRICS == tuple(severity.provenance()["metrics"])
    assert severity.provenance()["viewing_scales"] == {name: list(VIEWING_SCALES[name]) for name in CONSENSUS_METRICS}


def test_the_judge_of_training_looks_at_the_same_views_as_the_curves(photo: Tensor) -> None:
    test = distorted("white_noise", photo, [0.3, 0.7])
    reference = photo.expand_as(test)
    expected = [
        consensus({name: at_viewing_scales(name, METRICS[name].function, test, reference)})
        for name in CONSENSUS_METRICS
    ]
    torch.testing.assert_close(metric_judge(test, reference), torch.stack(expected, dim=1))


def test_a_metric_judges_the_view_from_further_away_and_small_images_as_they_are() -> None:
    def spread(test: Tensor, reference: Tensor) -> Tensor:
        return (test - reference).abs().mean(dim=(1, 2, 3))

    checks = (torch.arange(64)[:, None] + torch.arange(64)[None, :]).remainder(2).float().expand(1, 3, 64, 64)
    grey = torch.full((1, 3, 64, 64), 0.5)
    near, far = (next(name for name, scales in VIEWING_SCALES.items() if scales == (scale,)) for scale in (1, 2))
    assert at_viewing_scales(near, spread, checks, grey).item() == pytest.approx(0.5)
    assert at_viewing_scales(far, spread, checks, grey).item() == pytest.approx(0.0)  # too fine to be seen
    small = (slice(None), slice(None), slice(0, 16), slice(0, 16))
    assert at_viewing_scales(far, spread, checks[small], grey[small]).item() == pytest.approx(0.5)
    with pytest.raises(UsageError, match="psnr"):
        at_viewing_scales("psnr", spread, checks, grey)


@pytest.mark.parametrize("name", CONSENSUS_METRICS)
def test_quantiles_never_fall_with_damage_and_stay_bounded(name: str) -> None:
    metric = METRICS[name]
    best = metric.identical
    worst = metric.range[0] if metric.higher_is_better else metric.range[1]
    values = metric_quantile(name, torch.linspace(best, worst, 500))
    assert values[0] == 0 and values[-1] > 0.99 and values.max() <= CONSENSUS_MAX
    assert (values.diff() >= -1e-6).all()


@pytest.mark.parametrize("name", ["gaussian_blur", "white_noise", "jpeg", "contrast_down", "color_blocks", "pixelate"])
def test_consensus_on_a_new_photograph_follows_severity(name: str, photo: Tensor) -> None:
    targets = [0.0, *(level for level in LEVELS if min_severity(name) < level < max_severity(name)), max_severity(name)]
    test = distorted(name, photo, targets)
    seen = judged(test, photo.expand_as(test))
    assert (seen.diff() > 0).all()
    # One photograph differs from the typical one, so the tolerance is about that of the spread in the fit.
    np.testing.assert_allclose(seen.numpy(), targets, atol=0.25)


@pytest.mark.parametrize("name", CONSENSUS_METRICS)
def test_between_knots_of_a_quantile_table_the_quantile_is_linear_in_the_damage(name: str) -> None:
    table, better = severity._tables()["quantiles"][name], METRICS[name].higher_is_better
    damage, shares = np.array(table["damage"]), np.array(table["quantile"])
    places = 0.3 * damage[:-1] + 0.7 * damage[1:]
    values = torch.from_numpy(table["identical"] + (-places if better else places))
    np.testing.assert_allclose(metric_quantile(name, values).numpy(), 0.3 * shares[:-1] + 0.7 * shares[1:], atol=1e-6)


def test_the_consensus_is_the_mean_quantile_on_the_scale_of_the_fit() -> None:
    values, shares = {}, []
    for place, name in enumerate(CONSENSUS_METRICS, 3):
        table = severity._tables()["quantiles"][name]
        sign = -1.0 if METRICS[name].higher_is_better else 1.0
        values[name] = torch.tensor([table["identical"] + sign * table["damage"][place]])
        shares.append(table["quantile"][place])
    assert consensus(values).item() == pytest.approx(1.07724 * np.mean(shares), abs=1e-4)
