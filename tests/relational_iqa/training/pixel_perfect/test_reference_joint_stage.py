"""The stage that joins what is seen against a reference: its teachers, which of them counts where, what is learnt."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.networks.reference_joint import ReferenceJoint
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pixel_perfect.reference_joint_stage import (
    EvidenceRows,
    ReferenceJointObjective,
    ReferenceJointStage,
    as_severity,
    clear_votes,
    evidence_of_sets,
    set_order_temperature,
    teacher_odds,
)

MEMBERS = 3


def rows(count: int, seed: int = 0) -> EvidenceRows:
    """Sets whose members have severities of .1 to .9 in the order of their ranks. Half of the sets differ in kind 0,
    where the first distance tells the severity and the second nothing; half in kind 1, where it is the other way round.
    The scorer sees nothing; the metrics are right about kind 0 alone, the stages about kind 1 alone."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.arange(count) % 2
    severity = (0.1 + 0.8 * torch.rand(count, MEMBERS, generator=generator)).sort(1).values
    noise = torch.rand(count, MEMBERS, 2, generator=generator)
    told = torch.stack([1.0 - kind, kind.float()], 1)[:, None]
    seen = told * severity[..., None] + (1 - told) * noise
    kinds = told.expand(-1, MEMBERS, -1) * severity[..., None]
    spread = lambda values: values[..., None, None].expand(-1, -1, -1, 2, 2)  # noqa: E731
    return EvidenceRows(
        spread(seen), spread(kinds), torch.zeros(count, MEMBERS), torch.arange(MEMBERS).expand(count, -1),
        seen[..., :1].expand(-1, -1, 2), 0.1 * seen[..., 1], kinds, torch.ones(count),
    )  # fmt: skip


def test_distances_come_on_the_scale_of_severity_by_a_rising_curve():
    distance = torch.linspace(0, 1, 500)
    severity = as_severity(distance[None], (0.8 * distance**2)[None])[0]
    assert torch.allclose(severity, 0.8 * distance**2, atol=0.02)
    falling = as_severity(distance, 1 - distance)
    assert (falling.diff() >= 0).all() and float(falling[0]) == 0


def voters(count: int, seed: int = 0) -> EvidenceRows:
    """Sets of kind 0 or 1. Three metrics and the stages see the severity through noise of their own: the stages little
    of it in kind 1 and much in kind 0."""
    generator = torch.Generator().manual_seed(seed)
    kind = (torch.arange(count) % 2).float()[:, None].expand(-1, MEMBERS)
    severity = torch.rand(count, MEMBERS, generator=generator)
    noise = torch.randn(count, MEMBERS, 4, generator=generator)
    labels = severity[..., None] + 0.25 * noise[..., :3]
    deep = severity + torch.where(kind > 0, 0.1, 0.8) * noise[..., 3]
    kinds = torch.stack([1 - kind, kind], -1) * severity[..., None]
    empty = torch.zeros(count, MEMBERS, 1, 1, 1)
    return EvidenceRows(
        empty, empty, torch.zeros(count, MEMBERS), torch.zeros(count, MEMBERS), labels, deep, kinds, torch.zeros(count)
    )


def test_the_odds_of_a_teacher_are_those_of_being_right_and_are_told_by_agreement_alone():
    rows = voters(3000)
    odds = teacher_odds(rows)
    assert odds.shape == (2, 4)
    generator = torch.Generator().manual_seed(1)
    # Teachers do not err quite independently: all are wrong more often about pairs that are near one another.
    for kind in (0, 1):
        chosen = torch.arange(kind, 3000, 2)
        severity = rows.kinds[chosen].sum(-1).flatten()
        first, second = torch.randint(len(severity), (2, 20_000), generator=generator)
        for teacher in range(4):
            seen = torch.cat([rows.labels, rows.deep[..., None]], -1)[chosen].flatten(0, 1)[:, teacher]
            right = float(((seen[first] - seen[second]) * (severity[first] - severity[second]) > 0).float().mean())
            expected = float(torch.logit(torch.tensor(right)))
            assert float(odds[kind, teacher]) == pytest.approx(expected, rel=0.35), (kind, teacher)
    assert float(odds[1, 3]) > float(odds[1, :3].max()) and float(odds[0, 3]) < float(odds[0, :3].min())


def test_votes_are_clear_where_the_odds_of_those_in_favour_prevail():
    odds = torch.tensor([[3.0, 3.0, 1.0]] * 3)
    teachers = torch.tensor([[0.1, 0.1, 0.3], [0.3, 0.3, 0.1], [0.3, 0.1, 0.1]])
    found = clear_votes(odds, teachers)
    # 0 before 1: 6 of 7 for, 1 against, 5 / 7; 0 and 2: 3 for, 1 against; 1 and 2: 3 against.
    assert {(int(i), int(j)) for i, j in found.nonzero()} == {(0, 1)}
    assert clear_votes(torch.tensor([[3.0, 3.0, 2.0]] * 3), teachers).sum() == 0  # 4 / 8


def test_the_loss_asks_for_the_order_the_votes_and_the_level_of_the_teachers_by_their_odds():
    joint = ReferenceJoint(2, 2)
    batch = rows(4)
    found = {}
    for name, severity in (("right", batch.kinds.sum(-1)), ("turned", batch.kinds.sum(-1).flip(1))):
        objective = ReferenceJointObjective(joint, torch.tensor([[2.0, 2.0, 0.0], [0.0, 0.0, 1.0]]))
        objective.qualities = lambda rows, severity=severity: -5 * severity  # type: ignore[method-assign]
        with torch.no_grad():
            loss, parts = objective(batch._replace(deep=10 * batch.deep))
        found[name] = {"loss": float(loss), **{key: float(value) for key, value in parts.items()}}
    assert found["right"]["consensus"] == pytest.approx(0, abs=1e-6)
    assert found["right"]["right"] == 1 and found["turned"]["right"] == 0
    assert all(found["right"][name] < found["turned"][name] for name in ("loss", "order", "agreed", "consensus"))


def test_training_trusts_each_distance_where_it_tells(tmp_path: Path):
    torch.manual_seed(0)
    joint = ReferenceJoint(2, 2)
    stage = ReferenceJointStage(joint, rows(600), 96, seed=0)
    config = TrainConfig(250, 96, 1e-2, warmup_steps=5, ema_decay=0.9, panel_every=0, data_workers=0, accelerator="cpu")
    train(stage, config, tmp_path)
    unseen = rows(300, seed=5)
    temperature = set_order_temperature(joint, rows(300, seed=6))
    assert float(joint.temperature) == pytest.approx(temperature)
    with torch.no_grad():
        quality = stage.model.qualities(unseen)
        right = (quality[:, 0] > quality[:, 1]).float()
        sure = joint.confidence((quality[:, 0], unseen.scorer[:, 0]), (quality[:, 1], unseen.scorer[:, 1]))
    assert float(right.mean()) > 0.8
    assert float(sure.mean()) == pytest.approx(float(right.mean()), abs=0.05)


def test_networks_without_a_judgement_have_nothing_to_join(random_networks: Networks):
    with pytest.raises(ValueError, match="no judgement"):
        evidence_of_sets(random_networks, SimpleNamespace(images=np.zeros((1, 2, 3, 32, 32))))  # type: ignore[arg-type]
