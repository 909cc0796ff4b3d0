"""Severity is one monotone scale for every distortion, shipped as data, and the consensus of metrics lives on it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine import ENGINE_VERSION, severity
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image, save_image
from distortion_engine.reading.photos import is_held_out, list_photos
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
    severity_for,
    severity_spread,
)
from experiments.severity import fit, measure
from relational_iqa.conventional import METRICS
from relational_iqa.training.data.judge import metric_judge

SHIPPED_IMAGE = Path(__file__).resolve().parents[1] / "images" / "photo_1.png"
EVERY_DISTORTION = pytest.mark.parametrize("name", DISTORTIONS)


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


@EVERY_DISTORTION
def test_severity_rises_with_the_amount_from_zero(name: str) -> None:
    amounts = np.linspace(0, DISTORTIONS[name].ladder[-1], 40)
    severities = [severity_for(name, amount) for amount in amounts]
    assert severities[0] == 0 and severities[-1] == pytest.approx(max_severity(name))
    assert all(later >= earlier for earlier, later in zip(severities, severities[1:], strict=False))
    assert 0 < max_severity(name) <= 1


@EVERY_DISTORTION
def test_amount_and_severity_are_inverse_to_each_other(name: str) -> None:
    targets = np.linspace(0, max_severity(name), 23)
    amounts = [amount_for(name, target) for target in targets]
    assert amounts[0] == 0 and amounts[-1] <= DISTORTIONS[name].ladder[-1] * (1 + 1e-6)
    assert np.all(np.diff(amounts) > 0)
    np.testing.assert_allclose([severity_for(name, amount) for amount in amounts], targets, atol=1e-6)


@EVERY_DISTORTION
def test_every_curve_was_fitted_on_the_ladder_of_today(name: str) -> None:
    curve = severity._tables()["curves"][name]
    assert curve["measured"]["amounts"][-1] == pytest.approx(DISTORTIONS[name].ladder[-1], rel=1e-4), "fit again"
    assert curve["unit"] == DISTORTIONS[name].unit, "fit again"


@EVERY_DISTORTION
def test_spread_over_photographs_is_an_interval(name: str) -> None:
    for amount in (0.0, *DISTORTIONS[name].ladder):
        low, high = severity_spread(name, amount)
        assert 0 <= low <= high <= CONSENSUS_MAX


def test_curves_say_where_they_come_from() -> None:
    origin = severity.provenance()
    assert origin["command"].startswith("python -m experiments.severity.fit")
    assert origin["metrics"] == list(CONSENSUS_METRICS) and len(origin["photographs"]) >= 20
    assert not any(is_held_out(name) for name in origin["photographs"])
    assert {"date", "engine_sha256", "images", "crop_px", "seconds"} <= set(origin)
    assert origin["engine_version"] == ENGINE_VERSION


def test_a_refit_replaces_the_named_curves_and_nothing_else() -> None:
    shipped, names = severity._tables(), ["sharpen", "jpeg"]
    before = json.dumps(shipped)
    rise = np.linspace(0.01, 0.2, len(measure.LADDER_POSITIONS))[None, None, :, None]
    direction = np.array([1 if not METRICS[name].higher_is_better else -1 for name in CONSENSUS_METRICS])
    values = np.array([METRICS[name].identical for name in CONSENSUS_METRICS]) + rise * direction
    refitted = json.loads(json.dumps(fit.refit(shipped, np.tile(values, (3, 2, 1, 1)), names)))
    assert json.dumps(shipped) == before
    assert {key: refitted[key] for key in ("quantiles", "scales")} == {k: shipped[k] for k in ("quantiles", "scales")}
    assert [name for name in DISTORTIONS if refitted["curves"][name] != shipped["curves"][name]] == names
    # The severity is what the consensus says of the same values.
    last = {name: torch.tensor(values[0, 0, -1:, i]) for i, name in enumerate(CONSENSUS_METRICS)}
    assert refitted["curves"]["jpeg"]["severity"][-1] == pytest.approx(consensus(last).item(), abs=1e-3)


def test_a_refit_with_other_photographs_or_of_unknown_types_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "severity.json"
    out.write_text(json.dumps(severity._tables()))
    with pytest.raises(UsageError, match="no such distortion"):
        fit.refit_file(out, [], ["sharpened"], 1, "")
    with pytest.raises(UsageError, match="other photographs"):
        fit.refit_file(out, [tmp_path / "a.png"], ["sharpen"], 1, "")


def test_a_refit_of_one_type_measures_it_and_notes_it(tmp_path: Path) -> None:
    photos = [tmp_path / "photo.png"]
    save_image(load_image(SHIPPED_IMAGE).repeat(1, 2, 1), photos[0])  # room for a crop of the fit
    origin = {**measure.settings(photos), "engine_version": "1.0"}
    out = tmp_path / "severity.json"
    out.write_text(json.dumps({**severity._tables(), "provenance": origin}))
    values = measure.measure_photo(photos[0], ["contrast_down"])
    refitted = fit.refit_file(out, photos, ["contrast_down"], 1, "by hand")
    expected = fit.refit(severity._tables(), values[None], ["contrast_down"])["curves"]["contrast_down"]
    fresh = refitted["curves"]["contrast_down"]
    assert fresh["severity"] == pytest.approx(expected["severity"], abs=1e-4) and fresh["unit"] == expected["unit"]
    assert fresh["severity"] != severity._tables()["curves"]["contrast_down"]["severity"]
    note = refitted["provenance"]["refitted"][0]
    assert (note["distortions"], note["command"]) == (["contrast_down"], "by hand")
    assert refitted["provenance"]["engine_version"] == "1.0" and note["engine_sha256"] == measure.engine_sha256()


def test_the_strongest_of_the_kadid_types_average_near_one() -> None:
    tops = [max_severity(name) for name, distortion in DISTORTIONS.items() if "KADID" in distortion.source]
    assert 0.85 <= np.mean(tops) <= 1


def test_wrong_names_and_values_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown"):
        amount_for("gausian_blur", 0.5)
    for value in (-0.1, 1.01, float("nan")):
        with pytest.raises(UsageError, match="out of range"):
            amount_for("gaussian_blur", value)
    for value in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="0 or more"):
            severity_for("gaussian_blur", value)
    with pytest.raises(UsageError, match="no metrics"):
        consensus({})
    with pytest.raises(UsageError, match="psnr"):
        consensus({"psnr": torch.zeros(2)})


def test_a_distortion_without_a_fit_has_its_hand_set_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    severity._curve.cache_clear()
    monkeypatch.setattr(severity, "_tables", lambda: {"curves": {}})
    try:
        ladder = DISTORTIONS["jpeg"].ladder
        assert min_severity("jpeg") == 0 and max_severity("jpeg") == 1
        assert [amount_for("jpeg", level) for level in LEVELS] == pytest.approx(list(ladder))
        assert severity_spread("jpeg", ladder[2]) == (pytest.approx(0.6), pytest.approx(0.6))
    finally:
        severity._curve.cache_clear()


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


def test_curves_of_the_fit_are_monotone_and_invertible() -> None:
    medians = np.array([0.1, 0.3, 0.25, 0.6, 0.6, 0.9])
    amounts, severities = fit.monotone_curve([1, 2, 3, 4, 5, 6], np.tile(medians, (3, 1)))
    assert (amounts, severities) == ([0.0, 1.0, 2.0, 4.0, 6.0], [0.0, 0.1, 0.275, 0.6, 0.9])


def test_isotonic_regression_keeps_order_and_sums() -> None:
    np.testing.assert_allclose(fit.isotonic(np.array([3.0, 1.0, 2.0, 5.0, 4.0, 6.0])), [2, 2, 2, 4.5, 4.5, 6])
    values = np.random.default_rng(1).normal(size=50)
    fitted = fit.isotonic(values)
    assert np.all(np.diff(fitted) >= 0) and fitted.sum() == pytest.approx(values.sum())
    worse = np.sort(values)  # any other rising sequence is further away
    assert np.square(fitted - values).sum() < np.square(worse - values).sum()


def test_types_that_jump_say_so() -> None:
    onsets = {name: min_severity(name) for name in DISTORTIONS}
    assert 0 < onsets["double_jpeg"] < 0.3 and onsets["white_noise"] == onsets["pixelate"] == 0
    assert all(0 <= onset < max_severity(name) for name, onset in onsets.items())
    with pytest.raises(UsageError, match="unknown"):
        min_severity("pixelated")


def test_fit_recovers_a_known_order_of_amounts() -> None:
    rng = np.random.default_rng(0)
    rise = np.array(measure.LADDER_POSITIONS)[:, None] * rng.uniform(0.01, 0.03, (4, len(DISTORTIONS), 1, 1))
    direction = [1 if not METRICS[name].higher_is_better else -1 for name in CONSENSUS_METRICS]
    values = np.array([METRICS[name].identical for name in CONSENSUS_METRICS]) + rise * direction
    fitted = json.loads(json.dumps(fit.fit(values)))
    assert set(fitted["curves"]) == set(DISTORTIONS) and set(fitted["quantiles"]) == set(CONSENSUS_METRICS)
    for curve in fitted["curves"].values():
        assert len(curve["amounts"]) >= len(measure.LADDER_POSITIONS)
        assert np.all(np.diff(curve["severity"]) > 0) and curve["severity"][-1] <= CONSENSUS_MAX
    for table in fitted["quantiles"].values():
        assert np.all(np.diff(table["damage"]) > 0) and np.all(np.diff(table["quantile"]) > 0)


def test_held_out_photographs_are_a_fixed_tenth_and_never_fitted(tmp_path: Path) -> None:
    names = [f"photo_{i}.webp" for i in range(300)]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "manifest.csv").write_text("file,category\n" + "".join(f"{n},c{i % 3}\n" for i, n in enumerate(names)))
    train, held_out = list_photos(tmp_path, "train"), list_photos(tmp_path, "held_out")
    assert sorted(train + held_out) == list_photos(tmp_path, "all") == sorted(tmp_path / name for name in names)
    assert 15 <= len(held_out) <= 45 and all(is_held_out(str(path)) for path in held_out)
    chosen = measure.choose_photos(tmp_path, 30)
    assert len(set(chosen)) == 30 and not set(chosen) & set(held_out)
    categories = [int(path.stem.split("_")[1]) % 3 for path in chosen]
    assert [categories.count(i) for i in range(3)] == [10, 10, 10]


def test_photo_folders_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        list_photos(tmp_path / "missing")
    with pytest.raises(UsageError, match="no photographs"):
        list_photos(tmp_path)
    with pytest.raises(UsageError, match="expected one of"):
        list_photos(tmp_path, "test")
    kept = next(f"{i}.png" for i in range(100) if is_held_out(f"{i}.png"))
    (tmp_path / kept).touch()
    with pytest.raises(UsageError, match='split "all"'):
        list_photos(tmp_path, "train")


@EVERY_DISTORTION
def test_between_knots_of_a_curve_amount_and_severity_are_linear(name: str) -> None:
    curve = severity._tables()["curves"][name]
    knots = list(zip(curve["amounts"], curve["severity"], strict=True))
    for (low, mild), (high, bad) in zip(knots, knots[1:], strict=False):
        if bad <= 1.0:
            assert severity_for(name, 0.75 * low + 0.25 * high) == pytest.approx(0.75 * mild + 0.25 * bad, abs=1e-6)
            assert amount_for(name, 0.75 * mild + 0.25 * bad) == pytest.approx(0.75 * low + 0.25 * high, rel=1e-6)


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
