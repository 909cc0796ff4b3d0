"""External encoders: their qualities are ordered, and a missing or failing tool is told."""

import sys
from pathlib import Path
from typing import Any

import pytest

from distortion_engine.errors import UsageError
from experiments.pixel_perfect.external_codecs import CODECS, Codec, codec_rows, measure_codecs
from experiments.pixel_perfect.table import NOT_MEASURED

ENCODER = """#!{python}
import sys
from PIL import Image
Image.open(sys.argv[2]).save(sys.argv[3], "JPEG", quality=int(sys.argv[1]))
"""


def script(folder: Path, text: str) -> str:
    path = folder / "encoder"
    path.write_text(text.format(python=sys.executable), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_rising_quality_of_an_encoder_is_ordered_by_a_model_that_measures_error(
    error_model: Any, held_out: list[Path], tmp_path: Path
) -> None:
    codec = Codec(script(tmp_path, ENCODER), "package", ".png", ".jpg", ("5", "30", "90", "90"), "{in} {out}")
    results = measure_codecs(error_model, held_out, 1, 64, [codec])
    twice = codec_rows({"encoder": next(iter(results.values())), "other": next(iter(results.values()))}, [codec])
    assert twice[0].samples == "4 adjacent pairs of 1 photographs"
    required, own, alone, *witnesses = codec_rows(results, [codec])
    assert required.value == own.value == 1.0 and required.holds and alone.value == 0.0
    assert required.samples == "2 adjacent pairs of 1 photographs" and "1 equal pairs left out" in required.note
    assert [row.value for row in witnesses] == [1.0, 1.0]


def test_a_missing_encoder_names_its_package_and_leaves_the_row_unmeasured(
    error_model: Any, held_out: list[Path]
) -> None:
    codec = Codec("no-such-encoder", "its-package", ".png", ".jpg", ("1",), "{in} {out}")
    rows = codec_rows(measure_codecs(error_model, held_out, 1, 64, [codec]), [codec])
    assert rows[0].holds is None and rows[0].cells()[1] == NOT_MEASURED
    assert all("apt-get install its-package" in row.note for row in rows[:2])


def test_an_encoder_that_fails_is_an_error_with_its_last_words(
    error_model: Any, held_out: list[Path], tmp_path: Path
) -> None:
    tool = script(tmp_path, "#!{python}\nimport sys\nsys.exit('no such profile')\n")
    with pytest.raises(UsageError, match="exit code 1: no such profile"):
        codec = Codec(tool, "package", ".png", ".jpg", ("1",), "{in} {out}")
        measure_codecs(error_model, held_out, 1, 64, [codec])


def test_every_external_codec_has_six_settings_and_names_its_files() -> None:
    for codec in CODECS:
        assert len(set(codec.settings)) == 6
        arguments = codec.arguments(codec.settings[0], Path("i n.png"), Path("out"))
        assert arguments[0] == codec.tool and "i n.png" in arguments and "out" in arguments
