"""Hold the files that a playlist is to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._data.flare.gathering import SampleFile
from dataflux_core._data.flare.sample_reading import opened
from dataflux_core._data.index.directory_files import files_below
from dataflux_core._wire.listing import COMPOSED_PREFIX
from dataflux_core._wire.objects import crc32c_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dataflux_core._data.listing import Listing

_COPY_BYTES = 1024**2
_TEMPORARY = ("~", ".tmp")


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """Files as columns, in the order of their names."""

    names: Sequence[str]  # "/" between their parts
    sizes: Sequence[int]  # bytes
    crc32cs: Sequence[str]  # base64 of the big-endian checksum; "": not known

    @classmethod
    def of_listing(cls, listing: Listing) -> ListedFiles:
        """Take the objects of a listing, without hidden ones, temporaries, names that end in "/"."""
        known = listing.column("crc32c") if "crc32c" in listing.fields else [""] * len(listing)
        return cls._of(zip(listing.names, listing.sizes, map(str, known), strict=True))

    @classmethod
    def below(cls, directory: Path) -> ListedFiles:
        """Find the files of a folder; raises IndexUnusable where it cannot be read."""
        table = files_below(str(directory))
        rows = zip(table.column("name").to_pylist(), table.column("size").to_pylist(), strict=True)
        return cls._of((name, size, "") for name, size in sorted(rows))

    @classmethod
    def _of(cls, rows: Iterator[tuple[str, int, str]]) -> ListedFiles:
        wanted = [row for row in rows if is_wanted(row[0])]
        names, sizes, crc32cs = ([row[column] for row in wanted] for column in range(3))
        return cls(names, sizes, crc32cs)  # type: ignore[arg-type] # a column each

    @property
    def total_bytes(self) -> int:
        return sum(self.sizes)

    def summed(self, directory: Path, observe: Callable[[int, int], None] | None = None) -> ListedFiles:
        """Read all of them below a folder for their checksums; raises FileNotRead, ObjectChanged."""
        done, total = 0, self.total_bytes
        crc32cs = []
        for name, size in zip(self.names, self.sizes, strict=True):
            crc32c = 0
            with opened(SampleFile("", str(directory / name), size)) as content:
                while chunk := content.read(_COPY_BYTES):
                    crc32c = google_crc32c.extend(crc32c, chunk)
            crc32cs.append(crc32c_text(crc32c))
            done += size
            if observe is not None:
                observe(done, total)
        return ListedFiles(self.names, self.sizes, crc32cs)


def is_wanted(name: str) -> bool:
    """Tell whether a name is that of data: neither hidden nor temporary nor a directory's."""
    return not (
        name.startswith((".", COMPOSED_PREFIX)) or "/." in name or name.endswith(("/", *_TEMPORARY)) or not name
    )
