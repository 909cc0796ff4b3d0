"""Overlap crops, the half-swap and the batches of the two stages: exact geometry, no corrupted pixel, same seed same
batch."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine.dataset import RankedItem
from distortion_engine.errors import UsageError
from distortion_engine.versions import VersionsDataset
from relational_iqa.networks.reiqa import ImageEncoder, MomentumContrast
from relational_iqa.networks.resnet import ResNet, half_scale
from relational_iqa.training.reiqa.batches import ViewBatch, chunk_views
from relational_iqa.training.reiqa.data import (
    ChunkImages,
    ContentPhotos,
    ReIQAData,
    stored_chunks,
)
from relational_iqa.training.reiqa.overlap_crops import largest_window, overlap_offsets, overlapping_crops, swapped
from relational_iqa.training.reiqa.stage import ContentStage, QualityStage


@pytest.mark.parametrize("patch", [16, 64, 160])
def test_overlap_is_between_10_and_30_percent_exactly(patch: int) -> None:
    rng = np.random.default_rng(0)
    offsets = np.array([overlap_offsets(rng, patch) for _ in range(4000)])
    overlap = (patch - offsets).prod(1) / patch**2
    assert overlap.min() >= 0.1 and overlap.max() <= 0.3
    assert (offsets[:, 0] >= 0.7 * patch - 1).all() and (offsets[:, 0] < 0.9 * patch).all()
    assert (offsets >= 0).all() and offsets.sum(1).max() > 0


def test_overlap_is_distributed_as_in_the_paper() -> None:
    # long/P = u ~ U(.7, .9); short/P ~ U(0, (.9 - u) / (1 - u)): the mean overlap is E[(1 - u) - (.9 - u) / 2] = .15
    rng = np.random.default_rng(1)
    offsets = np.array([overlap_offsets(rng, 160) for _ in range(20000)]) / 160
    overlap = (1 - offsets).prod(1)
    assert overlap.mean() == pytest.approx(0.15, abs=0.003)
    counts, _ = np.histogram(offsets[:, 0], bins=8, range=(0.7, 0.9))
    assert (np.abs(counts / len(offsets) - 1 / 8) < 0.02).all()
    narrow = np.abs(offsets[:, 0] - 0.8) < 0.01
    assert offsets[narrow, 1].mean() == pytest.approx(0.25, abs=0.02) and offsets[narrow, 1].max() > 0.45


def test_crops_overlap_by_what_was_drawn_in_every_direction() -> None:
    coordinates = torch.stack(torch.meshgrid(torch.arange(140), torch.arange(150), indexing="ij"))
    rng = np.random.default_rng(2)
    directions = set()
    for _ in range(400):
        first, second = overlapping_crops(coordinates, 64, rng)
        assert first.shape == second.shape == (2, 64, 64)
        move = (second[:, 0, 0] - first[:, 0, 0]).tolist()
        shared = (64 - abs(move[0])) * (64 - abs(move[1])) / 64**2
        assert 0.1 <= shared <= 0.3
        directions.add((abs(move[0]) > abs(move[1]), move[0] > 0, move[1] > 0))
    assert len(directions) == 8


def test_the_smallest_region_that_can_hold_all_crops_does() -> None:
    for patch in (16, 64, 160):
        window = torch.zeros(1, largest_window(patch), largest_window(patch))
        for seed in range(50):
            overlapping_crops(window, patch, np.random.default_rng(seed))
        with pytest.raises(UsageError, match=f"{largest_window(patch)} px or more"):
            overlapping_crops(window[..., 1:], patch, np.random.default_rng(0))
    assert largest_window(160) == 303  # the paper's crops


def test_half_swap_moves_whole_images_and_corrupts_no_pixel() -> None:
    picture = torch.rand(6, 3, 40, 40)
    before = picture.clone()
    first, second = picture[..., :30, :30], picture[..., 8:38, 5:35]  # views of one picture that overlap
    expected = first.clone(), second.clone()
    which = torch.tensor([True, False, True, True, False, False])
    new_first, new_second = swapped(first, second, which)
    for i, change in enumerate(which.tolist()):
        assert torch.equal(new_first[i], expected[1 if change else 0][i])
        assert torch.equal(new_second[i], expected[0 if change else 1][i])
    assert torch.equal(picture, before)


def test_views_of_a_chunk_are_the_untouched_pixels_of_one_version_each() -> None:
    # Version v is constant v: a corrupted or mixed crop would hold another value.
    chunk = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 80, 80) * 40
    queries, keys = chunk_views(chunk, 20, np.random.default_rng(3))
    expected = (torch.arange(6).repeat(2) * 40 / 255)[:, None, None, None].expand(12, 3, 20, 20)
    assert torch.allclose(queries, expected, atol=1e-5) and torch.allclose(keys, expected, atol=1e-5)


def test_half_of_the_versions_change_sides_and_the_other_half_at_the_other_scale() -> None:
    rows = torch.arange(80, dtype=torch.uint8)[:, None].expand(80, 80)
    chunk = rows.expand(6, 3, 80, 80).contiguous()  # all versions show the same gradient
    queries, keys = chunk_views(chunk, 20, np.random.default_rng(4))
    place = torch.stack([queries[:, 0].mean((1, 2)), keys[:, 0].mean((1, 2))], 1)  # (12, 2): the row tells the place
    sides = []
    for scale in (slice(0, 6), slice(6, 12)):
        ours = place[scale]
        assert ours[:, 0].unique().numel() == 2  # two places a scale
        assert torch.allclose(ours.sum(1), ours.sum(1)[:1].expand(6))  # query and key always from different ones
        sides.append(ours[:, 0] == ours[:, 0].min())
    assert sides[0].sum() == sides[1].sum() == 3
    # what changed at full scale did not at half scale: same side pattern up to which place is first
    assert torch.equal(sides[0], sides[1]) or torch.equal(sides[0], ~sides[1])


def test_a_query_meets_its_own_place_in_other_distortions_among_the_keys() -> None:
    generator = torch.Generator().manual_seed(0)
    base = (torch.rand(3, 80, 80, generator=generator) * 200).to(torch.uint8)
    chunk = torch.stack([base + v for v in range(4)])  # four versions that differ by brightness
    queries, keys = chunk_views(chunk, 20, np.random.default_rng(5))
    flat_queries = (queries - queries.mean((1, 2, 3), keepdim=True)).flatten(1)
    flat_keys = (keys - keys.mean((1, 2, 3), keepdim=True)).flatten(1)
    same_place = torch.cdist(flat_queries[:4], flat_keys[:4]) < 1e-3
    assert not same_place.diagonal().any()  # never its own positive
    assert (same_place.sum(1) == 2).all()  # two of the four versions changed sides


# -- what is drawn -----------------------------------------------------------------------------------------------------


@pytest.fixture()
def data(photo_paths: list[Path], tmp_path: Path) -> ReIQAData:
    return ReIQAData(
        str(photo_paths[0].parent), region_px=72, distorted=3, chunks=4, min_scale=0.9, content_px=96, workers=0,
        cache_dir=str(tmp_path),
    )  # fmt: skip


def test_stored_chunks_are_the_chunks_that_are_rendered_afresh(data: ReIQAData, photo_paths: list[Path]) -> None:
    stored, fresh = stored_chunks(data, photo_paths), ChunkImages(photo_paths, replace(data, chunks=0))
    assert stored.shape == (4, 4, 3, 72, 72)
    assert all(np.array_equal(stored[index], fresh[index].numpy()) for index in range(4))
    assert not np.array_equal(stored[3], ChunkImages(photo_paths, replace(data, seed=1))[3].numpy())


def test_ranks_that_start_at_once_render_the_chunks_once(
    data: ReIQAData, photo_paths: list[Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rendered: list[int] = []
    render = VersionsDataset.__getitem__

    def watched(self: VersionsDataset, index: int) -> RankedItem:
        rendered.append(index)
        return render(self, index)

    monkeypatch.setattr(VersionsDataset, "__getitem__", watched)
    with ThreadPoolExecutor(3) as ranks:  # a lock belongs to an open folder, so threads wait as processes do
        chunks = list(ranks.map(lambda _: stored_chunks(data, photo_paths)[3].tobytes(), range(3)))
    assert rendered == [0, 1, 2, 3] and chunks[0] == chunks[1] == chunks[2]
    said = capfd.readouterr().err
    assert said.count("waiting for another process that renders") == 2 and "generating 4 regions" in said


def contrast() -> MomentumContrast:
    torch.manual_seed(0)
    return MomentumContrast(ImageEncoder(ResNet(18, 1), False), queue=8)


def equal(a: ViewBatch, b: ViewBatch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("chunks", [4, 0])
def test_batch_n_of_the_quality_stage_is_a_function_of_n(chunks: int, data: ReIQAData, photo_paths: list[Path]) -> None:
    stage = QualityStage(contrast(), photo_paths, replace(data, chunks=chunks), batch_size=16, patch_px=16, seed=5)
    assert stage.items_per_batch == 16  # two chunks of four versions at two scales
    batches = [stage.batches[n] for n in range(2)]
    assert equal(batches[1], pickle.loads(pickle.dumps(stage.batches))[1]) and not equal(batches[0], batches[1])
    assert batches[0].queries.shape == batches[0].keys.shape == (16, 3, 16, 16)
    assert batches[0].family.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4


def test_batches_of_the_content_stage_hold_two_views_of_each_photograph(
    data: ReIQAData, photo_paths: list[Path]
) -> None:
    stage = ContentStage(contrast(), photo_paths, data, batch_size=3, patch_px=48)
    batches = [stage.batches[n] for n in range(2)]
    assert equal(batches[1], pickle.loads(pickle.dumps(stage.batches))[1]) and not equal(batches[0], batches[1])
    batch = batches[0]
    assert batch.queries.shape == batch.keys.shape == (3, 3, 48, 48) and len(batch.family) == 0
    assert 0 <= batch.queries.min() and batch.queries.max() <= 1
    assert not torch.equal(batch.queries, batch.keys)
    photos = ContentPhotos(photo_paths, data)
    assert {photos[n].shape for n in range(len(photo_paths))} == {photos[n].shape for n in range(30)}
    assert min(photos[0].shape[1:]) == 96 and photos[0].dtype == torch.uint8


def test_regions_too_small_for_half_scale_crops_are_refused(data: ReIQAData, photo_paths: list[Path]) -> None:
    with pytest.raises(UsageError, match="expected 120 or more"):
        QualityStage(contrast(), photo_paths, data, batch_size=8, patch_px=32, seed=0)
    with pytest.raises(UsageError, match="distorted"):
        replace(data, distorted=500)


def test_half_scale_is_of_the_distorted_chunk_not_of_the_pristine_one() -> None:
    chunk = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    queries, _ = chunk_views(chunk, 16, np.random.default_rng(0))
    half = half_scale(chunk.float() / 255)
    found = []
    for image in (half[1], half[1].flip(-1)):
        windows = image.unfold(1, 16, 1).unfold(2, 16, 1)
        found.append((windows - queries[3][:, None, None]).abs().amax((0, 3, 4)).min())
    assert min(found) < 1e-3
