"""HDR files on the command line: what was read is said, and the better one wins."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relational_iqa import cli
from tests.distortion_engine.reading import hdr_files as made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scene of up to 400 cd/m²: ref.png in PQ, hlg.png in HLG, noisy.png in PQ, sdr.png with its lights cut off."""
    folder = tmp_path_factory.mktemp("hdr")
    rng = np.random.default_rng(1)
    small = Image.fromarray(rng.integers(0, 256, (8, 10, 3)).astype(np.uint8)).resize(
        (80, 64), Image.Resampling.BICUBIC
    )
    nits = 400 * (np.asarray(small) / 255.0) ** 2.2
    nits = (nits + nits.mean(2, keepdims=True)) / 2  # HLG has no light for bright colours that are saturated
    made.write_png(folder / "ref.png", made.pq(nits), 16, primaries=1)
    bt2020 = np.linalg.inv(
        [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
    )
    made.write_png(folder / "hlg.png", made.hlg(nits @ bt2020.T), 18)
    noisy = np.clip(made.pq(nits) + rng.normal(0, 0.03, nits.shape), 0, 1)
    made.write_png(folder / "noisy.png", noisy, 16, primaries=1)
    sdr = np.round(255 * made.srgb(np.minimum(nits / 203, 1))).astype(np.uint8)
    Image.fromarray(sdr).save(folder / "sdr.png")
    return folder


def answer(files: Path, a: str, b: str, *more: str) -> dict[str, object]:
    path = files / "answer.json"
    assert cli.main(["compare", str(files / a), str(files / b), "--json", str(path), *more]) == 0
    found: dict[str, object] = json.loads(path.read_text())
    return found


def test_the_clean_one_wins_and_the_answer_says_what_was_read(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = files / "r.html"
    found = answer(files, "hlg.png", "noisy.png", "--reference", str(files / "ref.png"), "--out", str(page))
    assert found["better"] == "a" and found["quality"]["a"] > -0.3 > found["quality"]["b"]
    said = "noisy.png and the reference: HDR (PQ) shown on a display of 1000 cd/m², encoded by PU21"
    assert said in capsys.readouterr().out
    assert "hlg.png: HDR (HLG) shown on a display of 1000 cd/m²" in found["sentence"]
    assert found["noticed"]["notes"]["a"][0]["kind"] == "hdr" and found["visible_difference"] is None
    assert found["meta"]["preprocessing"].startswith("HDR on a display of 1000 cd/m², encoded by PU21")
    assert "HDR (HLG) shown on a display" in page.read_text(encoding="utf-8")


def test_sdr_beside_hdr_is_shown_in_its_space(files: Path) -> None:
    found = answer(files, "sdr.png", "ref.png", "--reference", str(files / "ref.png"))
    assert "SDR, its white at 203 cd/m²" in found["sentence"] and found["better"] == "b"
    assert "HDR" not in json.dumps(answer(files, "sdr.png", "sdr.png"))


def test_rank_and_score_read_hdr_and_mos_refuses_it(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [str(files / name) for name in ("noisy.png", "hlg.png")]
    assert cli.main(["rank", *images, "--reference", str(files / "ref.png")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("hlg.png is best") and "\nnoisy.png and the reference: HDR (PQ) shown on a display" in out
    assert cli.main(["score", images[0], "--reference", str(files / "ref.png")]) == 0
    assert "\nnoisy.png and the reference: HDR (PQ) shown on a display" in capsys.readouterr().out
    assert cli.main(["score", images[0]]) == 2
    assert "HDR with transfer function PQ (SMPTE ST 2084) is not read" in capsys.readouterr().err


def test_the_gain_map_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    nits = np.full((64, 64, 3), 100.0)
    nits[:, 32:] = 800
    a = made.write_gain_map(tmp_path / "a.jpg", nits)
    b = made.write_gain_map(tmp_path / "b.jpg", np.minimum(nits, 203))
    assert "HDR" not in json.dumps(answer(tmp_path, a.name, b.name))
    found = answer(tmp_path, a.name, b.name, "--gain-map")
    assert "a.jpg and b.jpg: HDR (gain map, 1 is 203 cd/m²)" in found["sentence"]
