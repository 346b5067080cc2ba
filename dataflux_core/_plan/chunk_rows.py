"""Decide how records that lie many to a chunk are ordered, dealt and read."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of neighbours that are shuffled among themselves: with those that are read ahead they fit into the least that a loader
# worker may hold, 32 MiB.
_BLOCK_BYTES = 16 * 1024**2
_USUAL_CHUNK_BYTES = 8 * 1024**2  # where sizes are not known
_LEAST_BLOCKS = 16  # or else ranks that share the few there are read each of them
_LEAST_ROUNDS = 16  # of a rank: its loader workers then have about as much to do
_REQUEST_BYTES = 64 * 1024  # that a request without content is worth, in the time that it takes


def chunks_together(records: Sequence[int], sizes: Sequence[int] | None) -> int:
    """Return how many chunks of a stream make a block of neighbours that stay together, given what each has.

    0, none, where each chunk is a single record, or all of them together are no more than a block.
    """
    chunks = len(records)
    if sum(records) <= chunks:
        return 0
    chunk_bytes = _USUAL_CHUNK_BYTES if sizes is None else max(1, sum(sizes) // chunks)
    together = max(1, _BLOCK_BYTES // chunk_bytes)
    return 0 if together >= chunks else max(1, min(together, chunks // _LEAST_BLOCKS))


def block_ends(records: Sequence[int], together: int, count: int) -> list[int]:
    """Return where each block of so many chunks ends, of the first `count` records."""
    ends = list(accumulate(records))
    inner = sorted({end for end in ends[together - 1 :: together] if 0 < end < count})  # chunks may be empty
    return [*inner, count] if count else inner


def run_of(count: int, world: int, together: int) -> int:
    """Return how many samples in a row one loader worker is dealt, so that few of them read the same chunk."""
    return max(1, min(together, count // (world * _LEAST_ROUNDS)))


def is_read_in_parts(wanted: int, record_bytes: int, chunk_bytes: int) -> bool:
    """Tell whether so many records of a chunk come sooner one by one than with the whole of it."""
    return wanted * (record_bytes + _REQUEST_BYTES) < chunk_bytes
