"""The scores in the forms of other programs: by name, as a torchmetrics.Metric, as a differentiable distance."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.image import PeakSignalNoiseRatio

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.image_io import save_image
from relational_iqa.integrations import METRIC_NAMES, PerceptualDistance, RelationalMetric, create_metric
from relational_iqa.systems import pmos
from relational_iqa.systems.pixel_perfect import load
from relational_iqa.systems.relational_loss import RelationalLoss

SMALL = "riqa-small"  # no backbone, so it is quick


@pytest.fixture(scope="module")
def reference(photos: list[Tensor]) -> Tensor:
    return torch.stack([photo[:, :48, :64] for photo in photos[:2]])


@pytest.fixture(scope="module")
def test_images(reference: Tensor) -> Tensor:
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(1))
    return (reference + torch.tensor([0.02, 0.1])[:, None, None, None] * noise).clamp(0, 1)


def test_a_metric_by_name_gives_one_value_an_image_those_of_the_model(reference: Tensor, test_images: Tensor) -> None:
    metric = create_metric("riqa-fr", weights=SMALL)
    values = metric(test_images, reference)
    model = load(SMALL)
    assert values.shape == (2,) and values[0] > values[1]
    assert values.tolist() == [pytest.approx(model.quality(x, y)) for x, y in zip(test_images, reference, strict=True)]
    assert (metric.lower_better, metric.metric_mode, metric.score_range) == (False, "FR", (-float("inf"), 0.0))
    assert metric(reference, reference).tolist() == [0, 0]
    assert metric(test_images[1], reference[1]).tolist() == values[1:].tolist()  # alone as in a batch
    assert not list(metric.parameters()) and not metric.state_dict()
    assert "'riqa-fr', FR, higher is better" in repr(metric)


def test_files_are_scored_like_their_pixels(reference: Tensor, test_images: Tensor, tmp_path: Path) -> None:
    for name, image in (("a.png", test_images[0]), ("r.png", reference[0])):
        save_image(image, tmp_path / name)
    metric = create_metric("riqa-spips")
    found = metric(str(tmp_path / "a.png"), tmp_path / "r.png")
    eight_bit = (test_images[:1] * 255).round() / 255, (reference[:1] * 255).round() / 255
    assert found.shape == (1,) and found[0] < 0 and float(found) == pytest.approx(float(metric(*eight_bit)), abs=1e-4)


def test_a_metric_without_reference_ignores_one(test_images: Tensor, reference: Tensor) -> None:
    metric = create_metric("riqa-pmos")
    assert metric.metric_mode == "NR" and not metric.lower_better
    values = metric(test_images)
    assert values.tolist() == metric(test_images, reference).tolist()
    assert values.tolist() == [pytest.approx(pmos.load().mos(image)) for image in test_images]


def test_as_a_loss_it_is_the_relational_loss_with_gradients(reference: Tensor, test_images: Tensor) -> None:
    loss = create_metric("riqa-fr", as_loss=True, weights=SMALL)
    image = test_images.clone().requires_grad_()
    value = loss(image, reference)
    value.backward()
    assert loss.lower_better and value.ndim == 0
    assert float(value.detach()) == float(RelationalLoss(SMALL)(test_images, reference))
    assert image.grad is not None and torch.isfinite(image.grad).all() and image.grad.abs().max() > 0
    assert not list(nn.Sequential(loss).parameters())


def test_wrong_names_and_inputs_are_refused_in_one_line(reference: Tensor) -> None:
    with pytest.raises(UsageError, match="metric 'lpips': expected one of riqa-fr"):
        create_metric("lpips")
    with pytest.raises(UsageError, match="riqa-pmos is no loss"):
        create_metric("riqa-pmos", as_loss=True)
    metric = create_metric("riqa-fr", weights=SMALL)
    with pytest.raises(ImageError, match="no reference"):
        metric(reference)
    with pytest.raises(ImageError, match="expected equal shapes"):
        metric(reference, reference[:1])
    with pytest.raises(ImageError, match="values from"):
        metric(reference * 255, reference)
    with pytest.raises(ImageError, match="list, expected a tensor"):
        metric([1, 2], reference)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="reduction is 'sum'"):
        RelationalMetric("riqa-fr", SMALL, reduction="sum")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="reference is 'third'"):
        PerceptualDistance(SMALL, reference="third")  # type: ignore[arg-type]


def test_torchmetrics_mean_is_over_images_not_over_batches(reference: Tensor, test_images: Tensor) -> None:
    metric, each = RelationalMetric("riqa-fr", SMALL), RelationalMetric("riqa-fr", SMALL, reduction="none")
    expected = create_metric("riqa-fr", weights=SMALL)(test_images, reference)
    for one in (metric, each):
        one.update(test_images, reference)
        one.update(test_images[:1], reference[:1])
    assert each.compute().tolist() == [*expected.tolist(), expected[0].item()]
    assert float(metric.compute()) == pytest.approx(float(each.compute().mean()), rel=1e-6)
    metric.reset(), each.reset()
    assert float(metric(test_images[1:], reference[1:])) == pytest.approx(float(expected[1]), rel=1e-6)  # of the batch
    each.update(test_images[1:], reference[1:])
    assert each.compute().reshape(-1).tolist() == expected[1:].tolist()  # torchmetrics makes one value a scalar


def test_it_works_in_a_collection_with_others_and_never_shares_their_state(reference: Tensor) -> None:
    metrics = MetricCollection({
        "ours": RelationalMetric("riqa-fr", SMALL), "spips": RelationalMetric("riqa-spips"),
        "mos": RelationalMetric("riqa-pmos"), "psnr": PeakSignalNoiseRatio(data_range=1.0),
    })  # fmt: skip
    worse = (reference * 0.7).clamp(0, 1)
    metrics.update(reference, reference)  # both qualities are 0 here: a collection could take one for the other
    metrics.update(worse, reference)
    found = {name: float(value) for name, value in metrics.compute().items()}
    alone = {"ours": ("riqa-fr", SMALL), "spips": ("riqa-spips", None), "mos": ("riqa-pmos", None)}
    for name, (metric, weights) in alone.items():
        scored = create_metric(metric, weights=weights)
        both = torch.cat([scored(reference, reference), scored(worse, reference)])
        assert found[name] == pytest.approx(float(both.mean()), rel=1e-5)
    assert not list(metrics.parameters())
    metrics.clone().reset()
    assert float(metrics.compute()["mos"]) == found["mos"]


def test_states_are_reduced_over_processes(reference: Tensor, test_images: Tensor) -> None:
    def gather(state: Tensor, group: object = None) -> list[Tensor]:
        return [state, 3 * state]  # this process, and one that saw three times as much

    def made(reduction: str) -> RelationalMetric:
        return RelationalMetric(
            "riqa-fr", SMALL, reduction, dist_sync_fn=gather, distributed_available_fn=lambda: True  # type: ignore[arg-type]
        )  # fmt: skip

    mean, each = made("mean"), made("none")
    values = create_metric("riqa-fr", weights=SMALL)(test_images, reference)
    for metric in (mean, each):
        metric.update(test_images, reference)
    assert float(mean.compute()) == pytest.approx(float(values.mean()))  # 4 times the sum over 4 times the count
    assert torch.equal(each.compute(), torch.cat([values, 3 * values]))


def test_a_metric_can_be_copied_and_says_its_direction(reference: Tensor) -> None:
    metric = RelationalMetric("riqa-fr", SMALL)
    metric.update(reference, reference)
    other = copy.deepcopy(metric)
    metric.update((reference * 0.5), reference)
    assert float(other.compute()) == 0 > float(metric.compute())
    assert metric.higher_is_better and not metric.is_differentiable and metric.device.type == "cpu"


def test_the_distance_is_a_scalar_zero_for_equal_images_with_finite_gradients(
    reference: Tensor, test_images: Tensor
) -> None:
    distance = PerceptualDistance(SMALL)
    image = reference[:1].clone().requires_grad_()
    same = distance(reference[:1], image)
    same.backward()
    assert same.ndim == 0 and float(same.detach()) == 0 and image.grad is not None and not image.grad.any()
    moved = test_images[:1].clone().requires_grad_()
    value = distance(reference[:1], moved)
    (gradient,) = torch.autograd.grad(value, moved)
    assert float(value.detach()) > 0 and torch.isfinite(gradient).all() and gradient.abs().max() > 0
    turned = PerceptualDistance(SMALL, reference="second")
    assert float(turned(moved, reference[:1]).detach()) == float(value.detach())
    step = moved - 1e-2 * gradient / gradient.abs().max()
    assert float(distance(reference[:1], step.detach())) < float(value.detach())


def test_following_the_distance_leads_back_to_the_reference(reference: Tensor) -> None:
    """What programs that synthesise stimuli do: gradient steps on an image, the reference held."""
    distance = PerceptualDistance(SMALL)
    start = reference[:1] + 0.1 * torch.randn(reference[:1].shape, generator=torch.Generator().manual_seed(2))
    image = nn.Parameter(start.clamp(0, 1))
    optimizer = torch.optim.Adam([image], lr=0.01)
    values = []
    for _ in range(8):
        optimizer.zero_grad()
        value = distance(reference[:1], image)
        value.backward()
        optimizer.step()
        values.append(float(value.detach()))
    assert values[-1] < values[0] and torch.isfinite(image).all()


def test_importing_the_package_loads_neither_torchmetrics_nor_torch() -> None:
    code = (
        "import sys, relational_iqa.integrations as i; assert 'create_metric' in dir(i);"
        "print(sorted({'torch', 'torchmetrics', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_without_torchmetrics_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torchmetrics'] = None\n"
        "import relational_iqa.integrations as i\n"
        "try:\n    i.RelationalMetric\nexcept ValueError as e:\n    print(e)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert said == "RelationalMetric needs torchmetrics, which is not installed: pip install torchmetrics\n"


def test_every_name_works_on_a_batch(test_images: Tensor, reference: Tensor) -> None:
    for name in set(METRIC_NAMES) - {"riqa-alone"}:  # that one needs the weights with a backbone
        assert create_metric(name)(test_images[:1], reference[:1]).shape == (1,)
    assert create_metric("riqa-alone")(test_images).shape == (2,)
