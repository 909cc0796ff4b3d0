"""Batches of pairs and sets: functions of (seed, n), with targets that belong to their images."""

import pickle
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from distortion_engine.catalog import AXES
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.training.data.pairs import REFERENCE_SHARE, AlternatingBatches, PairBatch, PairBatches, SetBatches

# The eight symmetries of the square, as (flipped axes, transposed).
SYMMETRIES = [(flips, swap) for flips in ((), (-1,), (-2,), (-1, -2)) for swap in (False, True)]


def moved(x: np.ndarray, symmetry: tuple[tuple[int, ...], bool]) -> np.ndarray:
    x = np.flip(x, symmetry[0])
    return x.swapaxes(-1, -2) if symmetry[1] else x


def origin(sets: StoredSets, image: torch.Tensor) -> list[tuple[int, int, tuple[tuple[int, ...], bool]]]:
    """(set, member, symmetry) of the cached images of which this is a copy."""
    pixels = (image * 255).round().byte().numpy()
    return [
        (i, j, symmetry)
        for symmetry in SYMMETRIES
        for i in range(len(sets))
        for j in range(sets.images.shape[1])
        if np.array_equal(moved(sets.images[i, j], symmetry), pixels)
    ]


def assert_same(a: tuple[torch.Tensor, ...], b: tuple[torch.Tensor, ...]) -> None:
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_batch_depends_on_seed_and_number_alone(tiny_sets: StoredSets) -> None:
    for kind in (PairBatches, SetBatches):
        batches = kind(tiny_sets, 4, 7)
        run = [batches[n] for n in range(6)]
        assert_same(kind(tiny_sets, 4, 7)[5], run[5])
        assert_same(pickle.loads(pickle.dumps(batches))[0], run[0])
        torch.manual_seed(99)
        np.random.seed(99)
        assert_same(batches[3], run[3])
        others = [kind(tiny_sets, 4, 8)[0], run[1]]
        assert all(not torch.equal(other[0], run[0][0]) for other in others)


def test_other_sources_take_turns_in_every_few_batches(tiny_sets: StoredSets) -> None:
    first, one, other = (PairBatches(tiny_sets, 4, seed) for seed in (7, 8, 9))
    mixed = AlternatingBatches(first, (one, other), 3)
    for step, source in enumerate((first, first, one, first, first, other, first, first, one)):
        assert_same(mixed[step], source[step])


def is_lossless_twin(a: Tensor, b: Tensor) -> bool:
    """Whether b is a version of a that nobody could tell from it; random images of one set differ by .33."""
    return not torch.equal(a, b) and float((a - b).abs().mean()) < 0.03


def test_target_is_the_field_of_b_minus_that_of_a_moved_like_the_images(tiny_sets: StoredSets) -> None:
    symmetries = set()
    for batch in map(PairBatches(tiny_sets, 7, 1).__getitem__, range(12)):
        assert batch.a.shape == batch.b.shape == (7, 3, 32, 32)
        assert batch.target.shape == (7, len(AXES), 8, 8) and batch.valid.shape == (7, 1, 8, 8)
        for a, b, target, valid in zip(*batch, strict=True):
            ((i, j, symmetry),) = origin(tiny_sets, a)
            if is_lossless_twin(a, b):
                assert not target.any()
                continue
            ((set_b, k, symmetry_b),) = origin(tiny_sets, b)
            assert (set_b, symmetry_b) == (i, symmetry)
            field = (tiny_sets.fields[i, k].astype(float) - tiny_sets.fields[i, j]) / 127
            np.testing.assert_allclose(target, moved(field.clip(-1, 1), symmetry), atol=1e-6)
            validity = np.minimum(tiny_sets.validity[i, j], tiny_sets.validity[i, k]) / 255
            np.testing.assert_allclose(valid, moved(validity, symmetry), atol=1e-6)
            symmetries.add(symmetry)
    assert len(symmetries) > 4


def test_window_cuts_images_fields_and_validity_at_one_place(tiny_sets: StoredSets) -> None:
    places = set()
    for batch in map(PairBatches(tiny_sets, 3, 1, crop_px=16).__getitem__, range(8)):
        assert batch.a.shape == (3, 3, 16, 16) and batch.valid.shape == (3, 1, 4, 4)
        for a, b, target, valid in zip(*batch, strict=True):
            found = [
                (i, j, top, left, symmetry)
                for i in range(len(tiny_sets))
                for j in range(5)
                for top in range(0, 17, 4)
                for left in range(0, 17, 4)
                for symmetry in SYMMETRIES
                if np.array_equal(
                    moved(tiny_sets.images[i, j, :, top : top + 16, left : left + 16], symmetry),
                    (a * 255).round().byte().numpy(),
                )
            ]
            ((i, j, top, left, symmetry),) = found
            if is_lossless_twin(a, b):
                assert not target.any()
                continue
            cells = (slice(None), slice(top // 4, top // 4 + 4), slice(left // 4, left // 4 + 4))
            pixels = (b * 255).round().byte().numpy()
            windows = tiny_sets.images[i, :, :, top : top + 16, left : left + 16]
            (k,) = (k for k in range(5) if np.array_equal(moved(windows[k], symmetry), pixels))
            field = (tiny_sets.fields[i, k][cells].astype(float) - tiny_sets.fields[i, j][cells]) / 127
            np.testing.assert_allclose(target, moved(field.clip(-1, 1), symmetry), atol=1e-6)
            validity = np.minimum(tiny_sets.validity[i, j][cells], tiny_sets.validity[i, k][cells]) / 255
            np.testing.assert_allclose(valid, moved(validity, symmetry), atol=1e-6)
            places.add((top, left))
    assert len(places) > 4


def test_pairs_are_of_every_kind(tiny_sets: StoredSets) -> None:
    kinds = {"identical": 0, "lossless": 0, "reference first": 0, "reference second": 0, "members": 0}
    for batch in map(PairBatches(tiny_sets, 24, 3).__getitem__, range(12)):
        for a, b, target in zip(batch.a, batch.b, batch.target, strict=True):
            if is_lossless_twin(a, b):
                kinds["lossless"] += 1
                assert not target.any()
                continue
            j, k = origin(tiny_sets, a)[0][1], origin(tiny_sets, b)[0][1]
            if j == k:
                kinds["identical"] += 1
                assert torch.equal(a, b) and not target.any()
            else:
                kinds["reference first" if j == 0 else "reference second" if k == 0 else "members"] += 1
    total = sum(kinds.values())
    assert 0 < kinds["lossless"] < 0.1 * total
    assert 0 < kinds["identical"] < 0.06 * total and kinds["members"] > 0.15 * total
    assert kinds["reference first"] + kinds["reference second"] >= (REFERENCE_SHARE - 0.1) * total
    assert min(kinds["reference first"], kinds["reference second"]) > 0.2 * total


def test_every_set_gives_several_pairs_of_a_batch(tiny_sets: StoredSets) -> None:
    batch: PairBatch = PairBatches(tiny_sets, 6, 3)[0]
    assert [origin(tiny_sets, a)[0][0] for a in batch.a[::3]] == [origin(tiny_sets, a)[0][0] for a in batch.a[2::3]]


def test_set_batches_keep_sets_whole_and_their_truth_beside_them(tiny_sets: StoredSets) -> None:
    for batch in map(SetBatches(tiny_sets, 3, 5).__getitem__, range(4)):
        assert batch.images.shape == (3, 5, 3, 32, 32) and batch.pairs.shape == (3, 3, 2)
        assert batch.lossless.shape == (1, 2, 3, 32, 32) and is_lossless_twin(*batch.lossless[0])
        for n in range(3):
            sources = [origin(tiny_sets, image)[0] for image in batch.images[n]]
            index = sources[0][0]
            assert [(s[0], s[1], s[2]) for s in sources] == [(index, m, sources[0][2]) for m in range(5)]
            assert np.array_equal(batch.ranks[n], tiny_sets.ranks[index])
            assert np.array_equal(batch.labels[n], tiny_sets.labels[index])
            assert float(batch.certainty[n]) == float(tiny_sets.certainty[index])
            pairs = [tuple(pair) for pair in batch.pairs[n].tolist()]
            assert len(set(pairs)) == 3 and all(0 <= i < j < 5 for i, j in pairs)


def test_batches_leave_the_cache_as_it_is_and_work_when_it_is_smaller_than_a_batch(tiny_sets: StoredSets) -> None:
    before = tiny_sets.images.copy()
    for batch in (PairBatches(tiny_sets, 50, 0)[0], SetBatches(tiny_sets, 20, 0)[0]):
        batch[0].zero_()
        assert len(batch[0]) in (50, 20)
    assert np.array_equal(tiny_sets.images, before)


def test_six_of_ten_pairs_have_the_reference_on_one_side_and_the_others_any_two_members(tiny_sets: StoredSets) -> None:
    images = np.minimum(tiny_sets.images, 200)
    images[:, 0] = 255
    batches = map(PairBatches(replace(tiny_sets, images=images), 64, 3).__getitem__, range(40))
    sides = [torch.stack([batch.a.mean((1, 2, 3)), batch.b.mean((1, 2, 3))]) > 0.9 for batch in batches]
    with_reference = torch.cat([pair.any(0) for pair in sides]).double().mean()
    # .94 pairs differ: .6 by drawing the reference, else two of five members; .06 show one image twice.
    expected = 0.94 * (0.6 + 0.4 * 2 / 5) + 0.06 * (0.6 / 2 + 0.4 / 5)
    assert abs(float(with_reference) - expected) < 0.03  # three standard errors of 2,560 pairs; .4 for .6 is .11 off
