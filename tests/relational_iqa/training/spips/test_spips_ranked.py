"""SPIPS without labels: the loss reaches every parameter, scale and order are learned."""

import math
from typing import Literal

import numpy as np
import pytest
import torch

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.training.spips.stage import (
    RankedObjective,
    SpipsLossWeights,
    ranked_stage,
)


@pytest.mark.parametrize("shares_from", ["pair", "reference"])
def test_ranked_loss_reaches_every_parameter_and_is_finite_for_equal_images(
    sets: StoredSets, shares_from: Literal["pair", "reference"]
) -> None:
    torch.manual_seed(0)
    network = SpipsNetwork(SpipsArchitecture(width=4, hidden=8, shares_from=shares_from))
    stage = ranked_stage(network, sets, 16, 0, SpipsLossWeights())
    assert stage.items_per_batch == 16
    batch = stage.batches[0]
    stage.calibrate(batch)
    with torch.no_grad():
        network.fusion.last.weight.normal_(0, 0.1)  # at 0, as training starts, nothing below it has a gradient
    loss, parts = stage.loss(stage.model, batch, 0)
    loss.backward()
    without = [name for name, p in stage.model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not without and {"order", "agreed", "consensus", "content", "order_right"} == parts.keys()
    stage.model.zero_grad()
    equal = batch._replace(images=batch.images[:, :1].expand_as(batch.images), labels=torch.zeros_like(batch.labels))
    stage.loss(stage.model, equal, 0)[0].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in stage.model.parameters())


def test_ranked_training_learns_the_scale_and_keeps_the_order(sets: StoredSets) -> None:
    torch.manual_seed(0)
    network = SpipsNetwork(SpipsArchitecture(width=4, hidden=8))
    stage = ranked_stage(network, sets, 24, 0, SpipsLossWeights())
    stage.calibrate(stage.batches[0])
    optimizer = torch.optim.AdamW(stage.model.parameters(), 5e-3)
    seen: list[dict[str, float]] = []
    for step in range(20):
        loss, parts = stage.loss(stage.model, stage.batches[step + 1], step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append({name: value.item() for name, value in parts.items()})
    first, last = ({name: np.mean([row[name] for row in rows]) for name in seen[0]} for rows in (seen[:5], seen[-5:]))
    assert last["consensus"] < 0.6 * first["consensus"] and last["order_right"] > 0.97
    # The last stage still tells photographs apart: a collapse to a constant gives the logarithm of their number.
    assert last["content"] < 0.85 * math.log(24 // (sets.images.shape[1] - 1))


def test_content_is_learned_only_by_a_backbone_that_is_trained_for_the_semantic_stream() -> None:
    weights = SpipsLossWeights()
    assert RankedObjective(SpipsNetwork(SpipsArchitecture(width=4)), weights).content is not None
    frozen = SpipsNetwork(SpipsArchitecture(width=4))
    assert frozen.backbone is not None
    frozen.backbone.requires_grad_(False)
    assert RankedObjective(frozen, weights).content is None
    assert RankedObjective(SpipsNetwork(SpipsArchitecture(("psnr", "perceptual"), 4)), weights).content is None
    assert RankedObjective(SpipsNetwork(SpipsArchitecture(("psnr", "ssim"))), weights).content is None


def test_panels_are_pictures(sets: StoredSets) -> None:
    stage = ranked_stage(SpipsNetwork(SpipsArchitecture(width=4, hidden=8)), sets, 8, 0, SpipsLossWeights())
    picture = stage.panels(stage.batches[0])["difference"]
    assert picture.shape == (3, 96, 192) and picture.min() >= 0 and picture.max() <= 1
