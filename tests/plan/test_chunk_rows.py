"""Records of chunks are ordered in blocks that fit into memory, dealt in runs that read few chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.chunk_rows import is_read_in_parts, run_of, usual_block

MB = 1024**2


@pytest.mark.parametrize(
    ("records", "sizes", "block"),
    [
        pytest.param([100] * 64, [8 * MB] * 64, 200, id="two chunks of 8 MiB"),
        pytest.param([100] * 64, None, 200, id="as many where sizes are not known"),
        pytest.param([100] * 64, [64 * MB] * 64, 100, id="one of what is larger than a block"),
        pytest.param([100] * 63 + [7], [8 * MB] * 64, 200, id="a last chunk that is short moves no block"),
        pytest.param([90, 110] * 32, [8 * MB] * 64, 200, id="the mean where chunks differ"),
        pytest.param([1] * 64, [8 * MB] * 64, 0, id="none where a chunk is a record"),
        pytest.param([100] * 64, [MB // 4] * 64, 0, id="none where all are no more than a block"),
        pytest.param([100] * 64, [MB] * 64, 400, id="sixteen blocks at least"),
        pytest.param([], None, 0, id="nothing at all"),
    ],
)
def test_blocks(records: list[int], sizes: list[int] | None, block: int) -> None:
    assert usual_block(records, sizes) == block


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60), st.integers(1, 2**40))
def test_a_block_is_no_less_than_a_usual_chunk_nor_more_than_all(records: list[int], size: int) -> None:
    block = usual_block(records, [size] * len(records))
    assert block == 0 or sum(records) / len(records) <= block <= max(sum(records), max(records) * len(records))


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
