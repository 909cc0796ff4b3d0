"""Cross-fits on small made folders in the layout of KonIQ-10k, KADID-10k and TID2013; no person was asked."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.cross_fit import run
from experiments.cross_fit.run import DIRECTIONS, HERE, CrossFit, main, table
from relational_iqa.benchmarks.evaluation import Settings
from relational_iqa.benchmarks.readers.catalog import read_benchmark
from relational_iqa.commands.config_file import read_config
from relational_iqa.training.pmos.fit_mos_config import parse_fit_config
from relational_iqa.training.spips.fit import parse_config

TINY_PMOS = ["pmos:fit.steps=2", "pmos:fit.batch_size=4", "pmos:fit.warmup_steps=0", "pmos:fit.data_workers=0",
             "pmos:splits=1", "pmos:cells=16"]  # fmt: skip
TINY_SPIPS = ["spips:train.steps=1", "spips:train.batch_size=4", "spips:train.warmup_steps=0", "spips:people.splits=1",
              "spips:train.panel_every=0", "spips:train.data_workers=0", "spips:people.crop_px=48"]  # fmt: skip


def picture(number: int, noise: float, path: Path) -> None:
    """A ramp with noise, the same ramp for the same number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    ramp = np.linspace(40, 200, 64)[None, :, None] * rng.uniform(0.7, 1.1, (1, 1, 3)) + np.zeros((56, 1, 1))
    Image.fromarray((ramp + rng.normal(0, noise + 1e-6, ramp.shape)).clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def sets(tmp_path: Path) -> dict[str, Path]:
    koniq, kadid, tid = (tmp_path / name for name in ("koniq10k", "kadid10k", "tid2013"))
    rows = ["image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore"]
    for n in range(12):
        picture(n, 3.0 * n, koniq / f"1024x768/{n}.jpg")
        rows.append(f"{n}.jpg,0,0,25,73,7,105,3,0.5,{80 - 5 * n}")
    (koniq / "koniq10k_scores_and_distributions.csv").write_text("\n".join(rows), encoding="utf-8")
    dmos, mos = ["dist_img,ref_img,dmos,var"], []
    for scene in range(1, 6):
        picture(scene, 0, kadid / f"images/I{scene:02d}.png")
        picture(scene, 0, tid / f"reference_images/I{scene:02d}.BMP")
        for level in (1, 3, 5):
            picture(scene, 8 * level, kadid / f"images/I{scene:02d}_11_{level:02d}.png")
            dmos.append(f"I{scene:02d}_11_{level:02d}.png,I{scene:02d}.png,{5 - 0.7 * level},0.4")
            picture(scene, 8 * level, tid / f"distorted_images/i{scene:02d}_01_{level}.bmp")
            mos.append(f"{7 - level} i{scene:02d}_01_{level}.bmp")
    (kadid / "dmos.csv").write_text("\n".join(dmos), encoding="utf-8")
    (tid / "mos_with_names.txt").write_text("\n".join(mos), encoding="utf-8")
    return {"koniq10k": koniq, "kadid10k": kadid, "tid2013": tid}


def roots(sets: dict[str, Path]) -> list[str]:
    return [word for name, path in sets.items() for word in (f"--{name}", str(path))]


def test_all_systems_are_fitted_both_ways_and_tested_on_the_other_set(
    sets: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "Settings", partial(Settings, bootstrap=20))
    out = tmp_path / "out"
    assert main([*roots(sets), "--partial", "--out", str(out), *TINY_PMOS, *TINY_SPIPS]) == 0
    printed = capsys.readouterr().out.splitlines()
    facts = json.loads((out / "cross_fit.json").read_text(encoding="utf-8"))
    assert [(row["system"], row["fitted_to"], row["tested_on"]) for row in facts] == [
        (system, *pair) for system, pairs in DIRECTIONS.items() for pair in pairs
    ]
    assert len(printed) == 2 + len(facts)
    for row in facts:
        assert -1 <= row["srcc"] <= 1 and Path(row["weights"]).is_file()
        assert (row["before"] is None) == (row["system"] == "reiqa")
    fitted = {row["weights"] for row in facts}
    assert len(fitted) == len(facts)


@pytest.mark.parametrize("path", sorted(HERE.glob("*.yaml")), ids=lambda path: path.name)
def test_the_configs_name_the_set_that_they_are_called_after(path: Path) -> None:
    system, name = path.stem.split("_")
    if system == "pmos":
        pmos = parse_fit_config(read_config(str(path), []))
        assert pmos.dataset == name and pmos.name == f"pmos-{name}"
        assert pmos.score_range == {"koniq10k": [0, 100], "kadid10k": [1, 5]}[name]
    else:
        spips = parse_config(read_config(str(path), []))
        assert spips.people is not None and spips.people.dataset == name and spips.mode == "mos"
    assert f"/data/{name}" in path.read_text(encoding="utf-8")


def test_the_score_ranges_are_those_of_the_readers(sets: dict[str, Path]) -> None:
    for name, expected in (("koniq10k", (0, 100)), ("kadid10k", (1, 5))):
        opinion = read_benchmark(name, sets[name], partial=True).opinion
        assert (opinion.low, opinion.high) == expected


def test_what_cannot_be_fitted_is_said_in_one_line(
    sets: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["--koniq10k", str(sets["koniq10k"])], "nothing to fit"),
        ([*roots(sets), "--systems", "ours"], "--systems ours: expected some of pmos, reiqa, spips"),
        ([*roots(sets), "--out", str(tmp_path)], "the published set has 10,073"),
    ):
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("cross_fit: ") and said in line


def test_a_row_without_numbers_has_dashes() -> None:
    row = CrossFit("reiqa", "koniq10k", "kadid10k", float("nan"), 0.5, 0.25, None, float("nan"), "w")
    assert table([row]).splitlines()[-1] == "| reiqa | koniq10k | - | kadid10k | 0.500 | - | 0.250 | - |"
