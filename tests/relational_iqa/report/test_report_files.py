"""Writing a report: equal for equal images, whole or not at all, wrong sizes refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.report import write_report
from tests.relational_iqa.report.pages import comparison, flat


def test_tensors_and_arrays_give_the_same_file(tmp_path: Path, photo: np.ndarray) -> None:
    tensor = torch.from_numpy(np.moveaxis(photo, 2, 0).copy()).float() / 255
    first = write_report(comparison(), photo, photo, tmp_path / "1.html").read_bytes()
    assert first == write_report(comparison(), tensor, tensor[None], tmp_path / "2.html").read_bytes()


def test_the_images_handed_in_are_not_changed(tmp_path: Path, photo: np.ndarray) -> None:
    before = photo.copy()
    write_report(comparison(noise=flat(0.4)), photo, photo, tmp_path / "r.html")
    assert np.array_equal(before, photo)


def test_images_of_another_size_are_refused_and_nothing_is_written(tmp_path: Path, photo: np.ndarray) -> None:
    with pytest.raises(ImageError, match="image b is 32 x 40 px but the maps are 64 x 40"):
        write_report(comparison(), photo, photo[:, :32], tmp_path / "r.html")
    with pytest.raises(ImageError, match="reference has shape"):
        write_report(comparison(), photo, photo, tmp_path / "r.html", photo[..., 0])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_report(
    tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "r.html"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("distortion_engine.jobs.safe_files.os.replace", fail)
    with pytest.raises(UsageError, match="disk full"):
        write_report(comparison(), photo, photo, target)
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"] and target.read_text() == "old"
