"""Every format, depth, alpha, colour space and orientation: the values are those of a decoder that is not ours.

The files and the values come from `python -m experiments.image_files.make`, which names the programs.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distortion_engine.reading.image_io import load_image
from experiments.image_files.table import PAGE, with_table

pytestmark = pytest.mark.filterwarnings("error")

FILES = Path(__file__).parent / "files"
CASES: list[dict[str, Any]] = json.loads((FILES / "cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_a_file_is_read_as_other_decoders_read_it_or_refused_by_name(
    case: dict[str, Any], failure: Callable[..., str]
) -> None:
    path = FILES / case["file"]
    if case["refused"] is not None:
        message = failure(path)
        assert case["refused"] in message and "damaged" not in message
        return
    with np.load(FILES / "expected.npz") as values:
        expected = values[case["file"]] / 65535
    read = load_image(path).permute(1, 2, 0).numpy()
    assert read.shape == expected.shape
    largest = float(np.abs(read - expected).max()) * 255
    assert largest <= case["tolerance"]


def test_every_file_has_a_case_and_every_case_its_file() -> None:
    files = {path.name for path in FILES.iterdir()} - {"cases.json", "expected.npz"}
    assert files == {case["file"] for case in CASES} and len(files) == len(CASES)


def test_the_page_on_image_files_lists_the_cases_of_today() -> None:
    page = PAGE.read_text()
    assert page == with_table(page), "run python -m experiments.image_files.table"
