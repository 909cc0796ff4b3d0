"""SPIPS on the frozen backbone, without labels: what is seen is kept, teachers are followed as far as they are trusted,
and training learns scale and order."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite, random_weights
from relational_iqa.networks.spips_stages import StageSpips
from relational_iqa.storage.backbone_weights import save_backbone_weights
from relational_iqa.storage.spips_weights import load_spips_weights
from relational_iqa.systems import spips
from relational_iqa.training.spips import fit as spips_fit
from relational_iqa.training.spips import stream_rows
from relational_iqa.training.spips.fit import fit, parse_config
from relational_iqa.training.spips.stage import SpipsLossWeights
from relational_iqa.training.spips.stream_rows import StreamRows, computed_rows, rows_of_sets
from relational_iqa.training.spips.stream_stage import StreamObjective, StreamStage, deep_distances, seen_of
from relational_iqa.training.spips.teachers import Teachers, certain_pairs, odds_by_kind, teachers
from tests.relational_iqa.networks.small_stages import SMALL, small_stage_spips

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def network(versions: list[Tensor]) -> StageSpips:
    return small_stage_spips(versions)


@pytest.fixture
def rows(network: StageSpips, sets: StoredSets) -> StreamRows:
    return computed_rows(network.comparison, sets)


def test_rows_hold_what_the_network_sees_of_every_image(
    network: StageSpips, sets: StoredSets, rows: StreamRows
) -> None:
    images = torch.from_numpy(np.array(sets.images)).float() / 255
    with torch.inference_mode():
        expected = network(images[:, 1:].flatten(0, 1), images[:, 0])
        found = network.quality_of(seen_of(rows))
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=1e-2)  # half precision
    assert rows.maps.shape[:2] == (12, 4) and (rows.ranks == torch.arange(4)).all()
    assert torch.equal(rows.labels, torch.from_numpy(sets.labels[:, 1:]))


def test_rows_are_computed_once_and_belong_to_their_sets_and_backbone(
    network: StageSpips, sets: StoredSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_rows, "SETS_A_FILE", 5)
    first = rows_of_sets(network.comparison, sets, tmp_path)
    assert len(list(tmp_path.glob("*/rows.safetensors"))) == 3

    def refuse(*_: object) -> None:
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr(stream_rows, "computed_rows", refuse)
        again = rows_of_sets(network.comparison, sets, tmp_path)
        assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
        with pytest.raises(AssertionError, match="computed again"):
            rows_of_sets(network.comparison, sets.range(4, 12), tmp_path)
        other = small_stage_spips([image.flip(-1) * 0.5 for image in _pictures()])
        with pytest.raises(AssertionError, match="computed again"):
            rows_of_sets(other.comparison, sets, tmp_path)


def _pictures() -> list[Tensor]:
    return list(torch.rand(5, 3, 80, 96, generator=torch.Generator().manual_seed(4)))


def test_the_deep_teacher_is_structure_at_half_size_of_coarse_stages(network: StageSpips, rows: StreamRows) -> None:
    # Three conventional maps, two stages at full size, then those at half size, of which strides 8 and 16 count.
    expected = rows.maps[:, :, [3 + 2 + 2, 3 + 2 + 3]].float().mean((2, 3, 4))
    torch.testing.assert_close(deep_distances(rows, network), expected)


def test_odds_tell_which_family_is_right_for_which_kind_of_difference() -> None:
    ranks, certainty = torch.arange(4).repeat(200, 1), torch.ones(200)
    share = torch.zeros(200, 4, 2)
    share[:100, :, 0] = 1
    share[100:, :, 1] = 1
    loss = ranks.float()
    loss[100:] = loss[100:].flip(1)  # wrong about the second kind
    good, bad = odds_by_kind(loss, share, ranks, certainty).tolist()
    # 600 pairs of each kind and 200 of average accuracy, which is one half.
    assert good == pytest.approx(float(torch.logit(torch.tensor((600 + 100) / 800))), abs=1e-4)
    assert 0 < bad < 0.01
    assert odds_by_kind(loss, share, ranks, torch.full((200,), 0.5)).abs().max() < 0.01  # no set is certain


def _said(metrics: list[list[float]], stages: list[list[float]]) -> Teachers:
    of_metrics = torch.tensor(metrics)[..., None].repeat(1, 1, 2)
    return Teachers(of_metrics, torch.tensor(stages), torch.full((len(metrics), len(metrics[0])), 0.75))


def test_pairs_are_certain_where_all_metrics_agree_and_within_a_scene_the_stages_too() -> None:
    found = certain_pairs(_said([[0.1, 0.3, 0.31], [0.2, 0.5, 0.6]], [[0.2, 0.1, 0.5], [0.1, 0.2, 0.3]]))
    assert found[0].tolist() == [0, 0, 1, 1, 1, 1]  # 0.1 -> 0.3 is what the stages see the other way round
    assert found[3].tolist() == [0, 1, 1, 0, 1, 1]  # across sets the stages are not asked
    assert found[1].tolist() == [0, 0, 0, 0, 1, 1]  # 0.3 and 0.31 are too near
    divided = _said([[0.1, 0.3]], [[0.1, 0.2]])
    divided.metrics[0, 1, 1] = 0.05
    assert not certain_pairs(divided).any()


def test_the_level_is_that_of_both_families_as_far_as_they_are_trusted() -> None:
    said = _said([[0.2, 0.6]], [[0.4, 0.4]])
    torch.testing.assert_close(said.level, torch.tensor([[0.25, 0.55]]))
    torch.testing.assert_close(said.disagreement, torch.tensor([[0.1, 0.1]]))


def test_stages_have_the_mean_level_of_the_metrics_in_every_set() -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.rand(30, 5, 3, generator=generator).cumsum(1) / 5
    deep = labels.mean(-1) * torch.linspace(0.2, 3, 30)[:, None]  # as if scenes had scales of their own
    said = teachers(labels, deep, torch.rand(30, 5, 4), torch.arange(5).repeat(30, 1), torch.ones(30))
    torch.testing.assert_close(said.stages.mean(1), labels.mean((1, 2)))
    assert (said.stages.diff(dim=1) >= 0).all() and ((said.trust > 0) & (said.trust < 1)).all()


def test_the_loss_reaches_every_parameter_and_is_finite_for_equal_images(network: StageSpips, rows: StreamRows) -> None:
    stage = StreamStage(network, [rows], [4], 0, SpipsLossWeights())
    assert stage.items_per_batch == 16
    batch = stage.batches[0]
    stage.calibrate(batch)
    loss, parts = stage.loss(stage.model, batch, 0)
    loss.backward()
    learned = [(name, p) for name, p in network.named_parameters() if not name.startswith("comparison.")]
    assert not [name for name, p in learned if p.grad is None or not p.grad.abs().max() > 0]
    assert {"order", "agreed", "consensus", "order_right"} == parts.keys()
    network.zero_grad()
    equal = batch[0]._replace(
        maps=torch.zeros_like(batch[0].maps), test=batch[0].reference[:, None].expand_as(batch[0].test)
    )
    stage.loss(stage.model, (equal, batch[1]), 0)[0].backward()
    assert all(p.grad.isfinite().all() for _, p in learned if p.grad is not None)
    network.zero_grad()


def test_every_part_of_the_loss_prefers_the_order_and_the_level_of_the_teachers(
    network: StageSpips, rows: StreamRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = StreamObjective(network, SpipsLossWeights())
    level = torch.linspace(0.1, 0.7, 4).repeat(12, 1)
    said = Teachers(level[..., None].repeat(1, 1, 2), level, torch.full_like(level, 0.5))

    def parts_of(quality: Tensor) -> dict[str, float]:
        monkeypatch.setattr(StageSpips, "quality_of", lambda self, seen: quality.flatten())
        return {name: float(value) for name, value in objective(rows, said)[1].items()}

    right, wrong = parts_of(-5 * level), parts_of(-5 * level.flip(1))
    assert right["order_right"] == 1 and right["consensus"] < 1e-9
    assert all(right[name] < wrong[name] for name in ("order", "agreed", "consensus"))
    assert wrong["order_right"] == pytest.approx(0.4)  # the reference is still best


def test_training_learns_the_scale_and_keeps_the_order(versions: list[Tensor], rows: StreamRows) -> None:
    network = small_stage_spips(versions)
    stage = StreamStage(network, [rows], [6], 0, SpipsLossWeights())
    stage.calibrate(stage.batches[0])
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 2e-2)
    seen: list[dict[str, float]] = []
    for step in range(40):
        loss, parts = stage.loss(stage.model, stage.batches[step + 1], step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append({name: value.item() for name, value in parts.items()})
    first, last = ({name: np.mean([row[name] for row in part]) for name in seen[0]} for part in (seen[:5], seen[-5:]))
    assert last["consensus"] < 0.6 * first["consensus"] and last["order_right"] > 0.95


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    found = EfficientNetLite(BackboneArchitecture(width=0.25, taps=(-1, 0, 2, 4, 7)))
    random_weights(found, torch.stack(_pictures()), 0)
    save_backbone_weights(tmp_path / "backbone.safetensors", found)
    return tmp_path / "backbone.safetensors"


def test_a_run_writes_weights_that_name_their_backbone_and_resumes_to_the_same_bytes(
    tiny: Callable[..., dict[str, Any]],
    tmp_path: Path,
    sets: StoredSets,
    backbone: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spips_fit, "training_sets", lambda *_: sets)
    smoke = yaml.safe_load((ROOT / "experiments/spips/smoke_stages.yaml").read_text(encoding="utf-8"))
    values = tiny(tmp_path / "run", streams_dir=str(tmp_path / "streams"), stages_from=str(backbone), data=None)
    values |= {"sources": smoke["sources"], "stages": SMALL.to_dict()}
    for source in values["sources"]:
        source["data"]["photos"] = str(ROOT / "tests/images")
    config = parse_config(values)
    path = fit(config)
    model = spips.load(path)
    assert isinstance(model.network, StageSpips) and model.network.backbone_source is not None
    assert path.stat().st_size < backbone.stat().st_size + 60_000
    before = path.read_bytes()
    killed = replace(config, out=str(tmp_path / "killed"), train=replace(config.train, checkpoint_every=2))
    loss = StreamStage.loss

    def stop(self: StreamStage, model: Any, batch: Any, step: int) -> Any:
        if step == 3:
            raise MemoryError
        return loss(self, model, batch, step)

    with monkeypatch.context() as patch:
        patch.setattr(StreamStage, "loss", stop)
        with pytest.raises(MemoryError):
            fit(killed)
    assert fit(killed).read_bytes() == before
    on = replace(config, stages=None, start_from=str(path), out=str(tmp_path / "on"), name="on")
    assert load_spips_weights(fit(on))[0].architecture == SMALL
    with pytest.raises(UsageError, match="sources"):
        fit(replace(on, sources=[], data=config.sources[0].data))
