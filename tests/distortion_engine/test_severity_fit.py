"""The fit of the severity curves: monotone, repeatable, and on photographs that are not held out."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine import severity
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image, save_image
from distortion_engine.reading.photos import is_held_out, list_photos
from distortion_engine.severity import (
    CONSENSUS_MAX,
    CONSENSUS_METRICS,
    consensus,
)
from experiments.severity import fit, measure
from relational_iqa.conventional import METRICS

SHIPPED_IMAGE = Path(__file__).resolve().parents[1] / "images" / "photo_1.png"


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


def test_names_that_are_no_utf_8_are_split_by_their_bytes_as_others_are(tmp_path: Path) -> None:
    held_out = {"caf\xe93.png".encode(), b"caf\xe94.png"}
    named = [*held_out, "caf\xe94.png".encode(), b"caf\xe93.png", b"x\xff\x80.png"]
    for name in named:
        assert (int(hashlib.sha256(name).hexdigest(), 16) % 10 == 0) == (name in held_out)
        (tmp_path / os.fsdecode(name)).touch()
    found = {os.fsencode(path.name) for path in list_photos(tmp_path, "held_out")}
    assert found == held_out and len(list_photos(tmp_path, "train")) == 3


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
