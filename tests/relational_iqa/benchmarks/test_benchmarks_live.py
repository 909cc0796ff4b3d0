"""The reader of LIVE: all its images, realigned scores, and arrays that do not fit."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.catalog import read_benchmark
from relational_iqa.benchmarks.readers.live import FOLDERS


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def live(root: Path) -> None:
    """The whole release: 982 entries, every 982/203 of them a copy of a reference."""
    copies = np.zeros(982)
    copies[np.linspace(0, 981, 203).astype(int)] = 1
    scores = np.where(copies == 1, 0.0, np.linspace(1, 99, 982))
    names = np.empty((1, 982), dtype=object)
    names[0, :] = [f"ref{index % 29}.bmp" for index in range(982)]
    savemat(root / "dmos_realigned.mat", {"dmos_new": scores[None], "dmos_std": scores[None], "orgs": copies[None]})
    savemat(root / "dmos.mat", {"dmos": scores[None] / 2, "orgs": copies[None]})
    savemat(root / "refnames_all.mat", {"refnames_all": names})
    touch(root, *(f"refimgs/ref{index}.bmp" for index in range(29)))
    touch(root, *(f"{folder}/img{n}.bmp" for folder, count in FOLDERS.items() for n in range(1, count + 1)))


@pytest.fixture(scope="module")
def whole_live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("live")
    live(root)
    return root


@pytest.fixture
def live_copy(whole_live: Path, tmp_path: Path) -> Path:
    """Tables of one's own to change, images by link."""
    for path in whole_live.iterdir():
        if path.is_dir():
            (tmp_path / path.name).symlink_to(path)
        else:
            shutil.copy(path, tmp_path)
    return tmp_path


def test_the_whole_of_live_is_779_images_with_the_realigned_scores(whole_live: Path) -> None:
    benchmark = read_benchmark("live", whole_live)
    assert len(benchmark.images) == 779 and len(set(benchmark.groups)) == 29
    assert any("203" in note and "left out" in note for note in benchmark.notes)
    last = benchmark.images[-1]
    assert last.distortion == "fastfading" and last.published > 90
    assert last.score == pytest.approx(100 - last.published)
    # entry 982 of the arrays is a copy; entry 981 is image 173 of the last folder, and its reference is its own
    assert (last.image.name, last.reference) == ("img173.bmp", whole_live / f"refimgs/ref{980 % 29}.bmp")


def test_live_without_the_realigned_scores_uses_the_others_and_says_so(live_copy: Path) -> None:
    realigned = read_benchmark("live", live_copy)
    (live_copy / "dmos_realigned.mat").unlink()
    benchmark = read_benchmark("live", live_copy)
    assert benchmark.images[0].published == pytest.approx(realigned.images[0].published / 2)
    assert "scores of dmos.mat" in benchmark.notes


def test_live_arrays_of_another_length_are_refused(live_copy: Path) -> None:
    savemat(live_copy / "dmos_realigned.mat", {"dmos_new": np.zeros((1, 10)), "orgs": np.zeros((1, 10))})
    with pytest.raises(UsageError, match="10 scores.*release 2 has 982"):
        read_benchmark("live", live_copy)
    (live_copy / "refnames_all.mat").write_bytes(b"no matlab file at all, though long enough to look at" * 10)
    with pytest.raises(UsageError, match="not readable as a MATLAB file"):
        read_benchmark("live", live_copy)
