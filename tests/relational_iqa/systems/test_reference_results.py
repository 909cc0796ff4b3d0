"""The same number everywhere: shipped weights give the numbers of tests/reference_results.json, and a pair gives one
number alone or in a batch, in tiles or whole, on one thread or two, in either memory layout and precision."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import relational_iqa
from distortion_engine.jobs.safe_files import file_sha256
from distortion_engine.reading.image_io import load_image
from experiments.reference import make
from experiments.reference.pairs import Pair, reference_pairs
from relational_iqa.storage.pixel_perfect_weights import load_weights
from relational_iqa.storage.shipped import find_weights
from relational_iqa.systems.pixel_perfect import RelationalIQA
from relational_iqa.tiling.tile_geometry import HALO_PX
from relational_iqa.version import __version__

STORED: dict[str, Any] = json.loads(make.RESULTS.read_text(encoding="utf-8"))
SAME_PIXELS = [2, 4, 5, 8]  # numbers of pairs of one size, 160 x 128 px, strongly and weakly damaged
AGREEMENT = 1e-4  # levels: the same arithmetic in another order
SEAM = 1e-2  # levels: of local margins where tiles meet; what lies beyond the halo is not seen
PRECISION = 2e-4  # levels: float32 against float64; 5e-5 at most was seen
REMEDY = (
    "If that is meant: set the version in relational_iqa/version.py (and pyproject.toml), run "
    "`python -m experiments.reference.make`, and write in CHANGELOG.md what changed and by how much"
)


@pytest.fixture(scope="module")
def model() -> RelationalIQA:
    return relational_iqa.load()


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return reference_pairs()


@pytest.fixture(scope="module")
def now(model: RelationalIQA, pairs: list[Pair]) -> list[dict[str, Any]]:
    return [make.results_of(model, pair) for pair in pairs]


def tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float().div(255)


@pytest.fixture(scope="module")
def batch(pairs: list[Pair]) -> tuple[Tensor, Tensor, Tensor]:
    """a, b and references (4, 3, 128, 160)."""
    chosen = [pairs[number] for number in SAME_PIXELS]
    a, b, references = ([tensor(getattr(pair, name)) for pair in chosen] for name in ("a", "b", "reference"))
    return torch.stack(a), torch.stack(b), torch.stack(references)


def numbers(model: RelationalIQA, a: Tensor, b: Tensor, references: Tensor) -> Tensor:
    """Margins without reference, then qualities of a and of b: (3 B,)."""
    return torch.cat([model.margin_batch(a, b), model.quality_batch(a, references), model.quality_batch(b, references)])


@pytest.fixture(scope="module")
def usual(model: RelationalIQA, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """`numbers` as shipped: float32, one thread, the four pairs at once."""
    return numbers(model, *batch)


def test_the_file_belongs_to_the_shipped_weights_and_to_this_version() -> None:
    shipped = file_sha256(find_weights(None))
    stored = STORED["weights"]["sha256"]
    assert stored == shipped, f"the shipped weights are {shipped}, the reference results of {stored}. {REMEDY}"
    assert STORED["version"] == __version__, f"made with version {STORED['version']}, this is {__version__}. {REMEDY}"


def test_the_changelog_names_these_weights_and_this_version() -> None:
    said = (make.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for name in (STORED["weights"]["sha256"][:8], __version__):
        assert name in said, f"CHANGELOG.md does not say what changed with {name}. {REMEDY}"


def test_the_pixels_that_go_in_are_those_of_the_file(pairs: list[Pair]) -> None:
    stored = {pair["name"]: pair["pixels_sha256"] for pair in STORED["pairs"]}
    found = {pair.name: pair.pixels_sha256 for pair in pairs}
    assert len(found) == 10 and found == stored, (
        "other pixels went in: a decoder, NumPy or a shipped photograph changed"
    )


@pytest.mark.parametrize("mode", make.MODES)
def test_shipped_weights_give_the_stored_margins_and_intensities(now: list[dict[str, Any]], mode: str) -> None:
    assert len(now) == len(STORED["pairs"]) == 10
    for pair, stored in zip(now, STORED["pairs"], strict=True):
        for name, value in stored[mode].items():
            message = f"{pair['name']}, {mode}, {name}: {pair[mode][name]}, stored {value}. {REMEDY}"
            assert pair[mode][name] == pytest.approx(value, abs=make.TOLERANCE), message


def test_the_stored_pairs_tell_a_change_from_noise() -> None:
    """Margins of both signs and sizes, and many axes: a file of zeros would check nothing."""
    margins = [pair[mode]["margin"] for pair in STORED["pairs"] for mode in make.MODES]
    assert min(margins) < -0.5 and max(margins) > 0.5 and min(map(abs, margins)) > 10 * make.TOLERANCE
    strong = {
        axis for pair in STORED["pairs"] for axis, value in pair["with_reference"]["axes"].items() if abs(value) > 0.1
    }
    assert len(strong) >= 8


def test_a_batch_of_one_equals_a_batch_of_many(
    model: RelationalIQA, batch: tuple[Tensor, Tensor, Tensor], usual: Tensor
) -> None:
    alone = [numbers(model, *(part[i : i + 1] for part in batch)) for i in range(len(SAME_PIXELS))]
    torch.testing.assert_close(torch.stack(alone, 1).flatten(), usual, atol=AGREEMENT, rtol=0)
    maps = model.relate_batch(batch[0], batch[1])
    for i in range(len(SAME_PIXELS)):
        torch.testing.assert_close(model.relate(batch[0][i], batch[1][i]), maps[i], atol=AGREEMENT, rtol=0)


def test_batches_equal_the_stored_results_of_single_images(usual: Tensor) -> None:
    stored = [STORED["pairs"][number] for number in SAME_PIXELS]
    expected = [pair["without_reference"]["margin"] for pair in stored]
    expected += [pair["with_reference"][name] for name in ("quality_a", "quality_b") for pair in stored]
    torch.testing.assert_close(usual, torch.tensor(expected), atol=make.TOLERANCE, rtol=0)


@pytest.mark.parametrize("referenced", [False, True])
def test_tiles_of_a_wide_image_equal_the_whole(model: RelationalIQA, referenced: bool) -> None:
    """Wider than a tile and its halo, so that the tiles at either end do not see the other."""
    demo = [make.ROOT / "experiments/demo" / f"skyline{end}" for end in (".jpg", ".avif", "_reference.webp")]
    images = [load_image(path)[:, 200:248] for path in demo][: 2 + referenced]
    whole = model.compare(*images)
    tiled = RelationalIQA(load_weights(None)[0], {}, tile_px=112, whole_px=0).compare(*images)
    assert images[0].shape[-1] > 112 + HALO_PX and tiled.margin == pytest.approx(whole.margin, abs=AGREEMENT)
    for name, values in whole.maps.items():
        np.testing.assert_allclose(tiled.maps[name], values, atol=AGREEMENT)
    np.testing.assert_allclose(tiled.local_margin, whole.local_margin, atol=AGREEMENT if referenced else SEAM)


def on_threads(count: int, function: Callable[[], Tensor]) -> Tensor:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        assert torch.get_num_threads() == count
        return function()
    finally:
        torch.set_num_threads(before)


def test_two_threads_equal_one(model: RelationalIQA, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    one = [part[:1] for part in batch]
    found, other = (on_threads(count, lambda: numbers(model, *one)) for count in (1, 2))
    torch.testing.assert_close(found, other, atol=AGREEMENT, rtol=0)


def test_two_threads_equal_one_where_steps_of_luma_are_at_the_threshold_of_flatness(model: RelationalIQA) -> None:
    """Neighbours that differ by (4, -2, 2) of 255 differ by .25 in luma, to the last bit: they are flat or they are
    not, and the bit decided by threads (3e-3 levels here, up to 4e-4 in photographs)."""
    rng = torch.Generator().manual_seed(0)
    level = torch.randint(20, 236, (1, 3, 8, 10), generator=rng).repeat_interleave(16, 2).repeat_interleave(16, 3)
    reference = level + torch.tensor([4, -2, 2])[:, None, None] * torch.randint(0, 2, (1, 1, 128, 160), generator=rng)
    noisy, noisier = (reference + torch.randint(-n, n + 1, reference.shape, generator=rng) for n in (1, 2))
    images = [image / 255 for image in (noisy, noisier, reference)]
    found, other = (on_threads(count, lambda: numbers(model, *images)) for count in (1, 2))
    torch.testing.assert_close(found, other, atol=AGREEMENT, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_in_memory_changes_nothing(
    batch: tuple[Tensor, Tensor, Tensor], usual: Tensor, layout: torch.memory_format
) -> None:
    networks = load_weights(None)[0]
    networks.to(memory_format=layout)
    other = RelationalIQA(networks, {})
    inputs = [image.contiguous(memory_format=layout) for image in batch]
    assert inputs[0].is_contiguous(memory_format=layout)
    torch.testing.assert_close(numbers(other, *inputs), usual, atol=AGREEMENT, rtol=0)


def test_single_precision_equals_double(batch: tuple[Tensor, Tensor, Tensor], usual: Tensor) -> None:
    networks = load_weights(None)[0].double()
    a, b, references = (image.double() for image in batch)
    with torch.inference_mode():
        inside = torch.ones(1, 1, 32, 40).double()
        found = [networks.verdict(networks.local_pair(a, b).sums(inside)).margin]
        for image in (a, b):
            found.append(networks.quality(networks.local_quality(image, references).sums(inside)))
    exact = torch.cat(found)
    assert exact.dtype == torch.float64
    torch.testing.assert_close(usual.double(), exact, atol=PRECISION, rtol=0)


def test_the_command_writes_what_it_checks_and_notices_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    content = {**STORED, "pairs": now}
    monkeypatch.setattr(make, "all_results", lambda model: content)
    assert make.main(["--check", "--out", str(path)]) == 1 and not path.exists()
    assert make.main(["--out", str(path)]) == 0 and json.loads(path.read_text()) == content
    said = capsys.readouterr().out
    assert "CHANGELOG.md must say" in said and STORED["weights"]["sha256"][:8] in said
    assert make.main(["--check", "--out", str(path)]) == 0
    changed = json.loads(path.read_text())
    changed["pairs"][3]["with_reference"]["margin"] += 0.01
    path.write_text(json.dumps(changed))
    assert make.main(["--check", "--out", str(path)]) == 1
    assert f"0.010000 levels ({now[3]['name']}, with reference)" in capsys.readouterr().out
    assert make.main(["--device", "cuda", "--out", str(path)]) == 2 and "add --check" in capsys.readouterr().err
