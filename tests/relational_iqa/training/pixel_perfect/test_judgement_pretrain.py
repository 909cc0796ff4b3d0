"""Adding the judgement to trained weights: the run from config to weights, what stays as it was, what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

import relational_iqa
from distortion_engine.errors import UsageError
from relational_iqa.networks.backbone import BackboneArchitecture
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture
from relational_iqa.storage.backbone_weights import load_backbone_weights
from relational_iqa.storage.pixel_perfect_weights import load_judgement, load_weights
from relational_iqa.training.data.backbone_start import fill_backbone
from relational_iqa.training.pixel_perfect.judgement_pretrain import (
    JudgementConfig,
    parse_judgement_config,
    pretrain_judgement,
)

ROOT = Path(__file__).parents[4]
CONFIGS = [ROOT / "experiments/judgement" / name for name in ("cpu.yaml", "smoke.yaml")]


def values_of(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> JudgementConfig:
    folder = tmp_path_factory.mktemp("judgement")
    values = values_of(ROOT / "experiments/judgement/smoke.yaml")
    values |= {"out": str(folder / "run"), "moments_dir": str(folder / "moments")}
    for source in values["sources"]:
        source["data"] |= {"photos": str(ROOT / "tests/images"), "sets": 6, "workers": 0, "cache_dir": str(folder)}
    return parse_judgement_config(values)


@pytest.fixture(scope="module")
def weights(config: JudgementConfig) -> Path:
    return pretrain_judgement(config)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_is_understood(path: Path):
    config = parse_judgement_config(values_of(path))
    kinds = [source.data.kinds for source in config.sources]
    assert {"restoration_outputs": 1.0} in kinds and len(kinds) == 2


def test_the_networks_of_the_core_stay_as_they_were(weights: Path):
    before, after = load_weights("riqa-small")[0].state_dict(), load_weights(weights)[0].state_dict()
    added = {name for name in after if name.startswith(("judgement.", "joint.", "reference_joint."))}
    shared = set(after) - added
    assert added and shared == {
        name for name in before if not name.startswith(("judgement.", "joint.", "reference_joint."))
    }
    assert all(torch.equal(before[name], after[name]) for name in shared)
    backbone = load_backbone_weights()[0].state_dict()
    assert torch.equal(after["judgement.stages.stem.weight"], backbone["stem.weight"])


def test_the_answer_has_a_confidence_and_swapped_images_negate_it_to_the_bit(weights: Path, photos: list[Tensor]):
    model = relational_iqa.load(weights)
    a = photos[0][:, :96, :112]
    b = (a + 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    one, other, same = model.compare(a, b), model.compare(b, a), model.compare(a, a)
    assert one.margin == -other.margin != 0 and one.confidence == other.confidence
    assert one.confidence is not None and 0.5 <= one.confidence <= 1
    assert (one.local_margin.full() == -other.local_margin.full()).all()
    assert same.margin == 0 and same.identical and same.confidence == 0.5
    against, turned = (model.compare(*pair, reference=a) for pair in ((a, b), (b, a)))
    assert against.quality_a == turned.quality_b == 0 and against.margin == -turned.margin > 0
    assert against.confidence == turned.confidence is not None and 0.5 <= against.confidence <= 1
    assert (against.local_margin.full() == -turned.local_margin.full()).all()
    assert model.compare(a, a, reference=b).confidence == 0.5
    tiles = relational_iqa.RelationalIQA(load_weights(weights)[0], model.meta, tile_px=64, whole_px=0)
    assert tiles.compare(a, b).margin == pytest.approx(one.margin, abs=1e-3)
    assert tiles.compare(a, b, reference=a).margin == pytest.approx(against.margin, abs=1e-3)


def test_the_card_names_both_sources_and_the_origin_of_the_backbone(weights: Path):
    card = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["data"].count("ranked sets") == 2 and "ImageNet class labels" in card["data"]
    assert [stage["stage"] for stage in card["stages"]] == ["judgement", "joint", "reference_joint"]
    assert card["config"]["start_from"] == "riqa-small"


def test_a_second_run_finds_everything_done(config: JudgementConfig, weights: Path, capfd: pytest.CaptureFixture[str]):
    before = weights.read_bytes()
    assert pretrain_judgement(config) == weights and weights.read_bytes() == before
    said = capfd.readouterr().err
    assert "moments of" not in said and "generating" not in said


def test_a_judgement_that_is_there_is_taken_as_it_is(config: JudgementConfig, weights: Path, tmp_path: Path):
    again = pretrain_judgement(replace(config, judgement_from=str(weights), out=str(tmp_path)))
    before, after = load_weights(weights)[0].judgement, load_weights(again)[0].judgement
    assert before is not None and after is not None
    torch.testing.assert_close(after.state_dict(), before.state_dict(), rtol=0, atol=0)
    card = json.loads(again.with_suffix(".json").read_text(encoding="utf-8"))
    assert [stage["stage"] for stage in card["stages"]] == ["joint", "reference_joint"]
    digest = load_judgement(weights)[1]["sha256"]
    assert f"judgement of smoke {digest[:8]}" in card["data"]


def test_a_judgement_of_other_sizes_or_none_is_refused(config: JudgementConfig, tmp_path: Path):
    with pytest.raises(UsageError, match="judgement_from riqa-judged: is "):
        pretrain_judgement(replace(config, judgement_from="riqa-judged", out=str(tmp_path / "a")))
    with pytest.raises(UsageError, match="holds no judgement"):
        pretrain_judgement(replace(config, judgement_from="riqa-small", out=str(tmp_path / "b")))


def test_backbones_of_another_size_are_refused():
    judgement = Judgement(JudgementArchitecture(BackboneArchitecture(width=1.1, taps=(-1, 0)), half_taps=0))
    with pytest.raises(UsageError, match="backbone-lite0 is .*'width': 1.0.*asks for .*1.1"):
        fill_backbone(judgement.stages, "backbone-lite0", [], 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"sources": []}, "sources is empty"), ({"held_back": 1.0}, "held_back is 1.0"), ({"hads": 1}, "hads")],
)
def test_configs_that_cannot_be_are_refused(change: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        parse_judgement_config(values_of(ROOT / "experiments/judgement/smoke.yaml") | change)
