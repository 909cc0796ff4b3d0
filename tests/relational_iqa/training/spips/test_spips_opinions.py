"""SPIPS on opinion scores: windows, the fit, and its measure on other references."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from relational_iqa.commands.fit_spips import FitSpipsOptions, fit_spips
from relational_iqa.systems import spips
from relational_iqa.training.spips import fit as spips_fit
from relational_iqa.training.spips.data import RatedBatches

Tiny = Callable[..., dict[str, Any]]


def test_windows_of_rated_images_lie_at_the_same_place_in_both(rated: Path) -> None:
    images = spips_fit.read_benchmark("csv", rated).images
    batch = RatedBatches(images, 12, 48, 0)[0]
    assert batch.test.shape == batch.reference.shape == (12, 3, 48, 48)
    for test, reference, score in zip(batch.test, batch.reference, batch.score, strict=True):
        torch.testing.assert_close(test, reference * (1 - 0.12 * (100 - score) / 20), rtol=0, atol=3 / 255)
    padded = RatedBatches(images, 2, 96, 0)[0]
    assert padded.test.shape == (2, 3, 96, 96)


def test_opinion_scores_are_learned_and_measured_on_other_references(
    tiny: Tiny, rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_on: list[set[str]] = []
    original = spips_fit.RatedBatches

    def watched(images: Any, *options: Any) -> Any:
        trained_on.append({str(row.reference) for row in images})
        return original(images, *options)

    monkeypatch.setattr(spips_fit, "RatedBatches", watched)
    values = tiny(tmp_path / "run", mode="mos", data=None, people={"root": str(rated), "crop_px": 64, "splits": 2})
    values["train"] |= {"steps": 12, "batch_size": 8, "learning_rate": 0.02, "panel_every": 0}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    fit_spips(FitSpipsOptions(config=str(tmp_path / "c.yaml")))
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("fitted: SRCC ") and "2 splits by reference" in said[0]
    assert sorted(len(references) for references in trained_on) == [5, 5, 6]
    path = tmp_path / "run/spips-smoke.safetensors"
    results = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["results"]["splits"]
    assert results["fitted"]["srcc"] > 0.9 and results["fitted"]["splits"] == 2
    model = spips.load(path)
    worst, best = (model.score(rated / f"0_{level}.png", rated / "r0.png") for level in (5, 0))
    assert best.mos == pytest.approx(100) and worst.mos is not None and 0 <= worst.mos < 35
    assert model.meta["opinions"] == "36 rated images of csv, rated" and "MOS" in worst.summary()
