"""The benchmark of comparisons runs at a tiny size, and its table says what was measured and what was skipped."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.benchmarks import compare
from experiments.benchmarks.big_pictures import make_pictures, mirrored


def in_this_process(*arguments: object, threads: int) -> str:
    """What `compare.child` gives, without the seconds that starting Python with torch takes."""
    if arguments[0] == "--make":
        make_pictures(Path(str(arguments[1])), int(str(arguments[2])), int(str(arguments[3])))
        return ""
    method, folder, pixels, threads, repeats = arguments[1:]
    numbers = (int(str(number)) for number in (pixels, threads, repeats))
    return json.dumps(compare.measure(str(method), Path(str(folder)), *numbers))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "child", in_this_process)
    monkeypatch.setattr(
        compare, "start_up", lambda threads: {"seconds": 1.5, "wall_seconds": 2.0, "torch_seconds": 0.7}
    )


def test_every_method_is_measured_and_written_down(
    quick: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare.main(["--sizes", "0.03", "0.02", "--repeats", "1", "--out", str(tmp_path / "new")])
    measured = json.loads((tmp_path / "new" / "compare.json").read_text())
    assert list(measured["sizes"]) == ["0.02 MP (164 x 124)", "0.03 MP (204 x 152)"]
    for found in measured["sizes"].values():
        assert list(found) == [*compare.OURS, *compare.METRICS, *compare.installed()]
        assert all(one["seconds"] > 0 for one in found.values())
        assert all(found[method]["peak_gb"] > 0.05 for method in (*compare.OURS, *compare.METRICS))
    text = (tmp_path / "new" / "compare.md").read_text()
    assert text.strip() in capsys.readouterr().out
    assert text.startswith("| seconds / peak GB | ours | ours with reference | psnr |") and "1.5 s; " in text


def test_ten_scores_and_a_rank_of_ten_give_the_same_qualities(
    quick: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare.main(["--sizes", "0.02", "--repeats", "1", "--methods", *compare.RANKED, "--out", str(tmp_path)])
    found = json.loads((tmp_path / "compare.json").read_text())["sizes"]["0.02 MP (164 x 124)"]
    assert list(found) == ["ten scores", "rank of ten"] and all(one["seconds"] > 0 for one in found.values())
    alone, together = (json.loads(line) for line in capsys.readouterr().out.splitlines()[:2])
    assert len(set(alone)) == 10 and together == pytest.approx(alone, abs=1e-6)


def test_a_program_is_run_in_the_folder_of_the_pictures_with_its_own_time_and_memory(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = "import time; open('a.png').close(); x = bytes(range(256)) * 400_000; time.sleep(0.2)"
    monkeypatch.setitem(compare.PROGRAMS, "butteraugli", (compare.sys.executable, "-c", took))
    monkeypatch.setitem(compare.PROGRAMS, "ssimulacra", ("no-such-program",))
    assert compare.installed() == ("butteraugli",)
    found = compare.run_size(32, 32, 2, 1, {}, ["butteraugli"])["butteraugli"]
    assert 0.2 < found["seconds"] == found["wall_seconds"] < 20 and 0.1 < found["peak_gb"] < 0.25
    monkeypatch.setitem(compare.PROGRAMS, "butteraugli", (compare.sys.executable, "-c", "raise SystemExit('broken')"))
    with pytest.raises(RuntimeError, match="broken"):
        compare.run_size(32, 32, 2, 1, {}, ["butteraugli"])


def test_a_metric_that_does_not_fit_into_memory_is_skipped_with_a_note(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "free_bytes", lambda: 2_000_000_000)
    known = {"ssim": 1e9 / 1024, "vsi": 1e3}
    found = compare.run_size(32, 32, 1, 1, known, [*compare.OURS, *compare.METRICS])
    assert [name for name, one in found.items() if "skipped" in one] == []
    known["ssim"] = 2e9 / 1024
    found = compare.run_size(32, 32, 1, 1, known, [*compare.OURS, *compare.METRICS])
    assert [name for name, one in found.items() if "skipped" in one] == ["ssim"]
    whole: dict[str, Any] = {
        "sizes": {"x": found}, "start_up": {"seconds": 1.0, "torch_seconds": 0.5}, "threads": 1, "date": "today",
        "machine": {"processor": "p", "cores": 2, "torch": "t"},
    }  # fmt: skip
    assert "x, ssim: skipped, would need some 2 GB of 2 free." in compare.table(whole)


def test_the_pictures_are_a_mirrored_photograph_with_noise(tmp_path: Path) -> None:
    assert mirrored(8, 3).tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
    make_pictures(tmp_path, 700, 560)
    reference, a, b = (np.asarray(Image.open(tmp_path / f"{name}.png"), float) for name in ("reference", "a", "b"))
    assert reference.shape == a.shape == b.shape == (560, 700, 3)
    assert 6 < (a - reference).std() < 9 and 1 < (b - reference).std() < 20
    assert reference[:, :, 1].std() > 10


def test_sizes_are_four_to_three() -> None:
    assert compare.size_of(0.2) == compare.START_SIZE == (512, 384)
    for megapixels in compare.SIZES_MP[1:]:
        width, height = compare.size_of(megapixels)
        assert width * height == pytest.approx(megapixels * 1e6, rel=0.01) and width / height == pytest.approx(
            4 / 3, 0.01
        )
