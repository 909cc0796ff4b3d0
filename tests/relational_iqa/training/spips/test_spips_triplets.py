"""SPIPS on 2AFC triplets: symmetric in the two versions, and it learns what judges prefer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from relational_iqa.benchmarks.forced_choice import two_afc
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.systems import spips
from relational_iqa.training.spips import fit as spips_fit
from relational_iqa.training.spips.data import TripletBatches
from relational_iqa.training.spips.fit import fit, parse_config
from relational_iqa.training.spips.stage import (
    TripletObjective,
    triplet_stage,
)

Tiny = Callable[..., dict[str, Any]]


def test_triplets_swap_with_their_judgment_and_batches_depend_on_seed_and_number_alone(triplets: Path) -> None:
    pairs = spips_fit.read_benchmark("bapps", triplets, True).pairs
    first, second = (TripletBatches(pairs, 16, 64, 0)[5] for _ in range(2))
    assert all((x == y).all() for x, y in zip(first, second, strict=True))
    assert first.reference.shape == (16, 3, 64, 64) and 0 < first.share.mean() < 1
    darker_first = first.p0.mean((1, 2, 3)) < first.p1.mean((1, 2, 3)) - 0.01
    assert (first.share[darker_first] == 1).all() and darker_first.any()


def test_swapping_the_two_versions_of_a_triplet_leaves_its_loss(triplets: Path) -> None:
    torch.manual_seed(0)
    network = SpipsNetwork(SpipsArchitecture(width=4, hidden=8))
    pairs = spips_fit.read_benchmark("bapps", triplets, True).pairs
    stage = triplet_stage(network, TripletBatches(pairs, 8, 64, 0), 8, False)
    batch = stage.batches[0]
    stage.calibrate(batch)
    loss, parts = stage.loss(stage.model, batch, 0)
    swapped, _ = stage.loss(stage.model, batch._replace(p0=batch.p1, p1=batch.p0, share=1 - batch.share), 0)
    assert loss.item() == pytest.approx(swapped.item(), rel=1e-5)
    quality = network(torch.cat([batch.p0, batch.p1]), torch.cat([batch.reference] * 2)).detach().view(2, -1).numpy()
    assert float(parts["agreement"]) == pytest.approx(two_afc(quality[0] - quality[1], batch.share.numpy()))
    same, _ = TripletObjective(network)(batch.reference, batch.p0, batch.p0, batch.share)
    assert same.item() == pytest.approx(np.log(2), rel=1e-5)


def test_what_judges_prefer_is_learned_from_triplets(tiny: Tiny, triplets: Path, tmp_path: Path) -> None:
    values = tiny(tmp_path / "run", mode="triplets", data=None, people={"root": str(triplets), "dataset": "bapps"})
    values["people"] |= {"partial": True, "crop_px": 48}
    values["train"] |= {"steps": 20, "batch_size": 8, "learning_rate": 0.02, "panel_every": 0}
    path = fit(parse_config(values))
    model = spips.load(path)
    agreed = []
    for pair in spips_fit.read_benchmark("bapps", triplets, True).pairs:
        first, second = (model.score(image, pair.reference).quality for image in (pair.first, pair.second))
        agreed.append((second > first) == (pair.prefer_second > 0.5))
    assert np.mean(agreed) > 0.9
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["opinions"] == "24 judged pairs of bapps, train" and "no human" not in card["data"]
    assert "judgments" in card["licence"] and card["stages"][0]["losses"]["agreement"] > 0.8
