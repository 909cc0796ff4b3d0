"""Groups and blocks: every image and every pair once, never more at once than allowed."""

from itertools import combinations

import pytest

from relational_iqa.systems.blocks_of_images import in_groups, pairs_in_blocks


@pytest.mark.parametrize(("count", "most", "sizes"), [(10, 10, [10]), (11, 10, [5, 6]), (9, 4, [3, 3, 3]), (1, 4, [1])])
def test_groups_are_few_and_of_nearly_equal_sizes(count: int, most: int, sizes: list[int]) -> None:
    groups = in_groups(count, most)
    assert [len(group) for group in groups] == sizes
    assert [i for group in groups for i in group] == list(range(count))
    assert in_groups(0, most) == []


@pytest.mark.parametrize("count", [2, 5, 6, 7, 13, 20])
@pytest.mark.parametrize("most", [2, 4, 6])
def test_every_pair_is_in_one_block_with_its_images(count: int, most: int) -> None:
    blocks = list(pairs_in_blocks(count, most))
    pairs = [pair for _, pairs in blocks for pair in pairs]
    assert sorted(pairs) == list(combinations(range(count), 2))
    for members, own in blocks:
        assert len(set(members)) == len(members) <= most and {i for pair in own for i in pair} <= set(members)
