"""Agreement with people, on made-up scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distortion_engine.errors import UsageError
from experiments.pixel_perfect.agreement import OURS, measure_agreement
from relational_iqa.conventional import METRICS


def rated_set(root: Path, name: str, count: int = 6) -> None:
    """Noise of rising strength with scores that fall with it; made up, no person was asked."""
    folder = root / name
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    reference = rng.integers(60, 190, (40, 48, 3)).astype(np.uint8)
    Image.fromarray(reference).save(folder / "r.png")
    lines = ["image,reference,score,scene,distortion,level"]
    for level in range(count):
        noise = rng.normal(0, 4 + 8 * level, reference.shape)
        Image.fromarray((reference + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{level}.png")
        lines.append(f"{level}.png,r.png,{9 - level},s,noise,{level}")
    (folder / "scores.csv").write_text("\n".join(lines), encoding="utf-8")


def test_agreement_turns_every_metric_so_that_higher_is_better(error_model: Any, tmp_path: Path) -> None:
    rated_set(tmp_path, "made_up")
    rows, details = measure_agreement(error_model, tmp_path, ["made_up"])
    assert set(details["made_up"]) == {OURS, *METRICS}
    assert all(values["srcc"] == pytest.approx(1) for values in details["made_up"].values())
    assert rows[0].name == "SRCC with people, made_up" and rows[0].must is None and len(rows) == 1 + len(METRICS)


def test_agreement_tells_a_missing_set_before_anything_is_scored(error_model: Any, tmp_path: Path) -> None:
    rated_set(tmp_path, "made_up")
    with pytest.raises(UsageError, match="absent"):
        measure_agreement(error_model, tmp_path, ["made_up", "absent"])


def test_agreement_refuses_images_without_a_reference_or_of_another_size(error_model: Any, tmp_path: Path) -> None:
    rated_set(tmp_path, "made_up")
    table = tmp_path / "made_up" / "scores.csv"
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole.replace("0.png,r.png", "0.png,"), encoding="utf-8")
    with pytest.raises(UsageError, match="no reference"):
        measure_agreement(error_model, tmp_path, ["made_up"])
    table.write_text(whole, encoding="utf-8")
    Image.new("RGB", (20, 20)).save(tmp_path / "made_up" / "0.png")
    with pytest.raises(UsageError, match="20x20"):
        measure_agreement(error_model, tmp_path, ["made_up"])
