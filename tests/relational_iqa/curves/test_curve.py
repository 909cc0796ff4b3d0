"""riqa curve: what a person gets for a folder of encodes."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distortion_engine.errors import UsageError
from relational_iqa import cli
from relational_iqa.curves.comparison import curves_of, savings
from relational_iqa.curves.encodes import Encode, find_encodes
from relational_iqa.curves.points import Measured, Point, deviation_of, noise_of


def touch(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return str(folder)


def told(encodes: list[Encode]) -> list[tuple[str, str, str]]:
    return [(one.picture, one.codec, one.setting) for one in encodes]


def test_codec_picture_and_setting_come_from_names(tmp_path: Path) -> None:
    one = touch(tmp_path / "one", "photo_q80.jpg", "photo_q20.jpeg", "photo_3.avif")
    single = touch(tmp_path / "r", "photo.png", "photo 2.png")
    assert told(find_encodes(one, f"{single}/photo.png")) == [
        ("photo", "avif", "3"), ("photo", "jpeg", "q20"), ("photo", "jpeg", "q80")
    ]  # fmt: skip
    below = touch(tmp_path / "below", "av1/q30/slow/photo.avif", "photo.jpg")
    assert told(find_encodes(below, single)) == [("photo", "av1", "q30/slow"), ("photo", "jpeg", "photo")]
    several = touch(tmp_path / "several", "x264/photo/1.png", "x264/photo 2_1.png", "av1/photo_7.png", "photo/8.webp")
    assert told(find_encodes(several, single)) == [
        ("photo", "av1", "7"), ("photo", "webp", "8"), ("photo", "x264", "1"), ("photo 2", "x264", "1")
    ]  # fmt: skip
    pattern = r"(?P<setting>\d+)_(?P<codec>[a-z]+)_(?P<picture>photo)"
    named = touch(tmp_path / "named", "20_fast_photo.png", "30_slow_photo.png")
    assert told(find_encodes(named, single, pattern)) == [("photo", "fast", "20"), ("photo", "slow", "30")]


def test_what_belongs_to_nothing_is_said(tmp_path: Path) -> None:
    folder, references = touch(tmp_path / "e", "photograph_1.jpg"), touch(tmp_path / "r", "photo.png")
    with pytest.raises(UsageError, match="photograph_1.jpg: belongs to no image of .*--pattern"):
        find_encodes(folder, references)
    with pytest.raises(UsageError, match="is no regular expression"):
        find_encodes(folder, references, "(")
    with pytest.raises(UsageError, match="has none of the groups"):
        find_encodes(folder, references, "x")


def made(noise: float | None, pictures: int = 1, factor: float = 0.7) -> Measured:
    """Two codecs with ln(rate) = 1 + quality / 2, the second with `factor` of the bits."""
    points = []
    for picture in range(pictures):
        for codec, share in (("a", 1.0), ("b", factor)):
            for number, quality in enumerate((-3.0, -2.0, -1.0, -0.3)):
                rate = share * np.exp(1 + quality / 2) * (1 + 0.1 * picture)
                encode = Encode(Path("x"), codec, f"p{picture}", Path("r"), str(number))
                points.append(Point(encode, round(rate * 1e6 / 8), 1000, 1000, quality))
    return Measured(tuple(points), noise)


def test_the_interval_grows_with_the_noise_and_holds_the_truth() -> None:
    widths = []
    for noise in (0.02, 0.1):
        (found,) = savings(made(noise), "a")
        assert found.rate == pytest.approx(-30, abs=0.01) and found.rate_interval is not None
        low, high = found.rate_interval
        assert low < -30 < high
        widths.append(high - low)
    # Means of four qualities of each codec, half a unit of ln(rate) for a level: to first order.
    first_order = 2 * 1.96 * 70 * 0.5 * 0.02 * np.sqrt(2 / 4)
    assert widths[0] == pytest.approx(first_order, rel=0.5) and widths[1] > 3 * widths[0]


def test_pictures_are_averaged_and_resampled_only_where_there_are_enough() -> None:
    (few,) = savings(made(None, pictures=2), "a")
    assert few.rate_interval is None and few.pictures == 2
    measured = made(None, pictures=6)
    points = [
        Point(p.encode, round(p.bytes * (1 + 0.2 * int(p.encode.picture[1])) if p.encode.codec == "b" else p.bytes),
              p.width, p.height, p.quality) for p in measured.points
    ]  # fmt: skip
    (many,) = savings(Measured(tuple(points), None), "a")
    logs = np.log(0.7 * (1 + 0.2 * np.arange(6)))
    assert many.rate == pytest.approx(100 * np.expm1(logs.mean()), abs=0.05) and many.rate_interval is not None
    spread = 1.96 * logs.std() / np.sqrt(6)
    low, high = (np.log1p(end / 100) - logs.mean() for end in many.rate_interval)
    assert (-low, high) == pytest.approx((spread, spread), rel=0.25)


def test_a_confidence_gives_the_size_of_an_error() -> None:
    from scipy.stats import norm

    assert deviation_of(0.5, float(norm.cdf(0.5 / 0.3))) == pytest.approx(0.3)
    assert deviation_of(0.5, 0.5) is None and deviation_of(0.0, 0.9) is None


def test_orders_beyond_doubt_do_not_make_qualities_less_sure() -> None:
    from scipy.stats import norm

    doubtful = [(margin, float(norm.cdf(margin / 0.3))) for margin in (0.1, 0.2, 0.5)]
    assert noise_of([*doubtful, *[(3.0, 1.0)] * 9]) == pytest.approx(0.3 / np.sqrt(2))
    assert noise_of([(2.0, 1.0), (3.0, 1.0)]) == pytest.approx(2.0 / norm.ppf(0.999) / np.sqrt(2))
    assert noise_of([(0.1, 0.5)]) is None and noise_of([]) is None


def test_a_folder_of_two_codecs_gives_table_plot_and_saving(
    tmp_path: Path, photo_paths: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    photo = Image.open(photo_paths[0]).convert("RGB").crop((20, 20, 148, 116))
    (tmp_path / "e").mkdir()
    photo.save(tmp_path / "ref.png")
    for quality in (10, 30, 70):
        photo.save(tmp_path / f"e/ref_{quality}.jpg", quality=quality)
        photo.save(tmp_path / f"e/ref_{quality}.webp", quality=quality)
    argv = ["curve", f"{tmp_path}/e", "--reference", f"{tmp_path}/ref.png", "--quiet"]
    outputs = ["--csv", f"{tmp_path}/t.csv", "--json", f"{tmp_path}/t.json", "--plot", f"{tmp_path}/t.svg"]
    assert cli.main([*argv, *outputs]) == 0
    out = capsys.readouterr().out
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    assert len(rows) == 6 and {row["codec"] for row in rows} == {"jpeg", "webp"}
    size = (tmp_path / "e/ref_30.jpg").stat().st_size
    own = next(row for row in rows if row["codec"] == "jpeg" and row["setting"] == "30")
    assert float(own["bpp"]) == pytest.approx(8 * size / (128 * 96), rel=1e-5)
    (saving,) = json.loads((tmp_path / "t.json").read_text())["savings"]
    assert saving["anchor"] == "jpeg" and saving["codec"] == "webp"
    low, mean, high = (saving["bd_rate_percent"][key] for key in ("low", "mean", "high"))
    assert low < mean < high and -80 < mean < 0  # WebP needs fewer bits than JPEG at such qualities
    assert f"webp against jpeg: BD-rate {mean:+.1f} %" in out
    picture = (tmp_path / "t.svg").read_text()
    assert picture.startswith("<?xml") and len(picture) > 5000


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = touch(tmp_path / "e", "a_1.jpg")
    touch(tmp_path, "a.png")
    for argv, said in (
        (["--anchor", "vvc"], "--anchor vvc: no encode of it; there are jpeg"),
        (["--plot", "x.gif"], "plots are png, svg, pdf"),
    ):
        assert cli.main(["curve", folder, "--reference", f"{tmp_path}/a.png", *argv]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1


def test_points_of_a_codec_are_in_the_order_of_their_rates() -> None:
    curves = curves_of(made(None).points[::-1])
    assert list(curves) == ["a", "b"] and (np.diff(curves["a"]["p0"][:, 0]) > 0).all()
