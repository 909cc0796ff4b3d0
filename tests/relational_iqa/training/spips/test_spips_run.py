"""A whole run of SPIPS: weights, card, resume, a backbone by path, opinions of several fits."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa.commands.fit_spips import FitSpipsOptions, fit_spips
from relational_iqa.networks.resnet import ResNet
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.storage.spips_weights import save_spips_weights
from relational_iqa.systems import spips
from relational_iqa.training.spips import fit as spips_fit
from relational_iqa.training.spips.fit import fit, new_network, parse_config

ROOT = Path(__file__).parents[4]
Tiny = Callable[..., dict[str, Any]]


def test_a_run_writes_weights_with_a_card_and_resumes_to_the_same_bytes(
    tiny: Tiny, tmp_path: Path, sets: StoredSets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spips_fit, "training_sets", lambda *_: sets)
    values = tiny(tmp_path / "run")
    values["data"]["photos"] = str(ROOT / "tests/images")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    fit_spips(FitSpipsOptions(config=str(tmp_path / "c.yaml"), overrides=["name=mine", "train.seed=3"]))
    path = tmp_path / "run/mine.safetensors"
    assert capsys.readouterr().out.strip().splitlines()[-1] == f"weights: {path.resolve()}"
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == file_sha256(path) and card["opinions"] == "none" and "no human score" in card["data"]
    assert card["stages"][0]["steps"] == 4 and spips.load(path).meta["opinions"] == "none"
    config = parse_config(card["config"])
    before = path.read_bytes()
    short = replace(config, out=str(tmp_path / "killed"), train=replace(config.train, checkpoint_every=2))

    def killed(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        loss = spips_fit.SpipsStage.loss
        patch.setattr(
            spips_fit.SpipsStage, "loss", lambda self, m, b, step: killed() if step == 3 else loss(self, m, b, step)
        )
        with pytest.raises(MemoryError):
            fit(short)
    assert fit(short).read_bytes() == before


def test_a_resnet_by_path_becomes_the_backbone_with_its_own_size(tiny: Tiny, tmp_path: Path) -> None:
    torch.manual_seed(5)
    resnet = ResNet(18, 6)
    torch.save(resnet.state_dict(), tmp_path / "r.pth")
    config = parse_config(tiny(tmp_path, backbone_from=str(tmp_path / "r.pth"), freeze_backbone=True))
    network, opinions = new_network(config)
    assert opinions == "none" and (network.architecture.resnet_depth, network.architecture.width) == (18, 6)
    assert network.backbone is not None and not any(p.requires_grad for p in network.backbone.parameters())
    assert any(p.requires_grad for p in network.parameters())
    theirs, ours = resnet.state_dict(), network.backbone.state_dict()
    assert (ours["network.layer3.0.conv1.weight"] == theirs["layer3.0.conv1.weight"]).all()
    without = replace(config, architecture=SpipsArchitecture(("psnr", "ssim")))
    with pytest.raises(UsageError, match="none of the streams"):
        new_network(without)


def test_weights_fitted_to_one_group_of_people_after_another_name_them_all(
    tiny: Tiny, rated: Path, triplets: Path, sets: StoredSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spips_fit, "training_sets", lambda *_: sets)
    start = tmp_path / "start.safetensors"
    save_spips_weights(start, SpipsNetwork(SpipsArchitecture(width=4, hidden=8)))
    scores, pairs = "36 rated images of csv, rated", "24 judged pairs of bapps, train"
    people: dict[str, dict[str, Any]] = {
        "mos": {"root": str(rated), "crop_px": 48, "splits": 0},
        "triplets": {"root": str(triplets), "dataset": "bapps", "partial": True, "crop_px": 48},
    }
    data = tiny(tmp_path)["data"] | {"photos": str(ROOT / "tests/images")}
    runs = (
        ("ranked", "none"),
        ("triplets", pairs),
        ("mos", f"{pairs}; {scores}"),
        ("mos", f"{pairs}; {scores}"),
        ("ranked", f"{pairs}; {scores}"),
    )
    for number, (mode, told) in enumerate(runs):
        values = tiny(tmp_path / str(number), mode=mode, start_from=str(start), people=people.get(mode))
        values["data"] = data if mode == "ranked" else None
        values["train"] |= {"steps": 1, "panel_every": 0}
        start = fit(parse_config(values))
        card = json.loads(start.with_suffix(".json").read_text(encoding="utf-8"))
        assert spips.load(start).meta["opinions"] == card["opinions"] == told
        assert ("no human score" in card["data"]) == (told == "none") != ("judgments" in card["licence"])


def test_data_of_the_wrong_kind_is_refused_with_the_right_mode(
    tiny: Tiny, rated: Path, triplets: Path, tmp_path: Path
) -> None:
    runs: list[tuple[str, Path, str, str]] = [
        ("triplets", rated, "csv", "mode=mos"),
        ("mos", triplets, "bapps", "mode=triplets"),
    ]
    for mode, root, dataset, remedy in runs:
        people = {"root": str(root), "dataset": dataset, "partial": True}
        with pytest.raises(UsageError, match=remedy):
            fit(parse_config(tiny(tmp_path / "run", mode=mode, data=None, people=people)))
    table = rated / "scores.csv"
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole.replace("0_0.png,r0.png", "0_0.png,"), encoding="utf-8")
    people = {"root": str(rated), "splits": 0}
    with pytest.raises(UsageError, match="without a reference"):
        fit(parse_config(tiny(tmp_path / "run", mode="mos", data=None, people=people)))
    table.write_text("image,reference,score\n0_0.png,r0.png,3\n0_1.png,r0.png,3\n", encoding="utf-8")
    with pytest.raises(UsageError, match="nothing to fit"):
        fit(parse_config(tiny(tmp_path / "run", mode="mos", data=None, people=people)))
