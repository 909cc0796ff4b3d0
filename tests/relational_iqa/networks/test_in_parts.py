"""Steps on blocks of images give what they give on the whole, on any number of threads."""

import multiprocessing
import multiprocessing.pool
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from relational_iqa.networks.in_parts import at_once, begun, each_once, for_each, in_parts, summed
from relational_iqa.networks.pixel_perfect import Networks


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def step(image: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
    """Reaches 3 x 3 pixels, and one value of the coarse grid of 16 px."""
    around = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
    return around + F.interpolate(coarse, image.shape[-2:], mode="bilinear"), F.avg_pool2d(image, 16)


@pytest.mark.parametrize("side", [1, 2, 3, 100])
def test_blocks_give_the_whole(threads: int, side: int) -> None:
    torch.manual_seed(0)
    image, coarse = torch.rand(2, 3, 112, 80), torch.rand(2, 3, 7, 5)
    with torch.inference_mode():
        for found, expected in zip(in_parts(step, (image, coarse), 16, 1, side), step(image, coarse), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_margin_that_is_too_narrow_is_seen() -> None:
    image, coarse = torch.rand(1, 3, 112, 80), torch.rand(1, 3, 7, 5)
    with torch.inference_mode():
        found = in_parts(step, (image, coarse), 16, 0, side=2)[0]
    assert (found - step(image, coarse)[0]).abs().max() > 1e-3


def test_every_block_is_seen_with_its_margin_and_gradients_see_the_whole() -> None:
    sizes: list[tuple[int, int]] = []

    def watch(x: Tensor) -> tuple[Tensor]:
        sizes.append((x.shape[-2], x.shape[-1]))
        return (x * 2,)

    x = torch.rand(1, 1, 40, 20, requires_grad=True)
    in_parts(watch, (x,), 2, margin=1, side=10)[0].sum().backward()
    assert sizes == [(40, 20)] and x.grad is not None and (x.grad == 2).all()
    sizes.clear()
    with torch.no_grad():
        in_parts(watch, (x,), 2, margin=1, side=5)
    # 20 x 10 cells: 4 x 2 blocks of 5, with one cell more to each side that is no border; two values a cell.
    assert sorted(sizes) == sorted([(12, 12)] * 4 + [(14, 12)] * 4)


def test_threads_keep_what_torch_knows_of_the_caller_and_use_one_thread_each(threads: int) -> None:
    seen: list[tuple[bool, bool, int]] = []

    def look(_: int) -> None:
        seen.append((torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), torch.get_num_threads()))

    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for_each(look, range(20))
    assert set(seen) == {(True, True, 1)} and len(seen) == 20
    seen.clear()
    with torch.no_grad():
        for_each(look, range(20))
    assert set(seen) == {(False, False, 1)}
    assert torch.get_num_threads() == threads


def test_threads_that_begin_later_have_as_many_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    for_each(lambda _: None, range(4))
    with multiprocessing.pool.ThreadPool(1) as pool:
        assert pool.apply(torch.get_num_threads) == 2
    torch.set_num_threads(before)


def test_an_error_in_a_block_reaches_the_caller(threads: int) -> None:
    def fail(x: Tensor) -> tuple[Tensor]:
        raise ZeroDivisionError("in a block")

    with torch.inference_mode(), pytest.raises(ZeroDivisionError, match="in a block"):
        in_parts(fail, (torch.rand(1, 1, 64, 64),), 16, 0, side=1)


def test_functions_at_once_give_their_results_in_their_order(threads: int) -> None:
    assert at_once(lambda: "one", lambda: 2, lambda: None) == ["one", 2, None]
    with pytest.raises(KeyError):
        at_once(lambda: 1, lambda: {}["missing"])


def test_what_was_begun_is_called_once_and_gives_its_result_or_its_error_when_asked(threads: int) -> None:
    calls: list[tuple[bool, int]] = []

    def look() -> str:
        calls.append((torch.is_inference_mode_enabled(), torch.get_num_threads()))
        return "found"

    with torch.inference_mode():
        one, broken = begun(look), begun(lambda: {}["missing"])
    with torch.inference_mode():
        assert at_once(one, one) == ["found", "found"]  # may be asked from other threads, and again
    assert one() == "found" and calls == [(True, 1)]
    with pytest.raises(KeyError):
        broken()


def test_what_was_begun_inside_a_block_does_not_wait_for_a_thread_that_waits_for_it() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    assert at_once(*[lambda: begun(lambda: begun(lambda: 1)())()] * 8) == [1] * 8
    torch.set_num_threads(before)


def _doubled_in_child() -> float:
    with torch.inference_mode():
        return float(in_parts(lambda x: (x * 2,), (torch.ones(1, 1, 64, 64),), 16, 0, side=1)[0].mean())


def test_a_forked_process_has_threads_of_its_own() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    assert _doubled_in_child() == 2.0  # the parent has its threads by now
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_doubled_in_child).get(timeout=60) == 2.0
    torch.set_num_threads(before)


def test_networks_give_the_same_in_blocks_and_as_a_whole(random_networks: Networks) -> None:
    torch.manual_seed(1)
    a = F.interpolate(torch.rand(1, 3, 55, 66), (880, 1056), mode="bicubic").clamp(0, 1)
    b = (a + 0.05 * torch.randn_like(a)).clamp(0, 1)
    with torch.enable_grad():
        whole, against = random_networks.local_pair(a, b), random_networks.local_quality(b, a)
    with torch.inference_mode():
        parted, parted_against = random_networks.local_pair(a, b), random_networks.local_quality(b, a)
    close = {"rtol": 1e-4, "atol": 2e-5}
    torch.testing.assert_close(parted.maps, whole.maps, **close)
    torch.testing.assert_close(parted.margin.margin, whole.margin.margin, **close)
    torch.testing.assert_close(parted.margin.embedding, whole.margin.embedding, **close)
    torch.testing.assert_close(parted_against.maps, against.maps, **close)
    torch.testing.assert_close(parted_against.scorer.visibility, against.scorer.visibility, **close)
    with torch.inference_mode():
        back = random_networks.local_pair(b, a)
    assert torch.equal(back.maps, -parted.maps) and torch.equal(back.margin.margin, -parted.margin.margin)


def test_sums_of_strips_are_those_of_the_whole(threads: int) -> None:
    torch.manual_seed(2)
    values, share = torch.rand(2, 300, 40, 100), torch.rand(1, 1, 40, 100)
    rows: list[int] = []

    def sums(values: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        rows.append(values.shape[-2])
        return (values * share).sum((2, 3)), share.sum((2, 3))

    with torch.inference_mode():
        for found, expected in zip(summed(sums, (values, share)), sums(values, share), strict=True):
            torch.testing.assert_close(found, expected)
    assert len(rows) == 3 and sum(rows) == 80  # two strips, then the whole


def test_equal_tensors_are_seen_once_and_those_that_differ_in_one_value_are_not() -> None:
    x = torch.rand(1, 2, 8, 8)
    other = x.clone()
    other[0, 1, 7, 7] += 1e-6
    seen: list[Tensor] = []

    def look(y: Tensor) -> Tensor:
        seen.append(y)
        return y * 2

    with torch.inference_mode():
        found = each_once(look, [x, other, x.clone(), other])
    assert [y is x or y is other for y in seen] == [True, True] and found[2] is found[0] and found[3] is found[1]
    assert torch.equal(found[0], x * 2) and torch.equal(found[1], other * 2)
    with torch.enable_grad():  # each has its own gradient
        assert len({id(y) for y in each_once(look, [x, x.clone()])}) == 2


def test_images_that_are_equal_in_most_places_give_what_each_gives_by_itself(random_networks: Networks) -> None:
    torch.manual_seed(3)
    a = F.interpolate(torch.rand(1, 3, 55, 66), (880, 1056), mode="bicubic").clamp(0, 1)
    b, reference = a.clone(), (a + 0.02 * torch.randn_like(a)).clamp(0, 1)
    b[..., 700:760, 800:900] = reference[..., 700:760, 800:900]
    with torch.inference_mode():
        both = random_networks.scored_qualities([a, b], reference)
        single = [random_networks.scored_quality(test, reference) for test in (a, b)]
    for (maps, scorer), (own_maps, own) in zip(both, single, strict=True):
        assert torch.equal(maps, own_maps) and torch.equal(scorer.visibility, own.visibility)
    assert not torch.equal(both[0][0], both[1][0])
