"""Hold one sample as it was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from dataflux_core._data.samples.packed import Packed  # noqa: TC001 - as below
from dataflux_core.errors import DatafluxError  # noqa: TC001 - a NamedTuple's fields can be looked up


class Encoded(NamedTuple):  # one for each column of each sample: a tuple costs a sixth of a frozen dataclass
    """One column of one sample: the bytes that its URL names."""

    content: bytes
    url: str


class RawSample(NamedTuple):  # a tuple for the same reason
    """One row: what was read of its loaded columns, or why it was not; what the index says in its other columns."""

    row: int
    sample_id: str
    columns: Mapping[str, Encoded | Packed | DatafluxError]
    values: Mapping[str, Any]


Sample: TypeAlias = dict[str, Any]
# A function, so that a function of the caller's is a decoder as it stands. Ours are values that can be called: they
# compare, print, pickle. A decoder may have `blank()` besides, which gives what stands in for a column with 'fill'.
Decoder: TypeAlias = Callable[[Encoded], Any]
