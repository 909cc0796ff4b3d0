"""The benchmark of the engine runs, compares like with like, and its baseline really distorts."""

import json
from pathlib import Path

import numpy as np
import pytest

from distortion_engine.catalog import DISTORTIONS
from experiments.benchmarks import generate
from experiments.benchmarks.numpy_baseline import BANK, BaselineType, distort

PHOTO = generate.fitted_image(generate.SHIPPED_PHOTO, 64, 80).permute(1, 2, 0).contiguous().numpy()


def test_the_baseline_has_the_24_types_and_each_a_counterpart_of_its_own():
    assert len(BANK) == 24 and len({kind.ours for kind in BANK}) == 24
    for kind in BANK:
        assert len(kind.levels) == 5
        assert all(amount <= DISTORTIONS[kind.ours].ladder[-1] for amount in kind.amounts)
        assert len(kind.amounts) in (0, 5)


@pytest.mark.parametrize("kind", BANK, ids=[kind.ours for kind in BANK])
def test_a_type_of_the_baseline_changes_the_image_stays_in_range_and_leaves_its_input_alone(kind: BaselineType):
    before = PHOTO.copy()
    results = [distort(kind, level, PHOTO, np.random.default_rng(0)) for level in range(5)]
    assert np.array_equal(PHOTO, before)
    for result in results:
        assert result.shape == PHOTO.shape and result.dtype == np.float32
        assert result.min() >= 0 and result.max() <= 1
    errors = [float(((result - PHOTO) ** 2).mean()) for result in results]
    assert max(errors) > 1e-4


@pytest.mark.parametrize("name", ["gaussian_blur", "white_noise", "brighten", "darken", "impulse_noise", "jitter"])
def test_converted_amounts_do_about_as_much_damage_as_the_published_level(name: str):
    kind = next(kind for kind in BANK if kind.ours == name)
    image = generate.fitted_image(generate.SHIPPED_PHOTO, 96, 128)
    for level in (2, 3):
        theirs = distort(kind, level, image.permute(1, 2, 0).numpy(), np.random.default_rng(0))
        work = generate.distorted(name, image[None], kind.amounts[level])[0].permute(1, 2, 0).numpy()
        pixels = image.permute(1, 2, 0).numpy()
        gap = 10 * np.log10(((theirs - pixels) ** 2).mean() / ((work - pixels) ** 2).mean())
        assert abs(gap) < 3.0, (level, gap)


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "deep" / "benchmark.json"
    generate.main(["--quick", "--threads", "1", "--out", str(out)])
    measured = json.loads(out.read_text())
    one = measured["sizes"]["64x48"]
    assert set(one["engine"]["1"]) == set(DISTORTIONS) and all(rate > 0 for rate in one["engine"]["1"].values())
    assert set(one["baseline"]) == set(one["matched"]["1"]) == {kind.ours for kind in BANK}
    assert one["sets"]["1"] > 0 and one["throughput_over_baseline"]["1"] > 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in DISTORTIONS) and "times the throughput of the baseline" in printed
    assert [path.name for path in out.parent.iterdir()] == ["benchmark.json"]


def test_the_bank_counts_by_its_whole_time_and_not_by_the_mean_of_ratios():
    ours, theirs = {"a": 10.0, "b": 100.0}, {"a": 5.0, "b": 1.0}
    assert generate.throughput_ratio(ours, theirs, ["a", "b"]) == pytest.approx((0.2 + 1.0) / (0.1 + 0.01))


def test_ranked_sets_are_rendered_in_full_and_as_many_by_several_processes():
    image = generate.fitted_image(generate.SHIPPED_PHOTO, 48, 64)
    assert generate.render_sets(image.numpy(), [0, 1]) >= 2 * 3
    assert generate.sets_rate(image, sets=2, threads=2, repeats=1) > 0
