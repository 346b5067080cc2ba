"""Hold what an index says of the objects that are to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN_BYTES = -1  # an object's size


@dataclass(frozen=True, slots=True)
class RemoteObjects:
    """Objects as columns; a column that is there has a value for each object.

    A URL is absolute: gs://bucket/name, s3://bucket/key, http(s)://…, or a local path that begins with "/".
    """

    urls: Sequence[str]
    sizes: Sequence[int] | None = None  # bytes; UNKNOWN_BYTES where not known
    crc32cs: Sequence[str] | None = None  # base64 of the big-endian checksum, as services write it; "": not known
    generations: Sequence[int] | None = None  # of a bucket on Google Cloud Storage; 0: not known

    def __len__(self) -> int:
        return len(self.urls)

    def picked(self, positions: Sequence[int]) -> RemoteObjects:
        """Return the objects at these positions, in this order."""

        def pick(column: Sequence[int] | None) -> list[int] | None:
            return None if column is None else [column[position] for position in positions]

        return RemoteObjects(
            [self.urls[position] for position in positions],
            pick(self.sizes),
            None if self.crc32cs is None else [self.crc32cs[position] for position in positions],
            pick(self.generations),
        )
