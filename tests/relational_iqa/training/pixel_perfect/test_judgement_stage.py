"""The judgement stage: which pairs are in order, the parts of the loss with their signs, and that heads learn."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.backbone import BackboneArchitecture, random_weights
from relational_iqa.networks.judgement import Judgement, JudgementArchitecture
from relational_iqa.networks.stage_distances import stage_distances
from relational_iqa.training.data.stored_moments import MomentBatch, MomentBatches, stored_moments
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pixel_perfect.judgement_stage import (
    DEFAULT_WEIGHTS,
    JudgementObjective,
    JudgementStage,
    ordered_pairs,
)

SMALL = JudgementArchitecture(BackboneArchitecture(taps=(-1, 4)), half_taps=1, hidden=16, heads=2)
SIDE = 32


@pytest.fixture(scope="module")
def sets(photos: list[Tensor]) -> StoredSets:
    """Twelve sets of a photograph and the same with more and more noise on its right half."""
    rng = np.random.default_rng(0)
    images, fields = [], np.zeros((12, 3, 2, SIDE // 4, SIDE // 4), np.int8)
    for number in range(12):
        photo = (photos[number % len(photos)].numpy() * 255).astype(np.uint8)
        top, left = (int(rng.integers(size - SIDE)) for size in photo.shape[1:])
        crop = photo[:, top : top + SIDE, left : left + SIDE].astype(np.float32)
        noise = rng.normal(0, 40, crop.shape) * (np.arange(SIDE) >= SIDE // 2)
        images.append(np.stack([crop, crop + noise / 3, crop + noise]).clip(0, 255).astype(np.uint8))
    fields[:, 1, 1, :, SIDE // 8 :], fields[:, 2, 1, :, SIDE // 8 :] = 38, 102
    severity = np.array([0.0, 0.2, 0.6], np.float32)
    return StoredSets(
        np.stack(images), fields, np.full((12, 3, 1, SIDE // 4, SIDE // 4), 255, np.uint8),
        np.tile([-1, 0, 1], (12, 1)), np.tile(severity[None, :, None], (12, 1, 2)), np.ones(12, np.float32),
        np.zeros(12, np.int64), "12 ranked sets of photographs",
    )  # fmt: skip


@pytest.fixture
def judgement(sets: StoredSets) -> Judgement:
    torch.manual_seed(0)
    model = Judgement(SMALL)
    images = torch.from_numpy(sets.images[0]).float() / 255
    random_weights(model.stages, images, seed=2)
    model.calibrate(images)
    return model


def test_moments_are_stored_once_and_a_stopped_run_goes_on(
    sets: StoredSets, judgement: Judgement, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    store = stored_moments(sets, judgement, tmp_path)
    images = torch.from_numpy(sets.images[5]).float() / 255
    assert np.allclose(store.moments[5], judgement.moments(images).detach().numpy(), rtol=2e-3, atol=2e-3)
    distances = torch.stack(stage_distances(images, images[:1].expand_as(images), judgement.stages), 1).detach()
    assert np.allclose(store.distances[5], distances.numpy(), atol=1e-5) and (store.distances[:, 0] == 0).all()
    capsys.readouterr()
    first = np.array(store.moments[range(12)])
    again = stored_moments(sets, judgement, tmp_path)
    assert np.array_equal(again.moments[range(12)], first) and capsys.readouterr().err == ""
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (folder / "done.json").write_text("7")
    stored_moments(sets, judgement, tmp_path)
    assert np.array_equal(np.load(folder / "moments.npy"), first)
    assert "moments of 12 of 12" in capsys.readouterr().err
    judgement.channel_scale *= 2
    assert not np.array_equal(stored_moments(sets, judgement, tmp_path).moments[range(12)], first)


def test_moments_of_chosen_sets_are_those_of_all_of_them_and_not_computed_again(
    sets: StoredSets, judgement: Judgement, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    every = stored_moments(sets, judgement, tmp_path)
    capsys.readouterr()
    numbers = np.array([1, 4, 5, 9])
    some = stored_moments(sets.take(numbers), judgement, tmp_path)
    fewer = stored_moments(sets.take(numbers).range(1, 3), judgement, tmp_path)
    assert capsys.readouterr().err == "" and sum(path.is_dir() for path in tmp_path.iterdir()) == 1
    assert len(some.sets) == len(some.moments) == 4 and len(fewer.moments) == 2
    for found, wanted in zip(some.batch(np.array([0, 3])), every.batch(np.array([1, 9])), strict=True):
        assert torch.equal(found, wanted)
    for found, wanted in zip(fewer.batch(np.array([1])), every.batch(np.array([5])), strict=True):
        assert torch.equal(found, wanted)


def test_only_the_moments_that_are_wanted_are_computed_and_the_rest_when_it_is(
    sets: StoredSets, judgement: Judgement, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    some = stored_moments(sets, judgement, tmp_path, 5)
    assert len(some.sets) == len(some.moments) == len(some.distances) == 5
    assert "moments of 5 of 5" in capsys.readouterr().err
    chosen = stored_moments(sets.take(np.array([2, 4, 11])), judgement, tmp_path, 2)
    assert len(chosen.sets) == 2 and capsys.readouterr().err == ""
    every = stored_moments(sets, judgement, tmp_path)
    assert "moments of 12 of 12" in capsys.readouterr().err and len(every.moments) == 12
    assert np.array_equal(every.moments[range(5)], some.moments[range(5)])
    assert np.array_equal(every.moments[4], chosen.moments[1]) and np.array_equal(every.distances[:5], some.distances)


def test_stored_moments_are_pickled_as_a_path(sets: StoredSets, judgement: Judgement, tmp_path: Path):
    store = stored_moments(sets, judgement, tmp_path)
    values = int(np.prod(store.moments.shape))
    sent = pickle.dumps(store.moments)
    assert len(sent) < values and np.array_equal(pickle.loads(sent)[3], store.moments[3])


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_is_noticed_before_it_is_used_and_the_other_sets_stay(
    sets: StoredSets, judgement: Judgement, tmp_path: Path
):
    store = stored_moments(sets, judgement, tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    flip(folder / "moments.npy", 128 + store.moments[0].nbytes * 5 + 77)
    again = stored_moments(sets, judgement, tmp_path)
    sent = pickle.loads(pickle.dumps(again))
    chosen = stored_moments(sets.take(np.array([2, 5])), judgement, tmp_path)
    for found, damaged in ((again, 5), (sent, 5), (chosen, 1)):
        with pytest.raises(UsageError, match="moments.npy: what lies at byte .* differs .*; remove .*moments-"):
            found.batch(np.array([damaged]))
        assert found.batch(np.array([0])).moments.isfinite().all()
    flip(folder / "moments.npy", 128 + store.moments[0].nbytes * 5 + 77)
    assert np.array_equal(stored_moments(sets, judgement, tmp_path).moments[5], store.moments[5])


@pytest.mark.parametrize(("name", "place"), [("distances", 128 + 9), ("hashes", 128 + 40), ("distances", 30)])
def test_damaged_distances_hashes_and_headers_are_noticed_when_the_folder_is_opened(
    sets: StoredSets, judgement: Judgement, tmp_path: Path, name: str, place: int
):
    stored_moments(sets, judgement, tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    flip(folder / f"{name}.npy", place)
    with pytest.raises(UsageError, match="distances.npy: .*; remove .*moments-.*, and it is made anew"):
        stored_moments(sets, judgement, tmp_path)


def test_moments_of_a_former_version_get_hashes_and_are_not_computed_again(
    sets: StoredSets, judgement: Judgement, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first = np.array(stored_moments(sets, judgement, tmp_path, 4).moments[range(4)])
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    hashes = (folder / "hashes.npy").read_bytes()
    (folder / "hashes.npy").unlink()
    capsys.readouterr()
    again = stored_moments(sets, judgement, tmp_path, 4)
    assert "4 sets are without hashes" in capsys.readouterr().err and (folder / "hashes.npy").read_bytes() == hashes
    assert np.array_equal(again.moments[range(4)], first)
    kept = np.load(folder / "hashes.npy")
    kept[2:] = 0  # as after a former version has added sets
    np.save(folder / "hashes.npy", kept)
    stored_moments(sets, judgement, tmp_path)
    said = capsys.readouterr().err
    assert "2 sets are without hashes" in said and "moments of 12 of 12" in said
    stored_moments(sets, judgement, tmp_path).moments[range(12)]
    assert capsys.readouterr().err == ""


def test_batches_are_a_function_of_seed_and_number(sets: StoredSets, judgement: Judgement, tmp_path: Path):
    store = stored_moments(sets, judgement, tmp_path)
    batches = MomentBatches((store, store), (2, 3), seed=1)
    one, same, other = batches[4], MomentBatches((store, store), (2, 3), seed=1)[4], batches[5]
    assert all(torch.equal(x, y) for x, y in zip(one, same, strict=True)) and not torch.equal(one[0], other[0])
    assert one.moments.shape[:2] == (5, 3) and one.severity.shape == (5, 3, 2, 2)
    assert torch.allclose(one.severity[0, 2], torch.tensor([[0.0, 102 / 127]] * 2), atol=1e-6)
    assert torch.equal(one.valid, torch.ones(5, 3, 2, 2))


def batch_of(
    ranks: list[int], labels: list[list[float]], distances: list[list[float]], certainty: float
) -> MomentBatch:
    count = len(ranks)
    return MomentBatch(
        torch.zeros(1, count, 2, 1, 1), torch.tensor([ranks]), torch.tensor([labels]), torch.tensor([distances]),
        torch.tensor([certainty]), torch.zeros(1, count, 1, 1), torch.ones(1, count, 1, 1),
    )  # fmt: skip


def test_pairs_are_in_order_by_construction_or_where_all_teachers_agree():
    labels = [[0.0, 0.0], [0.3, 0.3], [0.1, 0.1], [0.5, 0.31]]
    distances = [[0.0, 0.0], [0.2, 0.2], [0.1, 0.3], [0.3, 0.25]]
    unsure = ordered_pairs(batch_of([-1, 0, 0, 0], labels, distances, 0.0))[0]
    # Metrics and one distance of the stages see 1, 2 and 3 in different orders, or within a tenth of a level.
    assert {(int(i), int(j)) for i, j in unsure.nonzero()} == {(0, 1), (0, 2), (0, 3)}
    sure = ordered_pairs(batch_of([-1, 0, 1, 2], labels, distances, 1.0))[0]
    assert {(int(i), int(j)) for i, j in sure.nonzero()} == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}


class Told(JudgementObjective):
    """Of a judgement that says what it is told of every image, and takes it for the margins of pairs too."""

    def __init__(self, qualities: list[float]) -> None:
        model = Judgement(SMALL)
        super().__init__(model, DEFAULT_WEIGHTS)
        self.told = torch.tensor(qualities)
        model.quality = lambda sums: self.told[:, None].expand(-1, 2)  # type: ignore[method-assign]
        model.local_relations = nn.ModuleList([ToldHead(qualities)])

    def _relations(self, whole: object, sets: int, members: int) -> Tensor:
        return (self.told[:, None] - self.told[None, :])[None, :, :, None].expand(-1, -1, -1, 2)


class ToldHead(nn.Module):
    """A local relation head that says at every cell by how much it was told that an image is better."""

    def __init__(self, qualities: list[float]) -> None:
        super().__init__()
        self.told = torch.tensor(qualities)

    def project(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        told = self.told[:, None, None, None].expand(-1, 1, *inputs.shape[2:])
        return told, told

    def relate(self, a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return a[0] - b[1], torch.ones_like(a[0])


def loss_of(qualities: list[float], batch: MomentBatch) -> dict[str, float]:
    objective = Told(qualities)
    channels = objective.judgement.channels
    wide = batch._replace(moments=torch.zeros(1, len(qualities), 2 * channels, 1, 1))
    with torch.no_grad():
        loss, parts = objective(wide)
    return {"loss": float(loss), **{name: float(value) for name, value in parts.items()}}


def test_the_loss_asks_for_the_order_and_for_the_level_of_the_metrics():
    labels = [[0.0, 0.0], [0.2, 0.2], [0.6, 0.6]]
    batch = batch_of([-1, 0, 1], labels, [[0.0, 0.0], [0.1, 0.1], [0.2, 0.2]], 1.0)
    right, turned = loss_of([0.0, -1.0, -3.0], batch), loss_of([-3.0, -1.0, 0.0], batch)
    assert right["consensus"] == pytest.approx(0.0, abs=1e-6)
    assert right["right"] == right["relation_right"] == right["placed_right"] == 1.0
    steps = [1.0, 2.0, 3.0]  # of the three pairs, the better less the worse
    for name in ("order", "relation", "placed"):
        assert right[name] == pytest.approx(np.mean([np.log1p(np.exp(-step / 0.3)) for step in steps]), rel=1e-4)
        assert turned[name] == pytest.approx(np.mean([np.log1p(np.exp(step / 0.3)) for step in steps]), rel=1e-4)
    assert (
        turned["right"] == turned["relation_right"] == turned["placed_right"] == 0.0 and turned["loss"] > right["loss"]
    )
    names = ("order", "relation", "placed", "consensus", "dense")
    weighted = sum(getattr(DEFAULT_WEIGHTS, name) * turned[name] for name in names)
    assert turned["loss"] == pytest.approx(weighted, rel=1e-5)
    off = loss_of([0.0, -1.5, -3.0], batch)  # half a level is .1 of severity, where the loss begins to be linear
    # One image of three; by the relation heads four pairs of nine; by the local ones two of three.
    assert off["consensus"] == pytest.approx(0.05 / 3 + 4 * 0.05 / 9 + 2 * 0.05 / 3, rel=1e-4)


def test_the_local_quality_is_asked_to_be_the_severity_at_every_valid_cell(monkeypatch: pytest.MonkeyPatch):
    objective = Told([-1.0, -1.0])
    heads = torch.full((2, 2, 4, 1), -2.0), torch.ones(2, 2, 4, 1)
    monkeypatch.setattr(objective.judgement, "heads", lambda inputs: heads)
    batch = MomentBatch(
        torch.zeros(1, 2, 2 * objective.judgement.channels, 2, 2), torch.tensor([[-1, 0]]), torch.zeros(1, 2, 2),
        torch.zeros(1, 2, 2), torch.ones(1), torch.full((1, 2, 2, 2), 0.4), torch.ones(1, 2, 2, 2),
    )  # fmt: skip
    with torch.no_grad():
        right = objective(batch)[1]["dense"]
        wrong = objective(batch._replace(severity=torch.full((1, 2, 2, 2), 0.6)))[1]["dense"]
        unknown = objective(batch._replace(severity=torch.ones(1, 2, 2, 2), valid=torch.zeros(1, 2, 2, 2)))[1]["dense"]
    assert float(right) == pytest.approx(0, abs=1e-6) and float(unknown) == 0
    assert float(wrong) == pytest.approx(0.2 - 0.1 / 2, rel=1e-4)  # linear beyond half a level


def test_the_local_relation_is_asked_to_be_the_difference_of_the_severities_at_every_valid_cell():
    objective = Told([0.0, -1.0])
    heads = torch.zeros(2, 2, 4, 1), torch.ones(2, 2, 4, 1)
    objective.judgement.heads = lambda inputs: heads  # type: ignore[method-assign]
    channels, severity = 2 * objective.judgement.channels, torch.tensor([0.0, 0.2])[None, :, None, None]
    batch = MomentBatch(
        torch.zeros(1, 2, channels, 2, 2), torch.tensor([[-1, 0]]), torch.zeros(1, 2, 2), torch.zeros(1, 2, 2),
        torch.ones(1), severity.expand(-1, -1, 2, 2), torch.ones(1, 2, 2, 2),
    )  # fmt: skip
    single = (0 + 0.2 - 0.05) / 2  # of the local qualities, which are told to be 0: the same in both
    with torch.no_grad():
        right = objective(batch)[1]["dense"]
        wrong = objective(batch._replace(severity=-severity.expand(-1, -1, 2, 2)))[1]["dense"]
    assert float(right) == pytest.approx(single, rel=1e-4)  # told 1 level apart, which is .2 of severity
    assert float(wrong) == pytest.approx(0 + 0.2 - 0.05, rel=1e-4)  # the severity below 0 counts as 0: 0 apart


def test_margins_of_all_pairs_of_every_set_are_those_of_the_relation_heads(judgement: Judgement):
    objective = JudgementObjective(judgement.eval(), DEFAULT_WEIGHTS)
    for head in judgement.relations:
        for parameter in head.parameters():
            parameter.data = torch.randn_like(parameter)
    ones = torch.ones(1, 1, 2, 2)
    sums = judgement(torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))).sums(ones)
    found = objective._relations(sums, 2, 3)
    x = judgement.pooled_inputs(sums)
    expected = judgement.relations[1](x[4:5], x[5:6])  # of the second set, member 1 over member 2
    assert found.shape == (2, 3, 3, 2) and torch.allclose(found[1, 1, 2, 1], expected[0, 0], atol=1e-5)
    assert torch.allclose(found, -found.transpose(1, 2), atol=1e-5)


def test_training_puts_unseen_sets_in_order_and_finds_the_place(sets: StoredSets, judgement: Judgement, tmp_path: Path):
    learnt, unseen = sets.first(9), stored_moments(sets, judgement, tmp_path).batch(np.arange(9, 12))
    store = stored_moments(learnt, judgement, tmp_path)
    stage = JudgementStage(judgement, [store], [4], seed=0)
    config = TrainConfig(60, 12, 3e-3, warmup_steps=5, ema_decay=0.8, panel_every=30, data_workers=0, accelerator="cpu")
    before = {name: value.clone() for name, value in judgement.stages.state_dict().items()}
    done = train(stage, config, tmp_path / "run")
    assert done["steps"] == 60
    assert all(torch.equal(value, before[name]) for name, value in judgement.stages.state_dict().items())
    with torch.inference_mode():
        _, parts = stage.model(unseen)
        quality, _ = judgement.heads(judgement.inputs(unseen.moments[:, 2]))
        margin = judgement.local_relation(unseen.moments[:, 0], unseen.moments[:, 2]).margin
    assert float(parts["right"]) == float(parts["relation_right"]) == float(parts["placed_right"]) == 1.0
    assert float(quality[..., 1].mean()) < float(quality[..., 0].mean())  # the noise lies on the right
    assert float(margin[..., 1].mean()) > float(margin[..., 0].mean())


def test_a_judgement_without_any_imagenet_trains_too(sets: StoredSets, tmp_path: Path):
    torch.manual_seed(1)
    model = Judgement(replace(SMALL, local=False))
    images = torch.from_numpy(sets.images[1]).float() / 255
    random_weights(model.stages, images, seed=5)
    model.calibrate(images)
    stage = JudgementStage(model, [stored_moments(sets, model, tmp_path)], [3], seed=0)
    config = TrainConfig(3, 9, 1e-3, panel_every=0, data_workers=0, accelerator="cpu")
    assert np.isfinite(train(stage, config, tmp_path / "run")["losses"]["loss"])
