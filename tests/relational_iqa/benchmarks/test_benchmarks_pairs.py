"""Readers of judged pairs: BAPPS and PieAPP."""

from pathlib import Path

import numpy as np
import pytest

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.catalog import read_benchmark
from relational_iqa.benchmarks.readers.items import Benchmark
from tests.relational_iqa.miniature_sets import pieapp, touch


def bapps(root: Path) -> None:
    for part, kind, share in (("val", "traditional", 0.2), ("val", "cnn", 1.0), ("train", "mix", 0.5)):
        folder = root / part / kind
        touch(folder, "ref/000000.png", "p0/000000.png", "p1/000000.png")
        (folder / "judge").mkdir()
        np.save(folder / "judge/000000.npy", np.array([share], dtype=np.float32))


def pairs_of(benchmark: Benchmark) -> list[tuple[str, str, float]]:
    return [(pair.first.name, pair.second.name, round(pair.prefer_second, 4)) for pair in benchmark.pairs]


def test_bapps_reads_the_validation_part_of_a_whole_set_and_any_single_folder(tmp_path: Path) -> None:
    bapps(tmp_path)
    benchmark = read_benchmark("bapps", tmp_path, partial=True)
    assert [(pair.distortion, round(pair.prefer_second, 3)) for pair in benchmark.pairs] == [
        ("cnn", 1.0),
        ("traditional", 0.2),
    ]
    assert benchmark.pairs[0].first == tmp_path / "val/cnn/p0/000000.png"
    assert benchmark.pairs[0].second == tmp_path / "val/cnn/p1/000000.png"
    assert [pair.distortion for pair in read_benchmark("bapps", tmp_path / "train").pairs] == ["mix"]
    with pytest.raises(UsageError, match="1 triplets, the published part 4,720"):
        read_benchmark("bapps", tmp_path)
    (tmp_path / "train/mix/judge/000000.npy").unlink()
    with pytest.raises(UsageError, match="000000.npy"):
        read_benchmark("bapps", tmp_path / "train/mix")


def test_pieapp_pairs_turn_preference_for_a_into_preference_for_the_second(tmp_path: Path) -> None:
    pieapp(tmp_path)
    benchmark = read_benchmark("pieapp-2afc", tmp_path, partial=True)
    blur, jpeg = "distort_27_gaussian_blur_inter_1.png", "distort_27_jpeg_intra_2.png"
    assert pairs_of(benchmark) == [(blur, jpeg, 0.75), ("ref_27.png", jpeg, 0.025)]
    assert benchmark.pairs[0].distortion == "between types"
    with pytest.raises(UsageError, match="2 items, the published set has 4,200 or 4,800"):
        read_benchmark("pieapp-2afc", tmp_path)
