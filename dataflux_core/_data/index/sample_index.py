"""Say what an index of samples is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Home:
    """Where an index lies."""

    base: str = ""  # its directory, where relative URLs begin, without a "/" at its end; "": none, it is in memory
    is_remote: bool = False  # it came over the network, or a part of it did
    root: str = ""  # where relative URLs begin instead; "": there
    is_scattered: bool = (
        False  # its files lie in several directories below: without a root, relative URLs begin nowhere
    )


class SampleIndex(Protocol):
    """One row for each sample; any number of processes may hold it, pickled or forked."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, the same wherever the same content is opened with the same options."""

    @property
    def home(self) -> Home: ...

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> pa.Table:
        """Return these rows, (n,) in any order, repeats allowed; raises IndexError out of range."""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order, of some columns or of all, in bounded memory."""


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """What is read of a source."""

    columns: tuple[str, ...] | None = None  # of what is read, these alone are kept; None: all
    filter: pc.Expression | None = None
    max_samples: int | None = None  # the first ones that the filter lets through
    lists_anew: bool = False  # of a directory: its files, though it has an index of its own
    root: str | Path = (
        ""  # where relative URLs, or the names of a Listing, begin: a directory, or a URL like "gs://bucket"
    )
    scratch: str = ""  # a directory for copies that are memory-mapped; "": the system's for temporaries
