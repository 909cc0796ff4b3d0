"""Agreement with people, on made-up scores."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distortion_engine.errors import UsageError
from experiments.pixel_perfect.agreement import OURS, Bounds, measure_agreement, right_within_scenes
from relational_iqa.benchmarks.readers.rated import read_rated
from relational_iqa.conventional import METRICS

MADE_UP = {"made_up": Bounds(with_reference=(0.9, 0.95))}


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
    rows, details = measure_agreement(error_model, tmp_path, MADE_UP, None)
    assert set(details["made_up"]) == {OURS, *METRICS}
    assert all(values["srcc"] == pytest.approx(1) for values in details["made_up"].values())
    titles = ("SRCC with people, made_up", "SRCC with people within a scene, mean, made_up")
    assert tuple(row.name for row in rows if row.name in titles) == titles
    assert (rows[0].must, rows[0].aim) == (0.9, 0.95) and len(rows) == 2 * (1 + len(METRICS)) + 1


def test_verdicts_without_a_reference_are_asked_of_pairs_of_one_scene_that_are_a_deviation_apart(
    error_model: Any, tmp_path: Path
) -> None:
    rated_set(tmp_path, "made_up")
    rated = read_rated(tmp_path / "made_up")
    # Scores 9 to 4 have a deviation of 1.7: pairs two and more steps apart, 10 of 15.
    model = SimpleNamespace(margin_batch=lambda a, b: (b.std() - a.std())[None])
    assert right_within_scenes(model, rated) == [True] * 10  # type: ignore[arg-type]
    turned = SimpleNamespace(margin_batch=lambda a, b: (a.std() - b.std())[None])
    assert right_within_scenes(turned, rated) == [False] * 10  # type: ignore[arg-type]
    apart = [replace(image, scene=str(number)) for number, image in enumerate(rated)]
    assert right_within_scenes(model, apart) == []  # type: ignore[arg-type]


def test_images_without_references_are_judged_alone_where_the_weights_can(error_model: Any, tmp_path: Path) -> None:
    rated_set(tmp_path, "alone")
    error_model.judgement = lambda image: -float(image.std())
    rows, details = measure_agreement(error_model, tmp_path, {}, "alone")
    assert [row.value for row in rows] == [pytest.approx(1.0)] and details["alone"] == pytest.approx(1.0)

    def refuses(image: Any) -> float:
        raise UsageError("these weights judge no image alone")

    error_model.judgement = refuses
    (row,) = measure_agreement(error_model, tmp_path, {}, "alone")[0]
    assert row.value is None and "no image alone" in row.note


def test_agreement_tells_a_missing_set_before_anything_is_scored(error_model: Any, tmp_path: Path) -> None:
    rated_set(tmp_path, "made_up")
    with pytest.raises(UsageError, match="absent"):
        measure_agreement(error_model, tmp_path, {**MADE_UP, "absent": Bounds()})


def test_agreement_refuses_images_without_a_reference_or_of_another_size(error_model: Any, tmp_path: Path) -> None:
    rated_set(tmp_path, "made_up")
    table = tmp_path / "made_up" / "scores.csv"
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole.replace("0.png,r.png", "0.png,"), encoding="utf-8")
    with pytest.raises(UsageError, match="no reference"):
        measure_agreement(error_model, tmp_path, MADE_UP, None)
    table.write_text(whole, encoding="utf-8")
    Image.new("RGB", (20, 20)).save(tmp_path / "made_up" / "0.png")
    with pytest.raises(UsageError, match="20x20"):
        measure_agreement(error_model, tmp_path, MADE_UP, None)
