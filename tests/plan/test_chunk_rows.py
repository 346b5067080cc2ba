"""Records of chunks are ordered in blocks that fit into memory, dealt in runs that read few chunks."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.chunk_rows import block_ends, chunks_together, is_read_in_parts, run_of
from dataflux_core._plan.order.ragged import RaggedBlocks

MB = 1024**2


@pytest.mark.parametrize(
    ("records", "sizes", "together"),
    [
        pytest.param([100] * 64, [8 * MB] * 64, 2, id="two chunks of 8 MiB"),
        pytest.param([100] * 64, None, 2, id="as many where sizes are not known"),
        pytest.param([100] * 64, [64 * MB] * 64, 1, id="one of what is larger than a block"),
        pytest.param([1] * 64, [8 * MB] * 64, 0, id="none where a chunk is a record"),
        pytest.param([100] * 64, [MB // 4] * 64, 0, id="none where all are no more than a block"),
        pytest.param([100] * 64, [MB] * 64, 4, id="sixteen blocks at least"),
        pytest.param([], None, 0, id="nothing at all"),
    ],
)
def test_blocks(records: list[int], sizes: list[int] | None, together: int) -> None:
    assert chunks_together(records, sizes) == together


def test_blocks_end_where_chunks_do() -> None:
    assert block_ends([3, 0, 4, 5, 6], 2, 18) == [3, 12, 18]
    assert block_ends([3, 0, 4, 5, 6], 2, 11) == [3, 11]
    assert block_ends([0, 0, 2, 2], 1, 4) == [2, 4]
    assert block_ends([1, 0, 1], 1, 2) == [1, 2]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40).filter(any), st.integers(1, 5), st.integers(0, 2**62))
def test_an_order_of_blocks_has_each_sample_once_and_keeps_blocks_together(
    records: list[int], together: int, key: int
) -> None:
    count = sum(records)
    ends = block_ends(records, together, count)
    order = RaggedBlocks(ends, key)
    found = order.sample_ids(np.arange(count, dtype=np.int64))
    assert sorted(found.tolist()) == list(range(count))
    assert order.count == count
    blocks = np.searchsorted(np.array(ends), found, side="right")
    assert len([1 for block, other in pairwise(blocks.tolist()) if block != other]) == max(0, len(ends) - 1)
    some = np.array(random.Random(key).choices(range(count), k=9), np.int64)
    assert order.sample_ids(some).tolist() == found[some].tolist()


def test_keys_make_other_orders() -> None:
    ends = list(range(10, 400, 10))
    orders = [RaggedBlocks(ends, key).sample_ids(np.arange(390)).tolist() for key in range(20)]
    assert len({tuple(order) for order in orders}) == 20
    assert len({order[0] // 10 for order in orders}) > 8
    with pytest.raises(IndexError):
        RaggedBlocks(ends, 0).sample_ids(np.array([390]))


@given(st.integers(0, 10**9), st.integers(1, 4096), st.integers(1, 10**6))
def test_a_run_is_no_longer_than_a_block_nor_leaves_a_rank_without(count: int, world: int, together: int) -> None:
    run = run_of(count, world, together)
    assert 1 <= run <= together
    assert run == 1 or count // (run * world) >= 16


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**9))
def test_what_is_read_in_parts_is_less_than_the_chunk(wanted: int, record_bytes: int, chunk_bytes: int) -> None:
    if is_read_in_parts(wanted, record_bytes, chunk_bytes):
        assert wanted * record_bytes < chunk_bytes
        assert is_read_in_parts(wanted, record_bytes, chunk_bytes + 1)
