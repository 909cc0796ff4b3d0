"""pMOS training: labels say what the engine did, the loss reaches every parameter, maps learn to follow masks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine.catalog import AXES, AXIS_INDEX
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.pmos_head import DEFECTS, NEVER, image_mos, thumbnail
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.results.words.single_image import index_of
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.losses.opinion_maps import defect_loss
from relational_iqa.training.pmos.calibration import COVERAGE, LEAST_SEVERITY, calibrate, named_from
from relational_iqa.training.pmos.mos_labels import labels_of, mos_of, severity_of
from relational_iqa.training.pmos.second_look import recoloured, second_look
from relational_iqa.training.pmos.stage import PmosLossWeights, PmosStage, consistency_loss
from relational_iqa.training.pmos.stored_cells import CellBatches, stored_cells
from tests.relational_iqa.small_pmos import TINY, calibrated

# -- labels ------------------------------------------------------------------------------------------------------------


def test_untouched_is_five_and_full_severity_is_one() -> None:
    field = torch.zeros(len(AXES), 1, 4)
    field[AXIS_INDEX["noise"], 0] = torch.tensor([0.0, 0.5, 1.0, 0.6])
    field[AXIS_INDEX["brightness"], 0, 3] = -0.8  # two axes: sqrt(.36 + .64) = 1, whatever their signs
    assert mos_of(severity_of(field))[0, 0].tolist() == pytest.approx([5, 3, 1, 1], abs=1e-5)
    field[AXIS_INDEX["blocking"], 0, 3] = 0.9
    assert severity_of(field).max() == 1 and mos_of(torch.tensor([1.3])).item() == 1


def marked_sets(tiny_sets: StoredSets) -> StoredSets:
    """Two sets, in which one cell of the second member is darker and noisier, half of it without evidence."""
    fields, validity = np.zeros_like(tiny_sets.fields[:2]), np.full_like(tiny_sets.validity[:2], 255)
    fields[1, 2, AXIS_INDEX["brightness"], 2:4, 4:6] = -127
    fields[1, 2, AXIS_INDEX["noise"], 2:4, 4] = 127
    validity[1, 2, 0, 2:4, 4] = 0
    return replace(tiny_sets.first(2), fields=fields, validity=validity)


def test_labels_of_a_cell_are_means_by_axis_and_direction(tiny_sets: StoredSets) -> None:
    labels = labels_of(marked_sets(tiny_sets), np.array([1]))
    assert labels.mos.shape == labels.valid.shape == (1, 5, 1, 4, 4) and labels.defects.shape == (1, 5, DEFECTS, 4, 4)
    assert float(labels.defects[0, 2, index_of("brightness", False), 1, 2]) == pytest.approx(1)
    assert float(labels.defects[0, 2, index_of("noise", True), 1, 2]) == pytest.approx(0.5)
    assert float(labels.defects.sum()) == pytest.approx(1.5) and float(labels.mos[0, 2, 0, 1, 2]) == pytest.approx(1)
    assert float(labels.valid[0, 2, 0, 1, 2]) == pytest.approx(0.5) and float((labels.mos < 5).sum()) == 1
    metrics = tiny_sets.labels[1]
    np.testing.assert_allclose(labels.image_mos[0], 5 - 4 * metrics.mean(-1), atol=1e-5)
    np.testing.assert_allclose(labels.disagreement[0], 4 * metrics.std(-1, ddof=1), atol=1e-5)


def test_order_is_that_of_the_construction_and_where_that_is_silent_of_all_metrics(tiny_sets: StoredSets) -> None:
    ranks = np.array([[-1, 0, 1, 2, 2]])
    metrics = np.array([[[0.0, 0.0], [0.3, 0.3], [0.1, 0.1], [0.4, 0.5], [0.8, 0.45]]], np.float32)
    one = replace(tiny_sets.first(1), ranks=ranks, labels=metrics, certainty=np.ones(1, np.float32))
    order = labels_of(one, np.array([0])).order[0]
    assert order[1, 2] == 1 and order[2, 1] == 0  # the construction is surer than the metrics, which say the opposite
    assert order[3, 4] == order[4, 3] == 0  # of one rank, and the metrics do not agree
    metrics[0, 4] = 0.8
    assert labels_of(replace(one, labels=metrics), np.array([0])).order[0, 3, 4] == 1
    unsure = labels_of(replace(one, certainty=np.zeros(1, np.float32)), np.array([0])).order[0]
    assert unsure[2, 1] == 1 and (order.diagonal() == 0).all()  # only the metrics are left


def test_one_metric_alone_disagrees_with_nobody(tiny_sets: StoredSets) -> None:
    labels = labels_of(replace(tiny_sets, labels=tiny_sets.labels[..., :1]), np.array([0]))
    assert (labels.disagreement == 0).all()


# -- what the backbone says --------------------------------------------------------------------------------------------


def test_stored_cells_are_what_the_backbone_says_and_are_computed_once(
    tiny_sets: StoredSets, network: PmosNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stored_cells(tiny_sets, network, tmp_path)
    images = torch.from_numpy(tiny_sets.images[3]).float() / 255
    with torch.inference_mode():
        expected = network.encoder.see(images)
    for found, wanted in zip(store.cells(3), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=2e-3, atol=2e-3)  # half precision
    assert store.late.shape == (6, 5, 2 * network.encoder.late_channels)
    monkeypatch.setattr(network.encoder, "see", lambda _: pytest.fail("asked again"))
    again = stored_cells(tiny_sets.first(6), network, tmp_path)
    assert all(torch.equal(x, y) for x, y in zip(again.cells(5), store.cells(5), strict=True))
    part = store.range(2, 4)
    assert len(part.sets) == len(part.late) == 2 and torch.equal(part.cells(1).fine, store.cells(3).fine)
    assert np.array_equal(part.sets.labels, tiny_sets.labels[2:4])


def test_another_backbone_has_cells_of_its_own(tiny_sets: StoredSets, network: PmosNetwork, tmp_path: Path) -> None:
    stored_cells(tiny_sets.first(1), network, tmp_path)
    with torch.no_grad():
        network.head.score.weight.mul_(2)
    stored_cells(tiny_sets.first(1), network, tmp_path)
    assert len(list(tmp_path.glob("cells-*"))) == 1  # of the head they do not depend
    with torch.no_grad():
        network.encoder.stages.stem.weight.mul_(1.5)
    stored_cells(tiny_sets.first(1), network, tmp_path)
    assert len(list(tmp_path.glob("cells-*"))) == 2


def test_batches_take_whole_sets_of_every_source_and_depend_on_seed_and_step_alone(
    tiny_sets: StoredSets, network: PmosNetwork, tmp_path: Path
) -> None:
    store = stored_cells(tiny_sets, network, tmp_path)
    batches = CellBatches((store.range(0, 4), store.range(4, 6)), (3, 2), 7)
    first, again = batches[1], CellBatches((store.range(0, 4), store.range(4, 6)), (3, 2), 7)[1]
    for x, y in zip([*first[:3], *first.labels], [*again[:3], *again.labels], strict=True):
        assert torch.equal(x, y)
    assert first.fine.shape[:2] == first.late.shape[:2] == first.labels.image_mos.shape == (5, 5)
    from_references = 0
    for place, row in enumerate(first.labels.image_mos.numpy()):
        number = int(np.abs(5 - 4 * tiny_sets.labels.mean(-1) - row).max(1).argmin())
        assert (number < 4) == (place < 3) and torch.equal(first.fine[place], store.cells(number).fine)
        for member in range(5):  # its own thumbnail or that of the reference
            own, sound = (np.array_equal(first.late[place, member], store.late[number, m]) for m in (member, 0))
            assert own or sound
            from_references += sound and member > 0
    assert 0 < from_references < 20


def test_second_look_shows_every_image_of_a_set_mirrored_in_the_same_other_colours(
    tiny_sets: StoredSets, network: PmosNetwork, tmp_path: Path
) -> None:
    store = stored_cells(tiny_sets, network, tmp_path, looks=2)
    assert store.second is not None and store.range(2, 4).second is not None
    images = torch.from_numpy(tiny_sets.images[3]).float() / 255
    look = second_look(images)
    with torch.inference_mode():
        expected = network.encoder.see(look.images)
        late = network.encoder.late(thumbnail(look.part))
    for found, wanted in zip(store.second.cells(3), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=2e-3, atol=2e-3)  # half precision
    np.testing.assert_allclose(store.second.late[3], late.numpy(), rtol=1e-4, atol=1e-4)
    plain = stored_cells(tiny_sets, network, tmp_path)
    assert plain.second is None and torch.equal(plain.cells(3).fine, store.cells(3).fine)
    assert len(list(tmp_path.glob("cells-*"))) == len(list(tmp_path.glob("second-*"))) == 1


def test_second_look_is_one_recolouring_of_all_images_drawn_from_the_reference() -> None:
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2
    images[2] = images[1]
    look, again = second_look(images), second_look(images)
    assert torch.equal(look.images, again.images) and torch.equal(look.images[1], look.images[2])
    assert not torch.equal(second_look(images[1:]).images[0], look.images[1])  # another reference, other colours
    assert 19 <= look.part.shape[-1] == look.part.shape[-2] <= 32
    windows = look.images.unfold(2, look.part.shape[-2], 1).unfold(3, look.part.shape[-1], 1)
    assert (windows == look.part[:, :, None, None]).flatten(4).all(-1).all(0).all(0).any()
    grey = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    made = recoloured(grey, torch.ones(3), 2.0, 0.3)
    torch.testing.assert_close(made, grey.square())  # greys have no colour to change
    red = torch.tensor([0.6, 0.2, 0.2]).view(1, 3, 1, 1)
    luma = 0.299 * 0.6 + 0.701 * 0.2
    expected = luma + 0.5 * (red - luma)
    torch.testing.assert_close(recoloured(red, torch.ones(3), 1.0, 0.5), expected)
    torch.testing.assert_close(
        recoloured(red, torch.tensor([0.5, 1, 1]), 1.0, 1.0)[0, :, 0, 0], red.new_tensor([0.3, 0.2, 0.2])
    )


def test_batches_with_two_looks_have_the_second_after_the_first_with_mirrored_labels(
    tiny_sets: StoredSets, network: PmosNetwork, tmp_path: Path
) -> None:
    sets = marked_sets(tiny_sets)
    store = stored_cells(sets, network, tmp_path, looks=2)
    assert store.second is not None
    batch = CellBatches((store,), (3,), 7)[2]
    labels = batch.labels
    assert batch.fine.shape[:2] == labels.image_mos.shape == (6, 5)
    assert torch.equal(labels.image_mos[:3], labels.image_mos[3:]) and torch.equal(labels.order[:3], labels.order[3:])
    for name in ("mos", "defects", "valid"):
        values = getattr(labels, name)
        assert torch.equal(values[:3], values[3:].flip(-1))
    assert not torch.equal(labels.mos[:3], labels.mos[3:])
    for place, row in enumerate(labels.image_mos[:3].numpy()):
        number = int(np.abs(5 - 4 * sets.labels.mean(-1) - row).max(1).argmin())
        assert torch.equal(batch.fine[place], store.cells(number).fine)
        assert torch.equal(batch.fine[3 + place], store.second.cells(number).fine)


# -- losses ------------------------------------------------------------------------------------------------------------


def test_loss_reaches_every_parameter_but_those_of_the_backbone(
    tiny_sets: StoredSets, network: PmosNetwork, tmp_path: Path
) -> None:
    stage = PmosStage(network.thaw(backbone=False), [stored_cells(tiny_sets, network, tmp_path)], [6], seed=0)
    assert stage.items_per_batch == 30
    batch = stage.batches[0]
    stage.calibrate(batch)
    loss, parts = stage.loss(stage.model.train(), batch, 0)
    loss.backward()
    trained = {name: p for name, p in network.named_parameters() if not name.startswith("encoder.stages")}
    silent = [name for name, p in trained.items() if p.grad is None or not p.grad.abs().max() > 0]
    assert not silent and all(p.grad.isfinite().all() for p in trained.values() if p.grad is not None)
    assert all(p.grad is None for p in network.encoder.stages.parameters())
    named = {"dense", "within", "defects", "image", "order", "entropy", "shape", "doubt"}
    assert parts.keys() == named | {"order_right", "map_correlation", "image_error"}
    for picture in stage.panels(batch).values():
        assert picture.shape[0] == 3 and picture.min() >= 0 and picture.max() <= 1


def test_two_looks_that_differ_cost_what_their_maps_and_scores_differ_by() -> None:
    maps = torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(2)) + 3
    score = torch.tensor([[3.0, 2.0], [4.0, 1.0]])
    looks = torch.cat([maps, maps.flip(-1)])
    valid = torch.ones(8, 1, 3, 3)
    assert float(consistency_loss(looks, torch.cat([score, score]), valid)) == 0
    off = consistency_loss(torch.cat([maps, maps.flip(-1) + 0.4]), torch.cat([score, score + 0.2]), valid)
    assert float(off) == pytest.approx(0.5 * 0.4**2 + 0.5 * 0.2**2 / 0.5, rel=1e-4)
    assert float(consistency_loss(torch.cat([maps, maps]), torch.cat([score, score]), valid)) > 0  # not mirrored


def test_consistency_is_asked_of_two_looks_and_of_no_other(
    tiny_sets: StoredSets, network: PmosNetwork, tmp_path: Path
) -> None:
    two = stored_cells(tiny_sets, network, tmp_path, looks=2)
    stage = PmosStage(network.thaw(backbone=False), [two], [3], seed=0)
    assert stage.items_per_batch == 30
    loss, parts = stage.loss(stage.model.eval(), stage.batches[0], 0)
    assert float(parts["consistency"].detach()) > 0 and loss.isfinite()
    without = PmosStage(network, [two], [3], 0, replace(PmosLossWeights(), consistency=0.0))
    torch.testing.assert_close(without.loss(without.model.eval(), stage.batches[0], 0)[0] + parts["consistency"], loss)
    with pytest.raises(ValueError, match="one look"):
        PmosStage(network, [two, replace(two, second=None)], [2, 2], seed=0)


def test_defect_loss_is_least_where_the_severity_is_right_and_works_in_mixed_precision() -> None:
    target, valid = torch.tensor([0.0, 0.3, 1.0]).view(1, 3, 1, 1), torch.ones(1, 1, 1, 1)
    assert float(defect_loss(target, target, valid)) == pytest.approx(0, abs=1e-6)
    p, t = 0.6, 0.3
    expected = t * np.log(t / p) + (1 - t) * np.log((1 - t) / (1 - p))
    wrong = torch.tensor([0.0, p, 1.0]).view(1, 3, 1, 1)
    assert float(defect_loss(wrong, target, valid)) == pytest.approx(expected, rel=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(defect_loss(wrong.bfloat16(), target, valid)) == pytest.approx(expected, rel=0.05)


# -- learning ----------------------------------------------------------------------------------------------------------


def noisy_squares(size: int = 64) -> StoredSets:
    """Four sets of a smooth picture with a square of noise that grows in strength from member to member."""
    rng = np.random.default_rng(0)
    images = np.zeros((4, 3, 3, size, size), np.uint8)
    fields = np.zeros((4, 3, len(AXES), size // 4, size // 4), np.int8)
    for number in range(4):
        base = np.full((3, size, size), 60 + 40 * number, np.float64)
        top, left = rng.integers(0, size // 16, 2) * 8
        for member, severity in enumerate((0.0, 0.4, 0.9)):
            noise = np.zeros_like(base)
            noise[:, top : top + 32, left : left + 32] = rng.normal(0, 60 * severity, (3, 32, 32))
            images[number, member] = np.clip(base + noise, 0, 255)
            y, x = top // 4, left // 4
            fields[number, member, AXIS_INDEX["noise"], y : y + 8, x : x + 8] = round(127 * severity)
    labels = np.tile(np.array([0, 0.15, 0.4], np.float32)[None, :, None], (4, 1, 2))
    ones = np.full((4, 3, 1, size // 4, size // 4), 255, np.uint8)
    ranks = np.tile(np.arange(-1, 2), (4, 1))
    return StoredSets(images, fields, ones, ranks, labels, np.ones(4, np.float32), np.zeros(4, np.int64))


def test_maps_and_defects_learn_to_follow_the_damage_and_the_doubt_is_calibrated(tmp_path: Path) -> None:
    sets = noisy_squares()
    torch.manual_seed(0)
    network = calibrated(PmosNetwork(TINY), list(torch.from_numpy(sets.images[0]).float() / 255))
    store = stored_cells(sets, network, tmp_path / "cells")
    stage = PmosStage(network.thaw(backbone=False), [store], [2], seed=0)
    config = TrainConfig(
        steps=60, batch_size=2, learning_rate=1e-2, warmup_steps=5, ema_decay=0.8, log_every=60, panel_every=0,
        accelerator="cpu", data_workers=0,
    )  # fmt: skip
    train(stage, config, tmp_path / "run")
    batch = stage.batches[1000]
    with torch.inference_mode():
        scene = network.scene(batch.late[:, 2])
        places = network.places(type(store.cells(0))(batch.fine[:, 2], batch.coarse[:, 2]), scene)
    maps, wanted = places.maps, batch.labels.mos[:, 2]
    inside = wanted < 3
    assert maps.mos[inside].mean() < maps.mos[~inside].mean() - 1
    assert torch.corrcoef(torch.stack([maps.mos.flatten(), wanted.flatten()]))[0, 1] > 0.7
    noise = places.defects[:, index_of("noise", True)]
    assert noise[inside[:, 0]].mean() > 0.5 > 0.3 > noise[~inside[:, 0]].mean()
    calibrate(network, [store])
    within = []
    with torch.inference_mode():
        for number in range(4):
            scene = network.scene(torch.from_numpy(store.late[number]))
            places = network.places(store.cells(number), scene)
            off = (image_mos(places.maps) - labels_of(sets, np.array([number])).image_mos[0]).abs()
            within += (off <= network.doubt_of(places, scene) + 1e-6).tolist()
    assert np.mean(within) >= COVERAGE - 0.05


# -- what may be named -------------------------------------------------------------------------------------------------


def test_a_defect_is_named_from_the_severity_at_which_that_is_mostly_right() -> None:
    said, true = np.zeros((20, DEFECTS)), np.zeros((20, DEFECTS))
    said[:, 0] = np.linspace(0.95, 0.0, 20)
    true[:, 0] = 0.3
    true[9:, 0] = 0  # right in the first nine; with the tenth, nine of ten, which is too few
    said[:, 1], true[:6, 1] = said[:, 0], 1.0  # right in six of the first seven, which are too few
    said[:, 2] = said[:, 0]  # never right
    said[:, 3], true[:, 3] = 0.04, 1.0  # never more than the least that counts
    levels = named_from(said.astype(np.float32), true)
    assert levels[0] == pytest.approx(said[8, 0]) and levels[0] >= LEAST_SEVERITY
    assert (levels[1:] == NEVER).all()
