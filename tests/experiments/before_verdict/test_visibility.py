"""The table of what counts as visible: it runs on the photographs of the tests, and its expectations hold there."""

from pathlib import Path

import numpy as np

from experiments.before_verdict.visibility import CHANGES, main, measure, table
from relational_iqa.viewing.visibility import THRESHOLD_DELTA_E

IMAGES = Path(__file__).parents[2] / "images"


def test_what_should_never_or_always_be_seen_is_so_on_the_photographs_of_the_tests() -> None:
    found = measure(IMAGES, 3, 160, lambda text: None)
    assert all(len(values) == 3 for values in found.values())
    for change in CHANGES:
        values = np.array(found[change.name])
        if change.expected == "below":
            assert (values < THRESHOLD_DELTA_E).all(), (change.name, values)
        elif change.expected == "above":
            assert values.max() >= THRESHOLD_DELTA_E, (change.name, values)  # JPEG 92 is not seen in soft ones


def test_the_table_counts_photographs_in_which_a_change_is_seen() -> None:
    found = {change.name: [0.5, 1.5, 2.0, 3.0] for change in CHANGES}
    assert table(found).splitlines()[2] == "| saved as PNG | 75 % | never | 0.80, 1.75, 2.70 |"


def test_the_command_writes_its_table(tmp_path: Path) -> None:
    assert main(["--photos", str(IMAGES), "--count", "1", "--crop", "64", "--out", str(tmp_path)]) == 0
    assert "JPEG 98" in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert main(["--photos", str(tmp_path / "absent"), "--out", str(tmp_path)]) == 2
