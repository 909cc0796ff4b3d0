"""Configs of SPIPS: all that ship are understood, wrong keys are named."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from distortion_engine.errors import UsageError
from relational_iqa.training.spips.fit import parse_config

ROOT = Path(__file__).parents[4]
CONFIGS = sorted((ROOT / "experiments/spips").glob("*.yaml"))
Tiny = Callable[..., dict[str, Any]]


def values_of(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_of_the_experiment_is_understood(path: Path) -> None:
    config = parse_config(values_of(path))
    assert config.name == values_of(path)["name"]
    assert (config.data is None and not config.sources) == (config.mode != "ranked")
    assert (config.people is None) == (config.mode == "ranked") and bool(config.sources) == (config.stages is not None)


def test_the_own_backbone_shares_its_cache_with_the_core_and_grows_it() -> None:
    names = ("spips/own_backbone", "pixel_perfect/cpu")
    ours, core = (values_of(ROOT / f"experiments/{name}.yaml")["data"] for name in names)
    assert ours["sets"] >= core["sets"] and ours | {"sets": core["sets"]} == core


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mode": "people"}, "mode"),
        ({"colour": "red"}, "colour"),
        ({"architecture": {"streams": ["psnr", "vgg"]}}, "streams"),
        ({"architecture": {"shares_from": "test"}}, "shares_from"),
        ({"mode": "mos"}, "people"),
        ({"data": None}, "data"),
        ({"stages": {}}, "sources"),
        ({"stages": {"half_taps": 3}, "sources": [], "mode": "mos"}, "people"),
        ({"stages": {}, "sources": [{"data": {"photos": "x"}, "per_batch": 2}], "start_from": "a"}, "start_from"),
        ({"mode": "mos", "people": {"root": "x", "crop_px": 40}}, "crop_px"),
        ({"start_from": "a", "backbone_from": "b"}, "backbone_from"),
    ],
)
def test_wrong_or_missing_key_is_named(tiny: Tiny, changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=named):
        parse_config(tiny(tmp_path, **changes))


def test_a_card_holds_the_config_that_made_it(tiny: Tiny, tmp_path: Path) -> None:
    config = parse_config(tiny(tmp_path))
    assert parse_config(json.loads(json.dumps(asdict(config)))) == config
