"""Count what became of samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class SampleCounts:
    """What one process made of its rows; counts of several processes can be added."""

    rows: int = 0
    samples: int = 0  # given out; transforms may make several of a row
    dropped: int = 0  # rows of which transforms made nothing
    bad: int = 0  # rows
    filled: int = 0  # rows, among the bad, that were given out with blanks or as a function mended them
    bad_by_kind: Counter[str] = field(default_factory=Counter)  # by the name of the error's class

    def __add__(self, other: SampleCounts) -> SampleCounts:
        return SampleCounts(
            self.rows + other.rows,
            self.samples + other.samples,
            self.dropped + other.dropped,
            self.bad + other.bad,
            self.filled + other.filled,
            self.bad_by_kind + other.bad_by_kind,
        )
