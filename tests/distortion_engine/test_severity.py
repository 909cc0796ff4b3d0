"""Severity is one monotone scale for every distortion, shipped as data."""

import numpy as np
import pytest
import torch

from distortion_engine import ENGINE_VERSION, severity
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.reading.photos import is_held_out
from distortion_engine.severity import (
    CONSENSUS_MAX,
    CONSENSUS_METRICS,
    LEVELS,
    amount_for,
    consensus,
    max_severity,
    min_severity,
    severity_for,
    severity_spread,
)

EVERY_DISTORTION = pytest.mark.parametrize("name", DISTORTIONS)


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
    last = [origin, *origin.get("refitted", [])][-1]  # some curves may have been made anew since
    assert last["engine_version"] == ENGINE_VERSION


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


def test_types_that_jump_say_so() -> None:
    onsets = {name: min_severity(name) for name in DISTORTIONS}
    assert 0 < onsets["double_jpeg"] < 0.3 and onsets["white_noise"] == onsets["pixelate"] == 0
    assert all(0 <= onset < max_severity(name) for name, onset in onsets.items())
    with pytest.raises(UsageError, match="unknown"):
        min_severity("pixelated")


@EVERY_DISTORTION
def test_between_knots_of_a_curve_amount_and_severity_are_linear(name: str) -> None:
    curve = severity._tables()["curves"][name]
    knots = list(zip(curve["amounts"], curve["severity"], strict=True))
    for (low, mild), (high, bad) in zip(knots, knots[1:], strict=False):
        if bad <= 1.0:
            assert severity_for(name, 0.75 * low + 0.25 * high) == pytest.approx(0.75 * mild + 0.25 * bad, abs=1e-6)
            assert amount_for(name, 0.75 * mild + 0.25 * bad) == pytest.approx(0.75 * low + 0.25 * high, rel=1e-6)
