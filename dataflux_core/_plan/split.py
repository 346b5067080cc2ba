"""Cut the bytes of a composite back into those of its objects."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def split(body: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Return the bytes of each object, in order; `sizes`, in bytes, add up to the length of `body`."""
    return [body[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]
