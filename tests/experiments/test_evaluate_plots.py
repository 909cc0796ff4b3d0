"""The pictures of an evaluation: they show what the result says, and the examples are the ones they are called."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from experiments.pixel_perfect import plot_examples, plots
from experiments.pixel_perfect.map_accuracy import BINS, MapScores
from experiments.pixel_perfect.plot_examples import Example, choose, judged
from experiments.pixel_perfect.single_pairs import SinglePair

EVERYWHERE = torch.ones(1, 4, 4, dtype=torch.bool)


def scores(true: int, said: int, total: float) -> dict[str, Any]:
    field, predicted = torch.zeros(len(AXES), 4, 4), torch.zeros(len(AXES), 4, 4)
    field[true], predicted[said] = 0.8, total
    result = MapScores()
    result.add(predicted, field, EVERYWHERE, "x", masked=True)
    return result.to_json()


def result(sha256: str = "0") -> dict[str, Any]:
    """Two seeds: the first always right at .5 for .8, the second always one axis off at .6."""
    seeds = {}
    for name, off in (("1", 0), ("2", 1)):
        seen = scores(2, 2 + off, 0.52 + 0.1 * off)
        seeds[name] = {"maps": {plots.STRONG: seen, plots.WEAK: seen}, "foreign": scores(3, 3, 0.5)}
    return json.loads(json.dumps({"about": {"weights": {"sha256": sha256}}, "details": {"seeds": seeds}})
                      .replace("NaN", "null"))  # fmt: skip


def test_the_confusion_is_the_sum_over_seeds_in_shares_of_the_true_axis() -> None:
    (axes, *_) = plots.confusion_chart(result()).axes
    shares = np.asarray(axes.images[0].get_array())
    assert shares.shape == (len(AXES), len(AXES) + 1) and shares[2, 2] == shares[2, 3] == 0.5 and shares.sum() == 1
    assert sorted(text.get_text() for text in axes.texts) == ["50", "50"]


def test_the_reliability_diagram_shows_the_mean_of_each_bin_and_the_expected_error() -> None:
    upper, lower = plots.reliability_chart(result()).axes
    diagonal, measured = upper.lines
    assert list(diagonal.get_xdata()) == [0, 1]
    assert measured.get_xdata() == pytest.approx([0.52, 0.62]) and measured.get_ydata() == pytest.approx([0.8, 0.8])
    assert "0.230" in upper.get_title() and len(lower.patches) == BINS


def test_the_bars_are_the_right_shares_by_axis() -> None:
    (axes,) = plots.axes_chart(result()).axes
    heights = np.array([bar.get_height() for bar in axes.patches]).reshape(3, len(AXES))
    assert list(heights[:, 2]) == pytest.approx([50, 50, float("nan")], nan_ok=True)
    assert heights[2, 3] == 100 and np.isnan(heights[0, 3])
    assert axes.lines[0].get_ydata()[2] == 50  # the sign of the true axis is right in the first seed alone


def example(name: str, error: float) -> Example:
    nothing = torch.zeros(len(AXES), 4, 4)
    return Example(SinglePair(name, 0.5, "whole", nothing[:3], nothing[:3], nothing, EVERYWHERE), nothing, error, 1.0)


def test_examples_are_the_best_middling_and_worst_each_of_another_distortion() -> None:
    listed = [example(f"d{n // 2}", n / 40) for n in range(40)]
    chosen = choose(listed[::-1])
    errors = {label: [one.error for name, one in chosen if name == label] for label in plot_examples.EXAMPLES}
    assert errors["best"] == pytest.approx([0, 2 / 40])
    assert errors["worst"] == pytest.approx([35 / 40, 37 / 40, 39 / 40])
    assert len(errors["typical"]) == 2 and all(0.4 < error < 0.6 for error in errors["typical"])
    assert [one.error for _, one in chosen] == sorted(one.error for _, one in chosen)
    assert [label for label, _ in choose(listed[:1])] == ["best"]
    with pytest.raises(UsageError, match="no pair"):
        choose([])


def test_the_error_of_an_example_is_relative_to_the_truth_and_right_counts_axes() -> None:
    pair = example("noise", 0.0).pair
    pair.field[2] = 0.5

    class Half:
        def relate_batch(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            maps = pair.field.clone()[None]
            maps[:, 2, :2], maps[:, 5, :2] = 0.0, 0.25
            return maps

    (judgement,) = judged(Half(), [pair])
    assert judgement.error == pytest.approx(0.75) and judgement.right == 0.5
    assert judged(Half(), [example("silent", 0.0).pair]) == []


def test_the_command_draws_five_small_pictures_even_of_untrained_networks(
    random_model: Any, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    few = {name: plot_examples.DISTORTIONS[name] for name in ("white_noise", "darken", "jpeg")}
    monkeypatch.setattr(plot_examples, "DISTORTIONS", few)
    monkeypatch.setattr("experiments.pixel_perfect.single_pairs._trained", lambda: tuple(few))
    monkeypatch.setattr(plot_examples, "EXAMPLES", {"best": 1, "typical": 1, "worst": 1})
    monkeypatch.setattr(plots, "_DPI", (40,))
    monkeypatch.setattr("relational_iqa.load", lambda weights, device: random_model, raising=False)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result("0" * 64)), encoding="utf-8")
    options = ["--result", str(path), "--photos", str(photo_folder), "--out", str(tmp_path / "out"), "--pairs", "1"]
    assert plots.main([*options, "--size", "48"]) == 0
    names = ["axes", "confusion", "examples", "quality", "reliability"]
    drawn = sorted((tmp_path / "out").iterdir())
    assert [file.stem for file in drawn] == names and len(capsys.readouterr().out.splitlines()) == 5
    for file in drawn:
        with Image.open(file) as picture:
            assert file.stat().st_size < plots.MOST_BYTES and min(picture.size) > 100


def test_plots_refuse_another_models_result_and_what_is_none(
    error_model: Any, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("relational_iqa.load", lambda weights, device: error_model, raising=False)
    path = tmp_path / "result.json"
    options = ["--result", str(path), "--photos", str(photo_folder), "--out", str(tmp_path / "out")]
    for text, said in ((json.dumps(result("f" * 64)), "ffffffffffff"), ("{}", "no result of an evaluation")):
        path.write_text(text, encoding="utf-8")
        assert plots.main(options) == 2 and said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_picture_is_drawn_coarser_until_it_is_small_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 2))
    figure.add_subplot().imshow(np.random.default_rng(0).random((200, 200, 3)))
    sizes = []
    for most in (400_000, 12_000):
        monkeypatch.setattr(plots, "MOST_BYTES", most)
        plots.save(figure, tmp_path / "x.png")
        with Image.open(tmp_path / "x.png") as picture:
            sizes.append(picture.size[0])
    assert sizes[0] == 220 and sizes[1] < 220 and (tmp_path / "x.png").stat().st_size < 12_000
