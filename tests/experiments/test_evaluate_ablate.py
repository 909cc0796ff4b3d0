"""The ablation: variants differ in what they say they do, share all else, and end in one table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from experiments.pixel_perfect import ablate as module
from experiments.pixel_perfect.ablate import VARIANTS, AblationConfig, ablate, main, markdown, train_variant
from experiments.pixel_perfect.table import Row
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.storage.pixel_perfect_weights import save_weights
from relational_iqa.training.data.training_sets import DataConfig
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.pixel_perfect.scoring_stage import DEFAULT_WEIGHTS


@pytest.fixture
def config(random_networks: Networks, tmp_path: Path) -> AblationConfig:
    save_weights(tmp_path / "w.safetensors", random_networks)
    scoring = TrainConfig(
        steps=2, batch_size=8, learning_rate=1e-3, warmup_steps=0, panel_every=0, accelerator="cpu", data_workers=0
    )
    return AblationConfig(str(tmp_path / "w.safetensors"), DataConfig("p"), scoring, str(tmp_path / "out"), 1, 1, 48)


def test_each_variant_leaves_out_one_thing() -> None:
    assert VARIANTS["everything"].weights == DEFAULT_WEIGHTS and VARIANTS["everything"].mute is None
    zero = {name: value for name, value in (("consensus", "consensus"), ("agreed pairs", "agreed"),
                                            ("construction", "order"), ("contrast", "contrast"))}  # fmt: skip
    for name, part in zero.items():
        variant = VARIANTS[f"without {name}"]
        assert variant.weights == replace(DEFAULT_WEIGHTS, **{part: 0.0}) and variant.mute is None


@pytest.mark.parametrize("name", ["everything", "without masked bands", "without similarity maps"])
def test_muted_distances_stay_silent_and_the_distortion_network_as_it_was(
    name: str, config: AblationConfig, tiny_sets: StoredSets, random_networks: Networks, tmp_path: Path
) -> None:
    networks = train_variant(config, tiny_sets, VARIANTS[name], tmp_path / "run")
    scorer = networks.scoring.reference
    maps, bands = scorer.similarity.channels, 2 * networks.distortion.statistics.channels["energy_d"]
    silent = {"everything": [], "without masked bands": range(maps, maps + bands)}.get(name, range(maps))
    assert torch.nonzero(scorer.gain.flatten() == 0).flatten().tolist() == list(silent)
    before = random_networks.distortion.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in networks.distortion.state_dict().items())
    assert any(
        not torch.equal(value, random_networks.scoring.state_dict()[key])
        for key, value in networks.scoring.state_dict().items()
    )


def test_variants_are_measured_on_the_label_free_rows_of_the_score(
    config: AblationConfig, tiny_sets: StoredSets, held_out: list[Path]
) -> None:
    rows = ablate(replace(config, variants=["everything", "without consensus"]), tiny_sets, held_out)
    assert list(rows) == ["everything", "without consensus"]
    assert all(len(listed) == 4 and all(row.asked for row in listed) for listed in rows.values())
    with pytest.raises(UsageError, match="'without luck' is unknown; expected some of everything"):
        ablate(replace(config, variants=["without luck"]), tiny_sets, held_out)


def test_the_table_has_a_line_a_variant() -> None:
    lines = markdown({"everything": [Row("order", 0.9, unit="share")], "less": [Row("order", None)]}).splitlines()
    assert lines[0] == "| scoring stage | order |" and lines[2:] == [
        "| everything | 90.0 % |",
        "| less | not measured |",
    ]


def test_the_command_reads_a_config_and_writes_the_table(
    config: AblationConfig, tiny_sets: StoredSets, photo_folder: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    path = tmp_path / "ablation.yaml"
    path.write_text(
        f"weights: {config.weights}\nout: {config.out}\nsets: 1\ngroups: 1\ncrop_px: 48\nvariants: [without contrast]\n"
        f"data: {{photos: {photo_folder}}}\n"
        "scoring: {steps: 1, batch_size: 8, learning_rate: 1.0e-3, warmup_steps: 0, accelerator: cpu,\n"
        "  data_workers: 0}\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(module, "training_sets", lambda *arguments: tiny_sets)
    assert main(["--config", str(path)]) == 0
    assert (Path(config.out) / "ablation.md").read_text(encoding="utf-8") in capsys.readouterr().out
    path.write_text("weights: w\nseconds: 3\n", encoding="utf-8")
    assert main(["--config", str(path)]) == 2 and capsys.readouterr().err.startswith(f"ablate: {path}: ")
