"""Cut the bytes of a composite back into those of its objects."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def split(body: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Return the bytes of each object, in order; `sizes`, in bytes, add up to the length of `body`."""
    return [body[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]


def split_pieces(pieces: Sequence[bytes], sizes: Iterable[int]) -> list[bytes]:
    """Do as `split` of the joined `pieces`, without joining them: each byte is copied once."""
    parts: list[bytes] = []
    arriving = iter(pieces)
    piece, start = b"", 0
    for size in sizes:
        stop = start + size
        if stop <= len(piece):
            parts.append(piece[start:stop])
            start = stop
            continue
        gathered: list[bytes | memoryview] = [memoryview(piece)[start:]]
        missing = stop - len(piece)
        while missing > 0:
            piece = next(arriving)
            start = min(missing, len(piece))
            gathered.append(piece if start == len(piece) else memoryview(piece)[:start])
            missing -= start
        parts.append(b"".join(gathered))
    return parts
