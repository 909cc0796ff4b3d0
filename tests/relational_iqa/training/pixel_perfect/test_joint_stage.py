"""The joint stage: what the teachers say of pairs, batches of both orders, what is learnt, and the temperature."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from relational_iqa.networks.joint_margin import JointMargin
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pixel_perfect.joint_stage import (
    JointBatch,
    JointBatches,
    JointObjective,
    JointStage,
    rows_of_sets,
    set_temperature,
    teachers,
)


def rows(count: int, judged_right: float, seed: int = 0) -> JointBatch:
    """Pairs one level apart; the judgement has the right sign in a share of them, the other parts in half."""
    generator = torch.Generator().manual_seed(seed)
    sign = torch.where(torch.rand(count, generator=generator) < 0.5, 1.0, -1.0)
    right = torch.where(torch.rand(count, generator=generator) < judged_right, 1.0, -1.0) * sign
    judged_a = torch.stack([right, right], 1) - 2
    pair = torch.randn(count, generator=generator)
    related, placed = (torch.randn(count, 2, generator=generator) for _ in range(2))
    return JointBatch(judged_a, torch.full((count, 2), -2.0), related, placed, pair, torch.rand(count, 3), sign, sign)


def sets(certainty: float) -> Any:
    return SimpleNamespace(
        labels=np.array([[[0.0, 0.0], [0.1, 0.1], [0.3, 0.4], [0.11, 0.5]]]), ranks=np.array([[-1, 0, 1, 2]]),
        certainty=np.array([certainty]),
    )  # fmt: skip


def test_teachers_are_construction_or_else_metrics_and_stages_that_agree():
    pairs = np.array([[0, 1], [1, 2], [2, 1], [1, 3], [3, 2]])
    deep = np.array([[0.0, 0.0], [0.1, 0.1], [0.2, 0.2], [0.3, 0.3]])
    sign, target = teachers(sets(0.0), 0, pairs, deep)
    assert sign.tolist() == [1, 1, -1, 0, 0]  # one metric sees 1 and 3 alike; the metrics differ about 3 and 2
    assert target.tolist() == pytest.approx([0.5, 1.25, -1.25, 1.025, 0.225])
    sign, _ = teachers(sets(0.0), 0, pairs, deep[[0, 2, 1, 3]])
    assert sign.tolist() == [1, 0, 0, 0, 0]  # the stages see 2 before 1
    sign, _ = teachers(sets(0.9), 0, pairs, deep)
    assert sign.tolist() == [1, 1, -1, 1, -1]


def test_half_of_every_batch_has_its_images_exchanged():
    found = rows(50, 0.9)
    batch = JointBatches(found, 20, seed=1)[3]
    assert torch.equal(batch.judged_b[:10], torch.full((10, 2), -2.0))
    assert torch.equal(batch.judged_a[10:], torch.full((10, 2), -2.0))
    again = JointBatches(found, 20, seed=1)[3]
    assert all(torch.equal(x, y) for x, y in zip(batch, again, strict=True))
    other = found.exchanged()
    for name in ("related", "placed", "pair", "sign", "target"):
        assert torch.equal(getattr(other, name), -getattr(found, name)), name
    assert torch.equal(other.kinds, found.kinds)
    twice = other.exchanged()
    assert all(torch.equal(x, y) for x, y in zip(found, twice, strict=True))


def test_the_loss_is_lower_for_the_right_order():
    joint = JointMargin(3)
    found = rows(40, 1.0)
    wrong = found._replace(sign=-found.sign, target=-found.target)
    with torch.no_grad():
        (low, parts), (high, others) = (JointObjective(joint)(batch) for batch in (found, wrong))
    assert float(low) < float(high) and all(float(parts[name]) < float(others[name]) for name in ("order", "consensus"))


def test_training_trusts_the_part_that_is_right_and_the_confidence_becomes_true(tmp_path: Any):
    torch.manual_seed(0)
    joint = JointMargin(3)
    stage = JointStage(joint, rows(2000, 0.9), 128, seed=0)
    config = TrainConfig(
        200, 128, 1e-2, warmup_steps=5, ema_decay=0.9, panel_every=0, data_workers=0, accelerator="cpu"
    )
    train(stage, config, tmp_path)
    unseen = rows(2000, 0.9, seed=5)
    set_temperature(joint, rows(2000, 0.9, seed=4))
    with torch.no_grad():
        verdict = joint(unseen.findings())
    right = (verdict.margin * unseen.sign > 0).float()
    assert float(right.mean()) > 0.85
    assert float(verdict.trust[:, 0].mean()) > 2 * float(verdict.trust[:, 1:].mean())
    assert float(verdict.confidence.mean()) == pytest.approx(float(right.mean()), abs=0.03)


def test_the_temperature_lowers_a_confidence_that_is_too_high_and_raises_one_that_is_too_low():
    found = {}
    for share in (0.6, 0.99):
        joint = JointMargin(3)
        with torch.no_grad():
            nothing = {"pair": torch.zeros(1000), "related": torch.zeros(1000, 2), "placed": torch.zeros(1000, 2)}
            found[share] = set_temperature(joint, rows(1000, share)._replace(**nothing))
        assert float(joint.temperature) == pytest.approx(found[share])
    assert found[0.6] > 1.5 > 0.9 > found[0.99]


def test_networks_without_a_judgement_have_nothing_to_join(random_networks: Networks):
    with pytest.raises(ValueError, match="no judgement"):
        rows_of_sets(random_networks, SimpleNamespace(images=np.zeros((1, 2, 3, 32, 32), np.uint8)), 1, 0)  # type: ignore[arg-type]
